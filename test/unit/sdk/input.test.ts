import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InputEvent } from "../../../protocol/input.ts";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import type { ClientOptions } from "../../../src/sdk/api.ts";
import { ai, drivenBy, eventOf, recorder, resultOf, sandboxOf } from "./fixtures.ts";
import { type Peer, ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

async function joined(snapshot: Sandbox = sandboxOf(), options: Partial<ClientOptions> = {}) {
  const box = gateway.client(options).sandbox("box");
  const peer = await gateway.peer();
  const watch = box.watch();
  await peer.acceptJoin(snapshot);
  await watch.next();
  await watch.return?.();
  return { box, peer };
}

/** Answers every input until `work` has settled; returns their events. */
async function accepted(peer: Peer, work: Promise<unknown>): Promise<InputEvent[][]> {
  const batches: InputEvent[][] = [];
  const over = work.then(() => undefined);
  for (;;) {
    const input = await Promise.race([over, peer.next("input")]);
    if (!input) return batches;
    batches.push(input.events);
    if (input.id !== undefined) peer.done(input.id);
  }
}

describe("input", () => {
  it("carries the newest epoch and resolves once it is handled", async () => {
    const { box, peer } = await joined();
    peer.event(eventOf(6, { epoch: 101 }));
    await peer.handledBy(box);
    const click = box.input.click(10, 20);
    const input = await peer.next("input");
    expect(input).toMatchObject({ sandboxId: "box", epoch: 101 });
    expect(input).not.toHaveProperty("controller");
    expect(input.events).toEqual([
      { kind: "mouse", action: "move", x: 10, y: 20 },
      { kind: "mouse", action: "down", x: 10, y: 20, button: "left", buttons: 1, clickCount: 1 },
      { kind: "mouse", action: "up", x: 10, y: 20, button: "left", buttons: 0, clickCount: 1 },
    ]);
    peer.done(input.id ?? "");
    await click;
  });

  it("waits for the state when there is none yet, in order", async () => {
    const box = gateway.client().sandbox("box");
    const calls = [box.input.move(1, 1), box.input.click(2, 2), box.input.text("three")];
    const peer = await gateway.peer();
    await peer.acceptJoin(sandboxOf());
    const [first, second, third] = [
      await peer.next("input"),
      await peer.next("input"),
      await peer.next("input"),
    ];
    expect(first.events[0]).toMatchObject({ x: 1 });
    expect(second.events[0]).toMatchObject({ x: 2 });
    expect(third.events[0]).toMatchObject({ text: "three" });
    for (const { id, epoch } of [first, second, third]) {
      expect(epoch).toBe(100);
      peer.done(id ?? "");
    }
    await Promise.all(calls);
  });

  it("rejects when the state cannot be had", async () => {
    const box = gateway.client().sandbox("box");
    const move = box.input.move(1, 1);
    const peer = await gateway.peer();
    peer.refuse((await peer.next("sandbox.join")).id, "sandbox_not_found");
    await expect(move).rejects.toMatchObject({ code: "sandbox_not_found" });
  });

  it("C4: is refused, not kept, when it is somebody else's turn", async () => {
    const { box, peer } = await joined();
    const move = box.input.move(1, 1);
    peer.refuse((await peer.next("input")).id ?? "", "not_controller", { controller: "Ada" });
    await expect(move).rejects.toMatchObject({ code: "not_controller", details: { controller: "Ada" } });
  });

  it("C4: is never sent again: what was not answered rejects when the socket goes, what comes then as well", async () => {
    const { box, peer } = await joined();
    const click = box.input.click(1, 1);
    const rejected = expect(click).rejects.toMatchObject({ code: "unavailable" });
    await peer.next("input");
    peer.kill();
    await rejected;
    await expect(box.input.click(2, 2)).rejects.toMatchObject({ code: "unavailable" });
    const second = await gateway.peer();
    second.joined(await second.next("sandbox.join"), sandboxOf());
    const after = box.input.click(3, 3);
    const input = await second.next("input");
    expect(input.events[0]).toMatchObject({ x: 3 });
    second.done(input.id ?? "");
    await after;
    expect(second.types().filter((type) => type === "input")).toHaveLength(1);
  });

  it("C4: does not wait for the state over a lost connection", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const click = box.input.click(1, 1);
    const rejected = expect(click).rejects.toMatchObject({ code: "unavailable" });
    await peer.next("sandbox.join");
    peer.kill();
    await rejected;
  });

  it("aborts at its signal", async () => {
    const { box, peer } = await joined();
    const controller = new AbortController();
    const send = box.input.send([{ kind: "text", text: "a" }], { signal: controller.signal });
    await peer.next("input");
    controller.abort(new Error("enough"));
    await expect(send).rejects.toThrow("enough");
  });

  it("names the person whom this handle's accept made the controller, as long as they are", async () => {
    const { box, peer } = await joined(sandboxOf(), { role: "sdk" });
    const accept = box.acceptHumanHandoff({ controller: "Ada" });
    const { id } = await peer.next("handoff.accept");
    peer.event(eventOf(6, { epoch: 101, changes: { control: drivenBy("Ada") } }));
    peer.send({ type: "result", id, result: resultOf() });
    await accept;
    const [first, second] = [box.input.move(1, 1), box.input.move(2, 2)];
    for (const move of [first, second]) {
      const input = await peer.next("input");
      expect(input).toMatchObject({ controller: "Ada", epoch: 101 });
      peer.done(input.id ?? "");
      await move;
    }
    peer.event(eventOf(7, { epoch: 102, changes: { control: ai } }));
    await peer.handledBy(box);
    const last = box.input.move(3, 3);
    const input = await peer.next("input");
    expect(input).not.toHaveProperty("controller");
    peer.done(input.id ?? "");
    await last;
  });

  it("is sent in the turn that a call has just taken, though the event comes after its answer", async () => {
    const { box, peer } = await joined(sandboxOf(), { role: "operator", name: "Ada" });
    const take = box.takeControl();
    peer.send({ type: "result", id: (await peer.next("control.take")).id, result: resultOf() });
    await take;
    const click = box.input.click(1, 1);
    await peer.handledBy(box);
    expect(peer.types()).not.toContain("input");
    peer.event(eventOf(6, { epoch: 101, changes: { control: drivenBy("Ada") } }));
    await peer.handledBy(box);
    expect(peer.types()).toContain("input");
    const input = await peer.next("input");
    expect(input).toMatchObject({ controller: "Ada", epoch: 101 });
    peer.done(input.id ?? "");
    await click;
    // Giving it back is as whom it was taken.
    const release = box.releaseControl();
    const sent = await peer.next("control.release");
    expect(sent.controller).toBe("Ada");
    peer.send({ type: "result", id: sent.id, result: resultOf() });
    await release;
  });

  it("posts without an answer and hands refusals to the listener", async () => {
    const { box, peer } = await joined();
    const refusals = recorder<Error>();
    const stop = box.input.onRefused(refusals.listener);
    box.input.post([{ kind: "mouse", action: "move", x: 1, y: 1 }]);
    const input = await peer.next("input");
    expect(input).not.toHaveProperty("id");
    expect(input.epoch).toBe(100);
    const refusal = { code: "not_controller", message: "Ada drives.", retryable: false } as const;
    peer.send({ type: "error", sandboxId: "box", ...refusal });
    expect(await refusals.next()).toMatchObject({ code: "not_controller", message: "Ada drives." });
    peer.kill();
    await gateway.peer();
    const away = gateway.client().sandbox("box");
    const early = recorder<Error>();
    away.input.onRefused(early.listener);
    away.input.post([{ kind: "mouse", action: "move", x: 1, y: 1 }]);
    expect(await early.next()).toMatchObject({ code: "unavailable" });
    stop();
    expect(refusals.calls).toHaveLength(1);
  });

  it("C4: a post while the connection is away is refused", async () => {
    const { box, peer } = await joined();
    const refusals = recorder<Error>();
    box.input.onRefused(refusals.listener);
    const updates = recorder<boolean>();
    box.subscribe(({ connected }) => updates.listener(connected));
    peer.kill();
    while (await updates.next());
    box.input.post([{ kind: "mouse", action: "move", x: 1, y: 1 }]);
    expect(await refusals.next()).toMatchObject({ code: "unavailable" });
  });

  it("sends each convenience call as its event", async () => {
    const { box, peer } = await joined();
    const { input } = box;
    const calls: [Promise<void>, InputEvent][] = [
      [input.move(1, 2), { kind: "mouse", action: "move", x: 1, y: 2 }],
      [input.wheel(1, 2, 0, -120), { kind: "wheel", x: 1, y: 2, deltaX: 0, deltaY: -120 }],
      [input.text("日本"), { kind: "text", text: "日本" }],
      [input.paste("a\nb"), { kind: "paste", text: "a\nb" }],
      [
        input.navigate("https://example.test/"),
        { kind: "navigate", to: "url", url: "https://example.test/" },
      ],
      [input.back(), { kind: "navigate", to: "back" }],
      [input.forward(), { kind: "navigate", to: "forward" }],
      [input.reload(), { kind: "navigate", to: "reload" }],
      [input.selectTab("t1"), { kind: "tab", action: "select", tabId: "t1" }],
      [input.closeTab("t1"), { kind: "tab", action: "close", tabId: "t1" }],
      [input.openTab(), { kind: "tab", action: "open" }],
      [input.answerDialog(true, "yes"), { kind: "dialog", accept: true, promptText: "yes" }],
      [input.answerDialog(false), { kind: "dialog", accept: false }],
    ];
    for (const [call, event] of calls) {
      const sent = await peer.next("input");
      expect(sent.events).toEqual([event]);
      peer.done(sent.id ?? "");
      await call;
    }
  });

  it("double-clicks with two presses, and other buttons with their bit", async () => {
    const { box, peer } = await joined();
    const click = box.input.click(1, 1, { button: "right", clickCount: 2, modifiers: 8 });
    const [events] = await accepted(peer, click);
    expect(events?.map((event) => (event.kind === "mouse" ? [event.action, event.clickCount] : []))).toEqual([
      ["move", undefined],
      ["down", 1],
      ["up", 1],
      ["down", 2],
      ["up", 2],
    ]);
    expect(events?.[1]).toMatchObject({ button: "right", buttons: 2, modifiers: 8 });
  });

  it("drags with the button held, however many steps", async () => {
    const { box, peer } = await joined();
    const batches = await accepted(peer, box.input.drag({ x: 0, y: 0 }, { x: 100, y: 50 }, { steps: 100 }));
    expect(batches.every((batch) => batch.length <= 64)).toBe(true);
    const events = batches.flat();
    expect(events).toHaveLength(103);
    expect(events[1]).toMatchObject({ action: "down", x: 0, buttons: 1 });
    expect(events[51]).toEqual({ kind: "mouse", action: "move", x: 50, y: 25, button: "left", buttons: 1 });
    expect(events[102]).toMatchObject({ action: "up", x: 100, y: 50, buttons: 0 });
  });

  it("types keys and text in order, in messages of at most 64 events", async () => {
    const { box, peer } = await joined();
    const text = `${"aB3".repeat(30)}日本語😀!`;
    const batches = await accepted(peer, box.input.type(text));
    expect(batches.every((batch) => batch.length <= 64)).toBe(true);
    const typed = batches
      .flat()
      .map((event) => {
        if (event.kind === "text") return event.text;
        return event.kind === "key" && event.action === "down" ? event.text : "";
      })
      .join("");
    expect(typed).toBe(text);
    expect(batches.flat().filter((event) => event.kind === "text")).toEqual([
      { kind: "text", text: "日本語😀" },
    ]);
    expect(await accepted(peer, box.input.type(""))).toEqual([]);
  });

  it("C4: types the rest of a text into no later turn", async () => {
    const { box, peer } = await joined();
    const typing = box.input.type("x".repeat(100));
    const first = await peer.next("input");
    peer.event(eventOf(6, { epoch: 101, changes: { control: drivenBy("Ada") } }));
    peer.done(first.id ?? "");
    const second = await peer.next("input");
    expect(second.epoch).toBe(100);
    peer.refuse(second.id ?? "", "not_controller");
    await expect(typing).rejects.toMatchObject({ code: "not_controller" });
    expect(peer.types().filter((type) => type === "input")).toHaveLength(2);
  });

  it("splits long text within the message limit and never inside a character", async () => {
    const { box, peer } = await joined();
    // One in front, so that a cut at an even place would fall into a pair.
    const text = `a${"😀".repeat(40_000)}`;
    const batches = await accepted(peer, box.input.text(text));
    expect(batches.length).toBeGreaterThan(1);
    const parts = batches.flat().map((event) => (event.kind === "text" ? event.text : ""));
    expect(parts.join("")).toBe(text);
    expect(parts.every((part) => !/\p{Cs}/u.test(part))).toBe(true);
  });

  it("rejects a key that does not exist", async () => {
    const { box } = await joined();
    await expect(box.input.press("Hyper+A")).rejects.toMatchObject({ code: "invalid_message" });
  });
});
