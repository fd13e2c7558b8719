/** Agents, and a browser, that look for a way around the gate. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { launchForRogues, press, RogueStage, type Chromium } from "../support/rogue-stage.ts";

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

/** In front of Chromium; a command `Odd.say` is answered with the text that it carries. */
async function oddBrowser(): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", (client) => {
    const browser = new WebSocket(chromium.endpoint, { perMessageDeflate: false });
    const early: string[] = [];
    client.on("message", (bytes: Buffer) => {
      const text = bytes.toString();
      const { method, params } = JSON.parse(text) as { method: string; params?: { text: string } };
      if (method === "Odd.say") client.send(params?.text ?? "");
      else if (browser.readyState === WebSocket.OPEN) browser.send(text);
      else early.push(text);
    });
    browser.on("open", () => early.forEach((text) => browser.send(text)));
    browser.on("message", (bytes: Buffer) => client.send(bytes.toString()));
    client.on("close", () => browser.terminate());
    browser.on("close", () => client.terminate());
    for (const side of [client, browser]) side.on("error", () => {});
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/devtools/browser/odd`;
}

describe("an agent that hides what it has under way", () => {
  it("C2: a session that is given up is still waited for", async () => {
    const stage = await RogueStage.start(chromium);
    const { agent, session } = await stage.attached();
    const other = await agent.attach(stage.targetId);
    const expression = `{ const begun = Date.now(); while (Date.now() - begun < 800); } __witness("loop over")`;
    agent.post("Runtime.evaluate", { expression }, session);
    agent.post("Input.dispatchMouseEvent", { ...press("mousePressed"), x: 310, y: 320 }, other);
    agent.post("Target.detachFromTarget", { sessionId: session });
    agent.post("Target.detachFromTarget", { sessionId: other });
    await agent.sync();
    await stage.anna.takeControl();
    // The browser process answers, whatever the page does: what came before it is here.
    await stage.direct.sync();
    // Input and scripts come to a page by different ways: which is first is not said.
    const all = ["loop over", "mousedown 310,320", "mouseup 310,320", "click 310,320"];
    expect(new Set(stage.record)).toEqual(new Set(all));
    await stage.anna.releaseControl();
    await stage.works();
  });

  it("C2: a gesture without an end ends with its connection", async () => {
    const stage = await RogueStage.start(chromium);
    const { agent, session } = await stage.attached();
    const gesture = { x: 400, y: 400, yDistance: -500_000, speed: 10 };
    agent.post("Input.synthesizeScrollGesture", gesture, session);
    await agent.sync();
    await stage.anna.takeControl();
    expect((await agent.closed).code).toBe(3005);
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });
});

describe("a browser that sends what no browser sends", () => {
  it.each([
    '{"method":"Target.attachedToTarget","params":{}}',
    '{"method":"Target.attachedToTarget","params":{"sessionId":"S","targetInfo":null}}',
    '{"method":"Fetch.requestPaused","params":{nope}}',
    '{"method":"Page.javascriptDialogOpening","params":7}',
  ])("costs its agent the connection, and nobody else anything: %s", async (text) => {
    const stage = await RogueStage.start(chromium);
    const worker = stage.gateway.client({ role: "worker" });
    await worker.createSandbox({ sandboxId: "odd", browser: { cdpUrl: await oddBrowser() } });
    worker.close();
    const url = stage.cdpUrl().replace("/s/cdp", "/odd/cdp");
    const { RawCdp } = await import("../support/raw-cdp.ts");
    const [victim, neighbour] = [await RawCdp.open(url), await RawCdp.open(url)];
    await victim.sync();
    victim.post("Odd.say", { text });
    // What looks like no answer to anything may pass unnoticed; what is looked into ends the connection.
    const ended = await Promise.race([victim.closed, victim.call("Browser.getVersion").catch(() => null)]);
    if (ended && "code" in ended) expect(ended.code).toBe(3003);
    await neighbour.sync();
    await stage.anna.takeControl();
    await stage.personClicks();
    await stage.anna.releaseControl();
  });
});
