/** The part of the store's contract that is about its log and those who follow it. */
import { beforeEach, describe, expect, it } from "vitest";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import { publicView } from "../../src/core/state.ts";
import type { Store } from "../../src/store/store.ts";
import type { StoreHarness } from "./store.ts";
import {
  commitOnce,
  commitUntilDone,
  createSandbox,
  noise,
  prepare,
  silence,
  watch,
  watchLobby,
} from "./store-support.ts";

/** @param current the harness of the running test */
export function describeEvents(current: () => StoreHarness): void {
  let harness: StoreHarness;
  let store: Store;
  let peer: Store;
  beforeEach(() => {
    harness = current();
    ({ store, peer } = harness);
  });

  describe("read", () => {
    const positionOf = ({ epoch, seq }: Pick<SandboxEvent, "epoch" | "seq">) => ({ epoch, seq });

    it("E2: gives every event after a position it knows, none when it is the newest", async () => {
      const { events: created } = await createSandbox(store, "box");
      const log = await watch(store, "box");
      for (let index = 1; index < harness.logKeeps; index += 1) {
        await commitUntilDone(store, "box", `k${index}`, "control");
      }
      await log.until(harness.logKeeps);
      const all = [...created, ...log.events];
      for (const [index, event] of all.entries()) {
        const found = await peer.read("box", positionOf(event));
        expect(found).toStrictEqual({ kind: "events", events: all.slice(index + 1) });
      }
      expect(new Set(all.map(({ epoch }) => epoch)).size).toBeGreaterThan(2);
    });

    it("E2: gives a snapshot for no position, one of the future, or one of another history", async () => {
      const { events } = await createSandbox(store, "box");
      await commitUntilDone(store, "box", "k1", "control");
      await commitUntilDone(store, "box", "k2", "control");
      const loaded = await store.load("box");
      if (!loaded || !events[0]) throw new Error("The sandbox is gone.");
      const snapshot = { kind: "snapshot", snapshot: publicView(loaded.state) };
      const { epoch, seq } = loaded.state;
      const strangers = [
        { epoch, seq: seq + 1 },
        { epoch: epoch - 1, seq },
        { epoch: epoch + 1, seq },
        { epoch: events[0].epoch - 1, seq: 1 },
        { epoch, seq: 1 },
        { epoch, seq: 0 },
      ];
      for (const since of [null, ...strangers]) {
        expect(await peer.read("box", since), JSON.stringify(since)).toStrictEqual(snapshot);
      }
    });

    it("E2: gives a snapshot for a position that is no longer in the log, never a part", async () => {
      const { state } = await createSandbox(store, "box");
      for (let index = 0; index < harness.logForgetsAfter; index += 1) {
        await commitUntilDone(store, "box", `k${index}`);
      }
      const found = await store.read("box", positionOf(state));
      expect(found?.kind).toBe("snapshot");
      const loaded = await store.load("box");
      expect(found?.kind === "snapshot" && found.snapshot).toStrictEqual(loaded && publicView(loaded.state));
    });
  });

  describe("subscribers", () => {
    it("E1: get every event that follows, as it was committed, whichever node wrote it", async () => {
      const before = await watch(peer, "box");
      const { events, loaded } = await createSandbox(store, "box");
      const after = await watch(store, "box");
      await commitOnce(peer, "box", silence("g1"), "k0");
      const commit = prepare((await store.load("box")) ?? loaded, noise(loaded), "k1");
      await peer.commit("box", commit);
      await Promise.all([before.until(2), after.until(2)]);
      expect(before.events).toStrictEqual([...events, ...commit.events]);
      expect(after.events.filter(({ seq }) => seq > 1)).toStrictEqual(commit.events);
    });

    it("E1: get the events of one commit in their order", async () => {
      const { loaded } = await createSandbox(store, "box");
      const [one, two] = [await watch(store, "box"), await watch(peer, "box")];
      const first = prepare(loaded, noise(loaded), "k1");
      const second = prepare({ ...loaded, state: first.next }, noise({ state: first.next }), "k1");
      await store.commit("box", { ...second, events: [...first.events, ...second.events] });
      for (const log of [one, two]) {
        await log.until(3);
        expect(log.events).toStrictEqual([...first.events, ...second.events]);
      }
    });

    it("E1: all hear one order, also when one of them acts while it is told", async () => {
      await createSandbox(store, "box");
      let removed: Promise<boolean> | undefined;
      const eager: string[] = [];
      await store.subscribe("box", {
        event: () => {
          eager.push("event begins");
          removed ??= store.remove("box");
          eager.push("event ends");
        },
        removed: () => eager.push("removed"),
        lost: () => eager.push("lost"),
        roster: () => eager.push("roster"),
      });
      const [one, two] = [await watch(store, "box"), await watch(peer, "box")];
      const lobby = await watchLobby(peer);
      await commitUntilDone(store, "box", "k1");
      await Promise.all([one.untilRemoved(), two.untilRemoved(), lobby.untilRemoved("box")]);
      expect(await removed).toBe(true);
      for (const told of [one.told, two.told]) expect(told).toEqual(["event 2", "removed"]);
      expect(eager).toEqual(["event begins", "event ends", "removed"]);
      expect(lobby.told).toEqual(["box 2", "box removed"]);
    });

    it("hear of their own sandbox only", async () => {
      await createSandbox(store, "one");
      await createSandbox(store, "two");
      const [one, two] = [await watch(peer, "one"), await watch(peer, "two")];
      await commitUntilDone(store, "one", "k1");
      await commitUntilDone(store, "two", "k2");
      await Promise.all([one.until(2), two.until(2)]);
      expect(new Set(one.events.map(({ sandboxId }) => sandboxId))).toEqual(new Set(["one"]));
    });

    it("hear nothing any more once they unsubscribed, and the others go on", async () => {
      await createSandbox(store, "box");
      const [leaver, stayer] = [await watch(store, "box"), await watch(store, "box")];
      await commitUntilDone(store, "box", "k1");
      await Promise.all([leaver.until(2), stayer.until(2)]);
      leaver.stop();
      leaver.stop();
      for (const key of ["k2", "k3"]) await commitUntilDone(store, "box", key);
      await stayer.until(4);
      expect(leaver.events.map(({ seq }) => seq)).toEqual([2]);
      const back = await watch(store, "box");
      await commitUntilDone(store, "box", "k4");
      await Promise.all([stayer.until(5), back.until(5)]);
      expect(leaver.events).toHaveLength(1);
    });
  });

  describe("the lobby", () => {
    it("hears the newest state of every sandbox that changes", async () => {
      const { state } = await createSandbox(store, "one");
      const [lobby, gone] = [await watchLobby(peer), await watchLobby(peer)];
      gone.stop();
      const { state: created } = await createSandbox(store, "two");
      expect(await lobby.until("two", 1)).toStrictEqual(publicView(created));
      await commitUntilDone(store, "one", "k1");
      const changed = await lobby.until("one", state.seq + 1);
      const loaded = await store.load("one");
      expect(changed).toStrictEqual(loaded && publicView(loaded.state));
      await store.remove("two");
      await lobby.untilRemoved("two");
      expect(gone.told).toEqual([]);
    });
  });
}
