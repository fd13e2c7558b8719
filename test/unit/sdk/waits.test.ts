import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Handoff } from "../../../protocol/handoff.ts";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import type { ClientOptions } from "../../../src/sdk/api.ts";
import { ai, drivenBy, eventOf, handoffOf, nobody, resultOf, sandboxOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

const pending = handoffOf();
const completed = handoffOf({ status: "completed", controller: "Ada", updatedAt: 20, completedAt: 20 });
const newer = handoffOf({ requestId: "second", requestedAt: 30, updatedAt: 30 });

async function joined(snapshot: Sandbox, options: Partial<ClientOptions> = {}) {
  const box = gateway.client(options).sandbox("box");
  box.subscribe(() => {});
  const peer = await gateway.peer();
  await peer.acceptJoin(snapshot);
  for await (const _ of box.watch()) break;
  return { box, peer };
}

/** True when `promise` has settled before everything that was sent on the socket so far was handled. */
async function isSettled(
  promise: Promise<unknown>,
  { box, peer }: Awaited<ReturnType<typeof joined>>,
): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await peer.handledBy(box);
  return settled;
}

describe("waitForHandoff", () => {
  it("waits for the open one's end, and until control has arrived", async () => {
    const scene = await joined(sandboxOf({ handoff: pending, control: nobody }));
    const { box, peer } = scene;
    const wait = box.waitForHandoff();
    const accepted: Handoff = { ...pending, status: "accepted", controller: "Ada", updatedAt: 15 };
    peer.event(
      eventOf(6, {
        epoch: 101,
        type: "handoff.accepted",
        changes: { handoff: accepted, control: drivenBy("Ada") },
      }),
    );
    expect(await isSettled(wait, scene)).toBe(false);
    const draining = { ...ai, phase: "draining" } as const;
    peer.event(
      eventOf(7, {
        epoch: 102,
        type: "handoff.completed",
        changes: { handoff: completed, control: draining },
      }),
    );
    expect(await isSettled(wait, scene)).toBe(false);
    peer.event(eventOf(8, { epoch: 102, type: "control.active", changes: { control: ai } }));
    await expect(wait).resolves.toEqual(completed);
  });

  it.each(["cancelled", "expired"] as const)("H4: tells that it was %s", async (status) => {
    const { box, peer } = await joined(sandboxOf({ handoff: pending, control: nobody }));
    const wait = box.waitForHandoff({ requestId: "first" });
    const over = { ...pending, status, updatedAt: 20 };
    peer.event(
      eventOf(6, { epoch: 101, type: `handoff.${status}`, changes: { handoff: over, control: ai } }),
    );
    await expect(wait).resolves.toEqual(over);
  });

  it("resolves at once with one that is over, named or not", async () => {
    const { box } = await joined(sandboxOf({ handoff: completed }));
    await expect(box.waitForHandoff()).resolves.toEqual(completed);
    await expect(box.waitForHandoff({ requestId: "first" })).resolves.toEqual(completed);
  });

  it("rejects when there was none", async () => {
    const { box } = await joined(sandboxOf());
    await expect(box.waitForHandoff()).rejects.toMatchObject({ code: "no_open_handoff" });
  });

  it("resolves with the end it saw when a newer one has taken its place meanwhile", async () => {
    const { box, peer } = await joined(sandboxOf({ handoff: pending, control: nobody }));
    const wait = box.waitForHandoff();
    const draining = { ...ai, phase: "draining" } as const;
    peer.event(
      eventOf(6, {
        epoch: 101,
        type: "handoff.completed",
        changes: { handoff: completed, control: draining },
      }),
    );
    peer.event(
      eventOf(7, { epoch: 102, type: "handoff.requested", changes: { handoff: newer, control: nobody } }),
    );
    await expect(wait).resolves.toEqual(completed);
  });

  it("sees the end among the events that it missed while away", async () => {
    const { box, peer } = await joined(sandboxOf({ handoff: pending, control: nobody }));
    const wait = box.waitForHandoff();
    peer.kill();
    const second = await gateway.peer();
    second.continues(await second.next("sandbox.join"), { epoch: 102, seq: 7 });
    second.event(eventOf(6, { epoch: 101, changes: { handoff: completed, control: ai } }));
    second.event(eventOf(7, { epoch: 102, changes: { handoff: newer, control: nobody } }));
    await expect(wait).resolves.toEqual(completed);
  });

  it("rejects when the end was lost with a snapshot that holds a newer one", async () => {
    const { box, peer } = await joined(sandboxOf({ handoff: pending, control: nobody }));
    const wait = box.waitForHandoff();
    const rejected = expect(wait).rejects.toMatchObject({
      code: "no_open_handoff",
      message: /replaced by second/,
    });
    peer.kill();
    const second = await gateway.peer();
    second.joined(await second.next("sandbox.join"), sandboxOf({ seq: 90, handoff: newer, control: nobody }));
    await rejected;
  });

  it("asks the gateway about a handoff that the state does not show yet", async () => {
    const { box, peer } = await joined(sandboxOf({ handoff: completed }));
    const wait = box.waitForHandoff({ requestId: "second" });
    peer.send({ type: "result", id: (await peer.next("handoff.get")).id, result: resultOf(newer) });
    peer.event(eventOf(6, { epoch: 101, changes: { handoff: newer, control: nobody } }));
    const over: Handoff = { ...newer, status: "cancelled", updatedAt: 40 };
    peer.event(eventOf(7, { epoch: 102, changes: { handoff: over, control: ai } }));
    await expect(wait).resolves.toEqual(over);
  });

  it("rejects a handoff that the gateway does not know either", async () => {
    const { box, peer } = await joined(sandboxOf({ handoff: completed }));
    const wait = box.waitForHandoff({ requestId: "never" });
    const rejected = expect(wait).rejects.toMatchObject({
      code: "no_open_handoff",
      message: /never is not the sandbox's last handoff: the last one is first/,
    });
    peer.send({ type: "result", id: (await peer.next("handoff.get")).id, result: resultOf(completed) });
    await rejected;
  });

  it("waits for the handoff that was just requested though its event comes after the answer", async () => {
    const scene = await joined(sandboxOf({ handoff: completed }));
    const { box, peer } = scene;
    const call = box.requestHumanHandoff({ reason: "mfa", message: "Again" });
    peer.send({ type: "result", id: (await peer.next("handoff.request")).id, result: resultOf(newer) });
    await call;
    const wait = box.waitForHandoff();
    const control = box.waitForControl();
    expect(await isSettled(Promise.race([wait, control]), scene)).toBe(false);
    peer.event(eventOf(6, { epoch: 101, changes: { handoff: newer, control: nobody } }));
    expect(await isSettled(Promise.race([wait, control]), scene)).toBe(false);
    const over: Handoff = { ...newer, status: "completed", updatedAt: 40 };
    peer.event(eventOf(7, { epoch: 102, changes: { handoff: over, control: ai } }));
    await expect(wait).resolves.toEqual(over);
    await expect(control).resolves.toBe("ai");
  });

  it("gives up after timeoutMs, and at its signal", async () => {
    const { box } = await joined(sandboxOf({ handoff: pending, control: nobody }));
    await expect(box.waitForHandoff({ timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
    const controller = new AbortController();
    const wait = box.waitForHandoff({ signal: controller.signal });
    const rejected = expect(wait).rejects.toThrow("enough");
    controller.abort(new Error("enough"));
    await rejected;
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });
});

describe("waitForControl", () => {
  it.each(["agent", "worker", "sdk"] as const)("gives %s the agent's turn", async (role) => {
    const scene = await joined(sandboxOf({ control: nobody }), { role });
    const wait = scene.box.waitForControl();
    const draining = { ...ai, phase: "draining" } as const;
    scene.peer.event(eventOf(6, { epoch: 101, changes: { control: draining } }));
    expect(await isSettled(wait, scene)).toBe(false);
    scene.peer.event(eventOf(7, { epoch: 101, type: "control.active", changes: { control: ai } }));
    await expect(wait).resolves.toBe("ai");
    // At once when it is so already.
    await expect(scene.box.waitForControl()).resolves.toBe("ai");
  });

  it("gives a person the turn that names them", async () => {
    const scene = await joined(sandboxOf(), { role: "operator", name: "Ada" });
    const wait = scene.box.waitForControl();
    scene.peer.event(eventOf(6, { epoch: 101, changes: { control: drivenBy("Bo") } }));
    scene.peer.event(eventOf(7, { epoch: 102, changes: { control: drivenBy("Ada", "draining") } }));
    expect(await isSettled(wait, scene)).toBe(false);
    scene.peer.event(eventOf(8, { epoch: 102, changes: { control: drivenBy("Ada") } }));
    await expect(wait).resolves.toBe("shared");
  });

  it("counts the person whom a program made the controller", async () => {
    const { box, peer } = await joined(sandboxOf(), { role: "sdk" });
    const call = box.takeControl({ controller: "Ada" });
    peer.send({ type: "result", id: (await peer.next("control.take")).id, result: resultOf() });
    await call;
    const wait = box.waitForControl();
    peer.event(eventOf(6, { epoch: 101, changes: { control: { ...drivenBy("Ada"), mode: "human" } } }));
    await expect(wait).resolves.toBe("human");
  });

  it("does not believe a state that may be old", async () => {
    const { box, peer } = await joined(sandboxOf());
    peer.kill();
    const second = await gateway.peer();
    const join = await second.next("sandbox.join");
    const wait = box.waitForControl();
    second.continues(join, { epoch: 102, seq: 7 });
    second.event(eventOf(6, { epoch: 101, changes: { control: nobody } }));
    second.event(eventOf(7, { epoch: 102, changes: { control: nobody } }));
    expect(await isSettled(wait, { box, peer: second })).toBe(false);
    second.event(eventOf(8, { epoch: 103, changes: { control: { ...ai, since: 9 } } }));
    await expect(wait).resolves.toBe("ai");
  });

  it("gives up after timeoutMs", async () => {
    const { box } = await joined(sandboxOf({ control: nobody }));
    await expect(box.waitForControl({ timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
  });
});
