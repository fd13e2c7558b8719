/** Agents that vanish, that do not read, and browsers and gateways that go away under an agent. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { chromiumPath } from "../support/browser.ts";
import { until } from "../support/gateway.ts";
import { within } from "../support/inbox.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { launchForRogues, press, RogueStage, type Chromium } from "../support/rogue-stage.ts";

const MIB = 2 ** 20;

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

const start = (): Promise<RogueStage> => RogueStage.start(chromium);

describe("an agent that vanishes", () => {
  it("C5: with the mouse and a key down: both are released in the page", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const key = { key: "Shift", code: "ShiftLeft", windowsVirtualKeyCode: 16 };
    agent.post("Input.dispatchMouseEvent", { ...press("mousePressed"), x: 310, y: 320 }, session);
    agent.post("Input.dispatchKeyEvent", { type: "keyDown", ...key }, session);
    await stage.saw("mousedown 310,320");
    await stage.saw("keydown Shift");
    agent.cut();
    await stage.saw("mouseup 310,320");
    await stage.saw("keyup Shift");
    await stage.works();
  });

  it("G2: in the middle of a held queue: nothing of it is carried out", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    await stage.anna.takeControl();
    await stage.direct.evaluate("i.focus(); 1", stage.directSession);
    for (let n = 0; n < 100; n += 1) agent.post("Input.insertText", { text: `held${n}` }, session);
    await agent.sync();
    expect(await stage.metric("baton_cdp_waiting")).toBe(100);
    agent.cut();
    await stage.sees(({ members }) => members.every(({ cdp }) => cdp === undefined));
    expect(await stage.metric("baton_cdp_waiting")).toBe(0);
    await stage.anna.releaseControl();
    await stage.works();
    expect(stage.record.filter((line) => String(line).includes("held"))).toEqual([]);
  });

  it("in the middle of a flood", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    for (let n = 0; n < 2_000; n += 1) agent.post("Input.insertText", { text: "f" }, session);
    agent.cut();
    await stage.works();
  });
});

describe("an agent that does not read", () => {
  it("is not read any more, costs a bounded amount of memory, and keeps nobody from taking over", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    await agent.evaluate(`globalThis.big = "x".repeat(${MIB}); 1`, session);
    const before = process.memoryUsage().external;
    const grown = (): number => (process.memoryUsage().external - before) / MIB;
    const expression = "new Promise((done) => (globalThis.last = done))";
    const answered = stage.direct.done(
      "Runtime.evaluate",
      { expression, awaitPromise: true },
      stage.directSession,
    );
    await stage.direct.evaluate("1", stage.directSession);
    agent.socket.pause();
    for (let n = 0; n < 180; n += 1) {
      if (n % 20 === 0) agent.post("Page.captureScreenshot", { format: "png" }, session);
      agent.post("Runtime.evaluate", { expression: "big", returnByValue: true }, session);
    }
    agent.post("Runtime.evaluate", { expression: "last()" }, session);
    await answered;
    await stage.metric("baton_cdp_connections");
    expect(grown()).toBeLessThan(48);
    let peak = 0;
    const sampling = setInterval(() => (peak = Math.max(peak, grown())), 1);
    await stage.anna.takeControl();
    await stage.personClicks();
    clearInterval(sampling);
    // What a drain reads for a client that does not read is bounded too.
    expect(peak).toBeLessThan(140);
    await stage.anna.releaseControl();
    await stage.works();
    agent.socket.resume();
    expect([1005, 1006]).toContain((await agent.closing()).code);
  });
});

describe("an end from the other side", () => {
  it("Chromium is killed: the agent's connection is closed with browser_gone, and a new one works", async () => {
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    let launched: LaunchedBrowser | undefined;
    const gateway = await startLoggedGateway({
      browsers: {
        ...provider,
        launch: async (options) => (launched = await provider.launch(options)),
      },
    });
    const worker = gateway.client({ role: "worker" });
    await worker.createSandbox({ sandboxId: "k", browser: { launch: true } });
    onTestFinished(async () => {
      await worker.removeSandbox("k");
    });
    const anna = gateway.client({ role: "operator", name: "anna" }).sandbox("k");
    await until(anna, ({ sandbox }) => sandbox.browser?.status === "live");
    const url = `${gateway.url.replace("http", "ws")}/v1/sandboxes/k/cdp`;
    const agent = await RawCdp.open(url);
    await agent.sync();
    const pid = launched?.pid;
    if (pid === undefined) throw new Error("the gateway launched no browser");
    const away = until(anna, ({ sandbox }) => sandbox.browser?.status !== "live");
    process.kill(pid, "SIGKILL");
    expect(await agent.closing()).toMatchObject({ code: 3004 });
    await away;
    await until(anna, ({ sandbox }) => sandbox.browser?.status === "live");
    const other = await RawCdp.open(url);
    const { targetInfos } = await other.done("Target.getTargets");
    const [page] = targetInfos as { targetId: string; type: string }[];
    expect(await other.evaluate("1 + 1", await other.attach(page?.targetId ?? ""))).toBe(2);
    await anna.takeControl();
    await anna.input.click(5, 5);
    await anna.releaseControl();
  });

  it("the gateway shuts down: connections are closed with going_away, and a page that hangs holds nothing up", async () => {
    const stage = await start();
    const idle = await stage.agent();
    const { agent, session } = await stage.attached();
    agent.post("Runtime.evaluate", { expression: "for (;;) {}" }, session);
    await agent.sync();
    // Nobody will answer it.
    stage.anna.takeControl().catch(() => {});
    await stage.sees(({ sandbox }) => sandbox.control.phase === "draining");
    await within(stage.gateway.gateway.close(), "the end of the gateway");
    expect([(await agent.closing()).code, (await idle.closing()).code]).toEqual([3000, 3000]);
  });
});
