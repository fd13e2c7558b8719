/** Who drives, over real sockets: what reaches the browser, and when (C1 to C6). */
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { BatonError } from "../../protocol/errors.ts";
import { startGateway, until } from "../support/gateway.ts";

async function table() {
  const test = await startGateway();
  await test.create("s");
  const agent = test.client({ role: "agent", name: "bot" });
  const anna = test.client({ role: "operator", name: "anna" });
  const ben = test.client({ role: "operator", name: "ben" });
  const seats = { agent: agent.sandbox("s"), anna: anna.sandbox("s"), ben: ben.sandbox("s") };
  await Promise.all(
    Object.values(seats).map((seat) => until(seat, ({ sandbox }) => sandbox.browser?.status === "live")),
  );
  const received = (): unknown[] =>
    test.browser.received.map(({ event }) => (event.kind === "text" ? event.text : event));
  return { ...test, ...seats, received };
}

/** False when it is not yet allowed. */
function passes(input: Promise<void>): Promise<boolean> {
  return input.then(
    () => true,
    (error: unknown) => {
      if (error instanceof BatonError && error.code === "not_controller") return false;
      throw error;
    },
  );
}

const REQUEST = { reason: "mfa", message: "Enter the code" } as const;

describe("control", () => {
  it("C1, C4: only the present holder's input reaches the browser; others hear who drives", async () => {
    const { agent, anna, ben, received } = await table();
    await agent.input.text("agent 1");
    await expect(anna.input.text("too early")).rejects.toMatchObject({
      code: "not_controller",
      details: { controller: "ai" },
    });
    await agent.requestHumanHandoff(REQUEST);
    for (const seat of [agent, anna, ben]) {
      const refusal = await seat.input.text("nobody drives").catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: "not_controller" });
      expect((refusal as { details: object }).details).not.toHaveProperty("controller");
    }
    await anna.acceptHumanHandoff({ controller: "anna" });
    await anna.input.text("anna 1");
    for (const seat of [agent, ben]) {
      await expect(seat.input.text("not mine")).rejects.toMatchObject({
        code: "not_controller",
        details: { controller: "anna" },
      });
    }
    await anna.completeHumanHandoff({ controller: "anna" });
    await agent.waitForControl();
    await expect(anna.input.text("too late")).rejects.toMatchObject({
      code: "not_controller",
      details: { controller: "ai" },
    });
    await agent.input.text("agent 2");
    expect(received()).toEqual(["agent 1", "anna 1", "agent 2"]);
  });

  it("C2: accept resolves only when the agent's input is finished, and everybody sees that it is being stopped", async () => {
    const { agent, anna, browser, received } = await table();
    browser.holdAnswers();
    const inFlight = agent.input.text("in flight");
    const order: string[] = [];
    const requested = agent.requestHumanHandoff(REQUEST).then(() => order.push("requested"));
    await until(anna, ({ sandbox }) => sandbox.control.phase === "draining");
    const accepted = anna.acceptHumanHandoff({ controller: "anna" }).then(() => order.push("accepted"));
    const draining = await until(anna, ({ sandbox }) => sandbox.handoff?.status === "accepted");
    expect(draining.sandbox.control).toMatchObject({ phase: "draining", controller: "anna" });
    await expect(anna.input.text("not yet")).rejects.toMatchObject({
      code: "not_controller",
      details: { phase: "draining" },
    });
    order.push("answered");
    browser.answer();
    await Promise.all([inFlight, requested, accepted]);
    expect(order.indexOf("accepted")).toBeGreaterThan(order.indexOf("answered"));
    await anna.input.text("anna 1");
    expect(received()).toEqual(["in flight", "anna 1"]);
  });

  it("C2: the epoch rises with every change of who may drive", async () => {
    const { agent, anna } = await table();
    const epochs: number[] = [];
    const stop = anna.subscribe(({ sandbox }) => epochs.push(sandbox.epoch));
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    await anna.passControl({ to: "ben" });
    await anna.cancelHumanHandoff();
    await until(anna, ({ sandbox }) => sandbox.control.mode === "ai" && sandbox.control.phase === "active");
    stop();
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
    expect(new Set(epochs).size).toBe(5);
  });

  it("C4: input that was sent before control moved is refused even when control has come back", async () => {
    const { agent, anna, received, url } = await table();
    const old = (await until(agent, () => true)).sandbox.epoch;
    await anna.takeControl();
    await anna.releaseControl();
    await agent.waitForControl();
    const text = (epoch: number, value: string): object => ({
      type: "input",
      id: value,
      sandboxId: "s",
      epoch,
      events: [{ kind: "text", text: value }],
    });
    const now = (await until(agent, () => true)).sandbox.epoch;
    const answers = await rawAgent(url, [text(old, "late"), text(now, "fresh")]);
    expect(answers).toMatchObject([
      {
        type: "error",
        id: "late",
        code: "not_controller",
        details: { stale: true, controller: "ai", epoch: now },
      },
      { type: "done", id: "fresh" },
    ]);
    expect(received()).toEqual(["fresh"]);
  });

  it("C5: keys and buttons that the agent holds are released before the person is active", async () => {
    const { agent, anna, browser } = await table();
    await agent.input.send([
      { kind: "mouse", action: "down", x: 10, y: 20, button: "left", buttons: 1 },
      { kind: "key", action: "down", key: "Shift", code: "ShiftLeft" },
    ]);
    await anna.takeControl();
    await anna.input.text("anna 1");
    const after = browser.received.slice(2).map(({ event }) => event);
    expect(after).toEqual([
      expect.objectContaining({ kind: "mouse", action: "up", button: "left", x: 10, y: 20 }),
      expect.objectContaining({ kind: "key", action: "up", key: "Shift" }),
      { kind: "text", text: "anna 1" },
    ]);
  });

  it("C2: while the agent is being stopped the next one may leave the page, and nobody else anything", async () => {
    const { agent, anna, ben, browser, received } = await table();
    browser.holdAnswers();
    const stuck = agent.input.text("stuck");
    const taken = anna.takeControl();
    await until(anna, ({ sandbox }) => sandbox.control.phase === "draining");
    await until(ben, ({ sandbox }) => sandbox.control.phase === "draining");
    await expect(ben.input.openTab()).rejects.toMatchObject({ code: "not_controller" });
    await expect(agent.input.openTab()).rejects.toMatchObject({ code: "not_controller" });
    await expect(
      anna.input.send([
        { kind: "tab", action: "open" },
        { kind: "text", text: "and more" },
      ]),
    ).rejects.toMatchObject({ code: "not_controller", details: { phase: "draining" } });
    // A page may be slow for a moment; only one that hangs may be left.
    await expect(anna.input.openTab()).rejects.toMatchObject({ details: { phase: "draining" } });
    while (!(await passes(anna.input.openTab())));
    expect(browser.pages).toHaveLength(2);
    browser.answer();
    await Promise.all([stuck, taken]);
    expect(received()).toEqual(["stuck"]);
  });

  it("C7: input aimed at one tab is refused when another is shown by then, but what is held may be released", async () => {
    const { agent, browser, received } = await table();
    const { tabs } = await until(agent, (update) => update.tabs.length === 1);
    const seen = tabs[0]?.number as number;
    const press = { kind: "mouse", action: "down", x: 5, y: 5, button: "left", buttons: 1 } as const;
    const letGo = { ...press, action: "up", buttons: 0 } as const;
    await agent.input.send([press], { tab: seen });
    const popup = browser.openTab("http://example.test/popup", browser.active?.tabId);
    const { tabs: now } = await until(agent, (update) => update.tabs.length === 2);
    const shown = now.find(({ tabId }) => tabId === popup)?.number as number;
    await expect(
      agent.input.send([{ kind: "text", text: "for the page below" }], { tab: seen }),
    ).rejects.toMatchObject({
      code: "stale_tab",
      details: { tab: shown },
    });
    await agent.input.send([letGo], { tab: seen });
    await agent.input.send([{ kind: "text", text: "for the popup" }], { tab: shown });
    expect(received()).toEqual([
      expect.objectContaining(press),
      expect.objectContaining({ kind: "mouse", action: "up" }),
      "for the popup",
    ]);
  });

  it("taking, passing and giving back without a handoff", async () => {
    const { agent, anna, ben, received } = await table();
    expect((await anna.takeControl()).preview).toMatchObject({ controlMode: "human", controller: "anna" });
    await expect(ben.takeControl()).rejects.toMatchObject({
      code: "already_controlled",
      details: { controller: "anna" },
    });
    await anna.passControl({ to: "ben" });
    expect(await ben.waitForControl()).toBe("human");
    await ben.input.text("ben 1");
    await anna.takeControl({ force: true });
    await expect(ben.input.text("too late")).rejects.toMatchObject({ code: "not_controller" });
    await anna.passControl({ to: "ai" });
    expect(await agent.waitForControl()).toBe("ai");
    await agent.input.text("agent 1");
    expect(received()).toEqual(["ben 1", "agent 1"]);
  });

  it("a browser that goes away refuses input, says so to everybody, and is found again", async () => {
    const { agent, anna, browser, received } = await table();
    browser.crash();
    await until(anna, ({ sandbox }) => sandbox.browser?.status === "reconnecting");
    await expect(agent.input.text("lost")).rejects.toMatchObject({
      code: "browser_unavailable",
      retryable: true,
    });
    browser.restart();
    await until(anna, ({ sandbox }) => sandbox.browser?.status === "live");
    await agent.input.text("back");
    expect(received()).toEqual(["back"]);
  });

  it("a page that hangs keeps the new controller waiting, and neither the agent nor the person in", async () => {
    const { agent, anna, browser, received } = await table();
    browser.hang();
    const stuck = agent.input.text("stuck");
    const taken = anna.takeControl();
    await until(anna, ({ sandbox }) => sandbox.control.phase === "draining");
    await expect(anna.input.text("no")).rejects.toMatchObject({ code: "not_controller" });
    browser.recover();
    await Promise.all([stuck, taken]);
    await anna.input.text("yes");
    expect(received()).toEqual(["stuck", "yes"]);
  });
});

/** An agent that speaks the protocol by hand. Joins `s`, sends `messages`, resolves with their answers in order. */
async function rawAgent(url: string, messages: readonly object[]): Promise<unknown[]> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/connect`, ["baton.v1"]);
  await once(socket, "open");
  const answers: unknown[] = [];
  const ids = messages.map((message) => (message as { id: string }).id);
  const finished = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) return;
      const message = JSON.parse(data.toString("utf8")) as { type: string; id?: string };
      if (message.type === "sandbox.joined") for (const each of messages) socket.send(JSON.stringify(each));
      if (message.id !== undefined && ids.includes(message.id)) answers.push(message);
      if (answers.length === messages.length) resolve();
    });
  });
  socket.send(JSON.stringify({ type: "hello", version: 1, role: "agent", name: "raw" }));
  socket.send(JSON.stringify({ type: "sandbox.join", id: "join", sandboxId: "s" }));
  await finished;
  socket.terminate();
  return answers;
}
