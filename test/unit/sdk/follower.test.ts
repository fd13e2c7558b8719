import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SandboxUpdate } from "../../../src/sdk/api.ts";
import { MAX_WATCH_BACKLOG } from "../../../src/sdk/watch.ts";
import { eventOf, nobody, recorder, sandboxOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

const seqs = (updates: readonly SandboxUpdate[]) => updates.map(({ sandbox }) => sandbox.seq);

/** A client that follows `box`, its first socket, and what its subscriber saw. */
async function following() {
  const client = gateway.client();
  const box = client.sandbox("box");
  const updates = recorder<SandboxUpdate>();
  box.subscribe(updates.listener);
  const peer = await gateway.peer();
  const join = await peer.acceptJoin(sandboxOf());
  await updates.next();
  return { client, box, updates, peer, join };
}

describe("following a sandbox", () => {
  it("gives the same handle for one id, and joins only when something needs it", async () => {
    const client = gateway.client();
    const box = client.sandbox("box");
    expect(client.sandbox("box")).toBe(box);
    expect(box.current).toBeUndefined();
    const peer = await gateway.peer();
    await peer.handledBy(box);
    expect(peer.types()).not.toContain("sandbox.join");
    box.subscribe(() => {});
    box.subscribe(() => {});
    box.watch();
    const join = await peer.acceptJoin(sandboxOf());
    expect(join).not.toHaveProperty("since");
    expect(join).not.toHaveProperty("resume");
    await peer.handledBy(box);
    expect(peer.types().filter((type) => type === "sandbox.join")).toHaveLength(1);
    expect(box.current?.sandbox).toEqual(sandboxOf());
  });

  it("E2: applies every event in order to the snapshot and tells each with its event", async () => {
    const { updates, peer, box } = await following();
    peer.event(eventOf(6, { epoch: 101, type: "handoff.requested", changes: { control: nobody } }));
    peer.event(eventOf(7));
    const first = await updates.next();
    expect(first.event?.type).toBe("handoff.requested");
    expect(first.sandbox).toMatchObject({ epoch: 101, seq: 6, control: nobody });
    expect(first.connected).toBe(true);
    await peer.handledBy(box);
    // The second is of an older epoch: such an event cannot follow the first.
    expect(seqs(updates.calls)).not.toContain(7);
  });

  it("E2: ignores events it has, and takes nothing after a gap until it has a snapshot", async () => {
    const { updates, peer, box } = await following();
    peer.event(eventOf(5));
    peer.event(eventOf(4));
    peer.event(eventOf(6));
    peer.event(eventOf(8));
    peer.event(eventOf(7));
    peer.event(eventOf(9));
    const rejoin = await peer.next("sandbox.join");
    expect(rejoin).not.toHaveProperty("since");
    await peer.handledBy(box);
    expect(box.current).toMatchObject({ connected: false, sandbox: { seq: 6 } });
    peer.joined(rejoin, sandboxOf({ seq: 9 }));
    peer.event(eventOf(10));
    await peer.handledBy(box);
    expect(seqs(updates.calls)).toEqual([5, 6, 6, 9, 10]);
    expect(updates.calls.at(-2)).not.toHaveProperty("event");
    expect(box.current?.connected).toBe(true);
    // One gap, one join.
    expect(peer.types().filter((type) => type === "sandbox.join")).toHaveLength(2);
  });

  it("E2: takes a number that was issued twice, with a later epoch, for what it is: another history", async () => {
    const { peer, box } = await following();
    peer.event(eventOf(5, { epoch: 200 }));
    const rejoin = await peer.next("sandbox.join");
    expect(rejoin).not.toHaveProperty("since");
    peer.joined(rejoin, sandboxOf({ seq: 5, epoch: 200 }));
    await peer.handledBy(box);
    expect(box.current?.sandbox.epoch).toBe(200);
  });

  it("E2: names its position after a reconnect and gets the missed events", async () => {
    const { updates, peer, box } = await following();
    peer.event(eventOf(6, { epoch: 101 }));
    await updates.next();
    peer.kill();
    expect(await updates.next()).toMatchObject({ connected: false, sandbox: { seq: 6 } });
    const second = await gateway.peer();
    const rejoin = await second.next("sandbox.join");
    expect(rejoin.since).toEqual({ epoch: 101, seq: 6 });
    second.continues(rejoin, { epoch: 102, seq: 8 });
    second.event(eventOf(7, { epoch: 102 }));
    second.event(eventOf(8, { epoch: 102 }));
    await second.handledBy(box);
    const rest = updates.calls.slice(3);
    expect(seqs(rest)).toEqual([6, 7, 8]);
    // Old until the last of what was missed is there.
    expect(rest.map(({ connected }) => connected)).toEqual([false, false, true]);
  });

  it("E2: leaves a gap to the answer of a join that is under way", async () => {
    const { updates, peer, box } = await following();
    peer.kill();
    const second = await gateway.peer();
    const rejoin = await second.next("sandbox.join");
    second.event(eventOf(7));
    second.continues(rejoin, { epoch: 100, seq: 7 });
    second.event(eventOf(6));
    second.event(eventOf(7));
    await second.handledBy(box);
    expect(seqs(updates.calls).slice(-2)).toEqual([6, 7]);
    expect(second.types().filter((type) => type === "sandbox.join")).toHaveLength(1);
  });

  it("E2: starts afresh when the gateway no longer has its position", async () => {
    const { updates, peer, box } = await following();
    peer.kill();
    const second = await gateway.peer();
    const rejoin = await second.next("sandbox.join");
    expect(rejoin.since).toEqual({ epoch: 100, seq: 5 });
    second.joined(rejoin, sandboxOf({ seq: 50, epoch: 300 }));
    second.event(eventOf(51, { epoch: 300 }));
    await second.handledBy(box);
    expect(seqs(updates.calls).slice(-2)).toEqual([50, 51]);
  });

  it("shows who is there, the tabs and the dialog", async () => {
    const { updates, peer } = await following();
    const member = { connectionId: "c", name: "Ada", role: "operator", watching: true } as const;
    const tab = { tabId: "t", number: 1, title: "Shop", url: "https://example.test/", active: true };
    const dialog = { type: "confirm", message: "Sure?", openedAt: 1 } as const;
    peer.send({ type: "presence", sandboxId: "box", members: [member] });
    peer.send({ type: "browser.tabs", sandboxId: "box", tabs: [tab] });
    peer.send({ type: "browser.dialog", sandboxId: "box", dialog });
    await updates.next();
    await updates.next();
    expect(await updates.next()).toMatchObject({ members: [member], tabs: [tab], dialog });
  });

  it("E2: an event that it cannot read makes it read the state anew", async () => {
    const { peer, updates } = await following();
    const { by: _, ...event } = eventOf(6, { type: "handoff.cancelled" });
    peer.raw(JSON.stringify({ type: "event", event: { ...event, by: { name: "somebody without a role" } } }));
    await peer.acceptJoin(sandboxOf({ seq: 6 }));
    for (;;) {
      const { sandbox, connected } = await updates.next();
      if (connected && sandbox.seq === 6) break;
    }
  });

  it("ends when the sandbox is removed, and can begin anew", async () => {
    const { box, peer, updates } = await following();
    const wait = box.waitForControl({ timeoutMs: 60_000 });
    await wait;
    const refused = expect(box.waitForHandoff({ requestId: "none" })).rejects.toMatchObject({
      code: "sandbox_not_found",
    });
    const watch = box.watch();
    expect((await watch.next()).value?.sandbox.seq).toBe(5);
    const ended: string[] = [];
    box.subscribe(
      () => {},
      (error) => ended.push((error as Error & { code: string }).code),
    );
    peer.event(eventOf(6, { type: "handoff.cancelled" }));
    peer.send({ type: "sandbox.left", sandboxId: "box", reason: "removed" });
    await refused;
    const rest: SandboxUpdate[] = [];
    for await (const update of watch) rest.push(update);
    expect(rest[0]?.event?.type).toBe("handoff.cancelled");
    expect(ended).toEqual(["sandbox_not_found"]);
    expect(rest.at(-1)?.connected).toBe(false);
    expect(box.current).toBeUndefined();
    const next = box.watch();
    await peer.acceptJoin(sandboxOf({ seq: 1, epoch: 900 }));
    expect((await next.next()).value?.sandbox.epoch).toBe(900);
    expect(updates.calls.at(-1)?.sandbox.epoch).toBe(900);
  });

  it("passes a refused join on to who waits, and tries again at the next use", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const watch = box.watch();
    const wait = box.waitForControl();
    const both = Promise.allSettled([watch.next(), wait]);
    peer.refuse((await peer.next("sandbox.join")).id, "sandbox_not_found");
    for (const result of await both) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "sandbox_not_found" } });
    }
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    const again = box.waitForControl();
    await peer.acceptJoin(sandboxOf());
    await expect(again).resolves.toBe("ai");
  });

  it("joins again by itself when the gateway refused for the moment", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const wait = box.waitForControl();
    peer.refuse((await peer.next("sandbox.join")).id, "unavailable");
    await peer.acceptJoin(sandboxOf());
    await wait;
  });

  it("does not use an answer that is neither a snapshot nor a continuation", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const wait = box.waitForControl();
    peer.continues(await peer.next("sandbox.join"), { epoch: 1, seq: 1 });
    await expect(wait).rejects.toMatchObject({ code: "internal" });
  });

  it("leaves at close, and only then makes a new handle", async () => {
    const { client, box, peer } = await following();
    const watch = box.watch();
    const waiting = box.waitForHandoff({ requestId: "first" });
    const refused = expect(waiting).rejects.toMatchObject({ code: "unavailable", message: /handle/ });
    box.close();
    await refused;
    expect((await watch.next()).value?.sandbox.seq).toBe(5);
    await expect(box.waitForControl()).rejects.toMatchObject({ code: "unavailable" });
    peer.done((await peer.next("sandbox.leave")).id);
    const fresh = client.sandbox("box");
    expect(fresh).not.toBe(box);
    const wait = fresh.waitForControl();
    await peer.acceptJoin(sandboxOf({ seq: 9 }));
    await wait;
    expect(box.current).toBeUndefined();
    peer.kill();
    const second = await gateway.peer();
    await second.next("sandbox.join");
    await second.handledBy(fresh);
    expect(second.types().filter((type) => type === "sandbox.join")).toHaveLength(1);
  });
});

describe("watch", () => {
  it("E2: gives the state, then every change, to each watcher", async () => {
    const { box, peer } = await following();
    const slow = box.watch();
    for (let seq = 6; seq <= 105; seq += 1) peer.event(eventOf(seq));
    await peer.handledBy(box);
    const seen: number[] = [];
    for await (const { sandbox } of slow) {
      seen.push(sandbox.seq);
      if (sandbox.seq === 105) break;
    }
    expect(seen).toEqual(Array.from({ length: 101 }, (_, index) => index + 5));
    expect(await slow.next()).toEqual({ done: true, value: undefined });
  });

  it("ends at its signal, without waiting updates, and takes its listener away", async () => {
    const { box, peer } = await following();
    const controller = new AbortController();
    const watch = box.watch({ signal: controller.signal });
    await watch.next();
    const pending = watch.next();
    peer.event(eventOf(6));
    expect((await pending).value?.sandbox.seq).toBe(6);
    const last = watch.next();
    controller.abort();
    expect(await last).toEqual({ done: true, value: undefined });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    expect(await box.watch({ signal: controller.signal }).next()).toEqual({ done: true, value: undefined });
  });

  it("takes its abort listener away when the consumer stops", async () => {
    const { box } = await following();
    const { signal } = new AbortController();
    for await (const _ of box.watch({ signal })) break;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("E2: says so instead of losing updates when nobody consumes them", async () => {
    const { box, peer } = await following();
    const watch = box.watch();
    const other = box.watch();
    for (let seq = 6; seq < 6 + MAX_WATCH_BACKLOG; seq += 1) {
      peer.event(eventOf(seq));
    }
    await peer.handledBy(box);
    await expect(watch.next()).rejects.toMatchObject({ code: "too_many", message: /consume it faster/ });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    await expect(other.next()).rejects.toMatchObject({ code: "too_many" });
  });

  it("throws when the connection ends for good, and ends quietly when the client is closed", async () => {
    const { box, peer } = await following();
    const broken = box.watch();
    await broken.next();
    const next = broken.next();
    peer.socket.close(3502);
    // The last update says that the state is old.
    expect((await next).value?.connected).toBe(false);
    await expect(broken.next()).rejects.toMatchObject({ code: "invalid_message" });

    const { box: another, client } = await following();
    const quiet = another.watch();
    await quiet.next();
    client.close();
    expect((await quiet.next()).value?.connected).toBe(false);
    expect(await quiet.next()).toEqual({ done: true, value: undefined });
  });
});
