/** Ordinary Puppeteer scripts, run directly against Chromium and through the CDP gate: both see the same. */
import { connect } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectPuppeteer, tidyPuppeteer, type PuppeteerBench } from "../cdp-scenarios/puppeteer-bench.ts";
import { INPUT_SCENARIOS } from "../cdp-scenarios/puppeteer-input.ts";
import { NETWORK_SCENARIOS } from "../cdp-scenarios/puppeteer-network.ts";
import { SCRIPTING_SCENARIOS } from "../cdp-scenarios/puppeteer-scripting.ts";
import { sameThroughGate, type Sides } from "../cdp-scenarios/scenario.ts";
import { startTargets, type Targets } from "../cdp-scenarios/targets.ts";

let targets: Targets;
let sides: Sides<PuppeteerBench>;

beforeAll(async () => {
  targets = await startTargets();
  sides = { direct: await connectPuppeteer(targets.direct), gate: await connectPuppeteer(targets.gate) };
});

afterAll(async () => {
  await sides?.direct.browser.disconnect();
  await sides?.gate.browser.disconnect();
  await targets?.close();
});

describe("G1: a Puppeteer script sees the same through the gate", () => {
  sameThroughGate(
    [...INPUT_SCENARIOS, ...NETWORK_SCENARIOS, ...SCRIPTING_SCENARIOS],
    () => sides,
    tidyPuppeteer,
  );

  it("close() and disconnect() end this connection, and leave the browser and its tabs to the others", async () => {
    const { endpoints, site } = targets.gate;
    const first = await connect({ browserWSEndpoint: endpoints.ws });
    const page = await first.newPage();
    await page.goto(`${site.url}/second`);
    await first.close();
    expect(first.connected).toBe(false);
    const second = await connect({ browserWSEndpoint: endpoints.ws });
    const left = (await second.pages()).find((each) => each.url() === `${site.url}/second`);
    expect(await left?.title()).toBe("second");
    await left?.close();
    await second.disconnect();
    expect(sides.gate.browser.connected).toBe(true);
  });
});
