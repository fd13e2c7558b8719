/** Ordinary Playwright scripts, run directly against Chromium and through the CDP gate: both see the same. */
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  connectPlaywright,
  tidyPlaywright,
  type PlaywrightBench,
} from "../cdp-scenarios/playwright-bench.ts";
import { INPUT_SCENARIOS } from "../cdp-scenarios/playwright-input.ts";
import { NETWORK_SCENARIOS } from "../cdp-scenarios/playwright-network.ts";
import { SCRIPTING_SCENARIOS } from "../cdp-scenarios/playwright-scripting.ts";
import { STATE_SCENARIOS } from "../cdp-scenarios/playwright-state.ts";
import { TAB_SCENARIOS } from "../cdp-scenarios/playwright-tabs.ts";
import { sameThroughGate, type Sides } from "../cdp-scenarios/scenario.ts";
import { startTargets, type Targets } from "../cdp-scenarios/targets.ts";

let targets: Targets;
let sides: Sides<PlaywrightBench>;

beforeAll(async () => {
  targets = await startTargets();
  sides = { direct: await connectPlaywright(targets.direct), gate: await connectPlaywright(targets.gate) };
});

afterAll(async () => {
  await sides?.direct.browser.close();
  await sides?.gate.browser.close();
  await targets?.close();
});

const SCENARIOS = [
  ...INPUT_SCENARIOS,
  ...TAB_SCENARIOS,
  ...NETWORK_SCENARIOS,
  ...STATE_SCENARIOS,
  ...SCRIPTING_SCENARIOS,
];

describe("G1: a Playwright script sees the same through the gate", () => {
  sameThroughGate(SCENARIOS, () => sides, tidyPlaywright);

  it("browser.close() ends this connection and its contexts, and leaves the browser to the next script", async () => {
    const { endpoints, site } = targets.gate;
    const first = await chromium.connectOverCDP(endpoints.http);
    const page = await (await first.newContext()).newPage();
    await page.goto(`${site.url}/second`);
    await first.close();
    expect(first.isConnected()).toBe(false);
    const second = await chromium.connectOverCDP(endpoints.ws);
    const root = await second.newBrowserCDPSession();
    const { targetInfos } = await root.send("Target.getTargets");
    const urls = targetInfos.map(({ url }) => url);
    expect(urls).toContain("about:blank");
    expect(urls).not.toContain(`${site.url}/second`);
    await second.close();
  });
});
