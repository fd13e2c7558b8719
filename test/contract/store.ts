/**
 * What every store must do (`src/store/store.ts`). Each implementation calls this with a factory of its own; nothing
 * in here knows which one it talks to, and it waits for events, never for time.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyEvent } from "../../protocol/sandbox.ts";
import { publicView } from "../../src/core/state.ts";
import { MAX_DECISION_AGE_MS, type Store } from "../../src/store/store.ts";
import {
  commitOnce,
  commitUntilDone,
  createSandbox,
  newSandbox,
  noise,
  prepare,
  silence,
  watch,
  watchLobby,
} from "./store-support.ts";
import { describeAudit } from "./store-audit.ts";
import { describeEvents } from "./store-events.ts";
import { describeMarks } from "./store-marks.ts";
import { describeNodes } from "./store-nodes.ts";

export interface StoreHarness {
  readonly store: Store;
  /** Another node's store on the same data; the same one when there can be no other. */
  readonly peer: Store;
  /** Moves the store's clock on. Absent when it cannot be moved. */
  readonly advance?: (ms: number) => void | Promise<void>;
  /** A position is surely no longer in the log when this many events have followed it. */
  readonly logForgetsAfter: number;
  /** At least this many events are kept; no fewer than 60, for the writers that readers follow here. */
  readonly logKeeps: number;
  /** A key is surely forgotten when this many commits have followed its own. */
  readonly recordsForgetAfter: number;
  /** At least this many keys are known. */
  readonly recordsKeep: number;
  /** So many marks may stand at a time. */
  readonly maxMarks: number;
  /** So many audit lines are kept. */
  readonly auditKeeps: number;
  readonly close: () => Promise<void>;
}

const HOUR_MS = 3_600_000;

export function describeStoreContract(name: string, factory: () => Promise<StoreHarness>): void {
  describe(`store contract: ${name}`, () => {
    let harness: StoreHarness;
    let store: Store;
    let peer: Store;
    beforeEach(async () => {
      harness = await factory();
      ({ store, peer } = harness);
    });
    afterEach(async () => harness.close());

    describe("create and load", () => {
      it("gives back exactly what was created, to every node", async () => {
        const { state } = await createSandbox(store, "box");
        for (const node of [store, peer]) {
          const loaded = await node.load("box");
          expect(loaded?.state).toStrictEqual(state);
          expect(loaded).not.toHaveProperty("record");
        }
      });

      it("keeps what JSON keeps: large numbers, empty lists and objects, any text", async () => {
        const { state } = await newSandbox(store, "box");
        const handoff = {
          requestId: "r1",
          status: "completed",
          reason: "custom",
          message: 'Ünïcode \u{1f600} "quotes" \\ \u0000 \u2028 %d {} []',
          requestedBy: "agent",
          note: "",
          requestedAt: 0,
          updatedAt: 1,
        } as const;
        const full = {
          ...state,
          epoch: 8_234_567_890_123_457,
          resumes: [],
          gates: {},
          draining: {},
          handoff,
        };
        expect(await store.create(full, [], null)).toBe(true);
        expect((await peer.load("box"))?.state).toStrictEqual(full);
      });

      it("creates an id once, also when many try at the same time", async () => {
        const { state, events } = await newSandbox(store, "box");
        const nodes = Array.from({ length: 10 }, (_, index) => (index % 2 ? store : peer));
        const made = await Promise.all(nodes.map((node) => node.create(state, events, null)));
        expect(made.filter(Boolean)).toHaveLength(1);
        const other = await newSandbox(store, "box", { launch: true, url: "https://other.example" });
        expect(await store.create(other.state, other.events, 1)).toBe(false);
        expect((await store.load("box"))?.state).toStrictEqual(state);
        expect(await store.due(10)).toEqual([]);
      });

      it("knows nothing of a sandbox that was not created", async () => {
        expect(await store.load("none")).toBeNull();
        expect(await store.read("none", null)).toBeNull();
        expect(await store.remove("none")).toBe(false);
        const { loaded } = await createSandbox(store, "box");
        expect(await store.commit("none", prepare(loaded, noise(loaded), "k"))).toEqual({ kind: "missing" });
        expect(await store.load("none")).toBeNull();
      });

      it("has one clock: `now` and every `load` tell the same time, which does not go back", async () => {
        await createSandbox(store, "box");
        const times: number[] = [];
        for (let round = 0; round < 5; round += 1) {
          times.push(await store.now(), (await store.load("box"))?.now ?? NaN, await peer.now());
        }
        expect(times).toEqual([...times].sort((a, b) => a - b));
        expect(times.every(Number.isSafeInteger)).toBe(true);
      });

      it("C3: confirming answers what a load does, also of what is not there", async () => {
        const { state, loaded } = await createSandbox(store, "box");
        const confirmed = await peer.confirm("box");
        expect(confirmed).toStrictEqual({ state, version: loaded.version, now: confirmed?.now });
        expect(confirmed?.now).toBeGreaterThanOrEqual(loaded.now);
        await commitUntilDone(store, "box", "k1");
        const again = await peer.confirm("box");
        expect(again).toStrictEqual({ ...(await store.load("box")), now: again?.now });
        expect(await store.confirm("none")).toBeNull();
      });

      it("is healthy while it works", async () => {
        expect(await store.healthy()).toBe(true);
      });
    });

    describe("commit", () => {
      it("replaces the state and raises the version, also when no subscriber sees it", async () => {
        const { loaded } = await createSandbox(store, "box");
        const seen = prepare(loaded, noise(loaded), "k1");
        const first = await store.commit("box", seen);
        expect(first).toEqual({ kind: "committed", version: expect.any(Number) as number });
        const second = await peer.load("box");
        if (!second) throw new Error("The sandbox is gone.");
        expect(second.state).toStrictEqual(seen.next);
        expect(first).toHaveProperty("version", second.version);
        expect(second.version).toBeGreaterThan(loaded.version);
        const unseen = prepare(second, silence("g1"), "k2");
        expect(unseen.events).toEqual([]);
        expect(await store.commit("box", unseen)).toMatchObject({ kind: "committed" });
        const third = await peer.load("box");
        expect(third?.state).toStrictEqual(unseen.next);
        expect(third?.version).toBeGreaterThan(second.version);
      });

      it("a commit on an old version does nothing: no state, event, deadline or record", async () => {
        const { loaded } = await createSandbox(store, "box");
        const log = await watch(peer, "box");
        await commitOnce(store, "box", noise(loaded), "k1");
        const late = prepare(loaded, noise(loaded), "late", 1);
        expect(await peer.commit("box", late)).toEqual({ kind: "conflict" });
        const now = await store.load("box", "late");
        expect(now?.state.seq).toBe(2);
        expect(now).not.toHaveProperty("record");
        expect(await store.due(10)).toEqual([]);
        const third = await commitUntilDone(store, "box", "k3");
        await log.until(third.seq);
        expect(log.events.map(({ seq }) => seq)).toEqual([2, 3]);
        const { epoch } = loaded.state;
        expect(await store.read("box", { epoch, seq: 1 })).toStrictEqual({
          kind: "events",
          events: log.events,
        });
      });

      it("C2: a decision that is too old is a conflict and does nothing", async () => {
        const { loaded } = await createSandbox(store, "box");
        const log = await watch(peer, "box");
        const commit = prepare(loaded, noise(loaded), "k1", 1);
        const late = { ...commit, decidedAt: (await store.now()) - MAX_DECISION_AGE_MS - 1 };
        expect(await store.commit("box", late)).toEqual({ kind: "conflict" });
        const after = await peer.load("box", "k1");
        expect(after).toStrictEqual({ ...loaded, now: after?.now });
        expect(await store.due(10)).toEqual([]);
        const { seq } = await commitUntilDone(store, "box", "k2");
        await log.until(seq);
        expect(log.events.map((event) => event.seq)).toEqual([2]);
      });

      it("C2: the age of a decision counts by the store's clock, and a repetition has none", async () => {
        const { loaded } = await createSandbox(store, "box");
        const { advance } = harness;
        if (advance) await advance(MAX_DECISION_AGE_MS + 1);
        else while ((await store.now()) - loaded.now <= MAX_DECISION_AGE_MS);
        expect(await store.commit("box", prepare(loaded, noise(loaded), "k1"))).toEqual({ kind: "conflict" });
        const { key } = await commitUntilDone(store, "box", "k2");
        const repeated = { ...prepare(loaded, noise(loaded), key), decidedAt: 0 };
        expect(await store.commit("box", repeated)).toMatchObject({ kind: "repeated", record: { key } });
      });

      it("H6: the same key answers what it answered first, and changes nothing", async () => {
        const { loaded } = await createSandbox(store, "box");
        const log = await watch(store, "box");
        const commit = prepare(loaded, noise(loaded), "k1");
        expect(await store.commit("box", commit)).toMatchObject({ kind: "committed" });
        expect(await store.commit("box", commit)).toEqual({ kind: "repeated", record: commit.record });
        const again = await peer.load("box", "k1");
        if (!again) throw new Error("The sandbox is gone.");
        expect(again.record).toStrictEqual(commit.record);
        const other = prepare(again, noise(again), "k1", 1);
        const changed = { ...other, record: { ...other.record, fingerprint: "another request" } };
        expect(await peer.commit("box", changed)).toEqual({ kind: "repeated", record: commit.record });
        expect((await store.load("box"))?.version).toBe(again.version);
        expect(await store.due(10)).toEqual([]);
        const last = await commitUntilDone(store, "box", "k2");
        await log.until(last.seq);
        expect(log.events.map(({ seq }) => seq)).toEqual([2, 3]);
      });

      it("H6: one commit executed many times at once happens once", async () => {
        const { loaded } = await createSandbox(store, "box");
        const commit = prepare(loaded, noise(loaded), "k1");
        const nodes = Array.from({ length: 10 }, (_, index) => (index % 2 ? store : peer));
        const results = await Promise.all(nodes.map((node) => node.commit("box", commit)));
        expect(results.filter(({ kind }) => kind === "committed")).toHaveLength(1);
        expect(results.filter(({ kind }) => kind === "repeated")).toHaveLength(9);
        expect((await store.load("box"))?.state.seq).toBe(2);
      });

      it("keys belong to their sandbox", async () => {
        await createSandbox(store, "one");
        await createSandbox(store, "two");
        await commitUntilDone(store, "one", "k");
        expect(await store.load("two", "k")).not.toHaveProperty("record");
        expect(await commitUntilDone(store, "two", "k")).toMatchObject({ key: "k", seq: 2 });
      });

      it("remembers many keys, and not without end", async () => {
        await createSandbox(store, "box");
        await commitUntilDone(store, "box", "first", "silent");
        for (let index = 1; index < harness.recordsKeep; index += 1) {
          await commitUntilDone(store, "box", `k${index}`, "silent");
        }
        expect((await store.load("box", "first"))?.record?.key).toBe("first");
        for (let index = harness.recordsKeep; index <= harness.recordsForgetAfter; index += 1) {
          await commitUntilDone(store, "box", `k${index}`, "silent");
        }
        expect(await store.load("box", "first")).not.toHaveProperty("record");
        const newest = `k${harness.recordsForgetAfter}`;
        expect((await store.load("box", newest))?.record?.key).toBe(newest);
      });

      it("H1: fifty at once, each trying until it is in, lose nothing and tell everybody in one order", async () => {
        const { state } = await createSandbox(store, "box");
        const logs = await Promise.all([watch(store, "box"), watch(peer, "box"), watch(peer, "box")]);
        let view = publicView(state);
        const readers = [store, peer].map(async (node) => {
          // Reads while others write: each answer continues the last one, or it is a whole snapshot.
          let position = { epoch: view.epoch, seq: view.seq };
          while (position.seq < 51) {
            const found = await node.read("box", position);
            expect(found?.kind).toBe("events");
            for (const event of found?.kind === "events" ? found.events : []) {
              expect(event.seq).toBe(position.seq + 1);
              position = { epoch: event.epoch, seq: event.seq };
            }
            const whole = await node.read("box", null);
            expect(whole?.kind === "snapshot" && whole.snapshot.seq).toBeGreaterThanOrEqual(position.seq);
          }
        });
        const writers = Array.from({ length: 50 }, (_, index) =>
          commitUntilDone(index % 2 ? store : peer, "box", `k${index}`),
        );
        const records = await Promise.all(writers);
        await Promise.all(readers);
        expect(records.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(
          Array.from({ length: 50 }, (_, index) => index + 2),
        );
        for (const log of logs) {
          await log.until(51);
          expect(log.events).toStrictEqual(logs[0]?.events);
        }
        for (const event of logs[0]?.events ?? []) view = applyEvent(view, event);
        const last = await store.load("box");
        expect(last && publicView(last.state)).toStrictEqual(view);
      });
    });

    describe("list", () => {
      it("gives all sandboxes in the order of their ids, page by page", async () => {
        const ids = ["b", "a", "B", "_", "-", "0", "a0", "A"];
        for (const id of ids) await createSandbox(store, id);
        for (const limit of [1, 3, ids.length, 100]) {
          const found: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await peer.list({ limit, ...(cursor !== undefined && { cursor }) });
            expect(page.sandboxes.length).toBeLessThanOrEqual(limit);
            found.push(...page.sandboxes.map(({ sandboxId }) => sandboxId));
            ({ cursor } = page);
          } while (cursor !== undefined);
          expect(found).toEqual([...ids].sort());
        }
      });

      it("shows the newest state, and goes on after a sandbox that has left", async () => {
        for (const id of ["a", "b", "c"]) await createSandbox(store, id);
        await commitUntilDone(store, "c", "k");
        const { cursor = "" } = await store.list({ limit: 2 });
        await store.remove("b");
        const loaded = await store.load("c");
        const page = await peer.list({ limit: 2, cursor });
        expect(page.sandboxes).toStrictEqual(loaded && [publicView(loaded.state)]);
        expect((await store.list({ limit: 10 })).sandboxes.map(({ sandboxId }) => sandboxId)).toEqual([
          "a",
          "c",
        ]);
      });
    });

    describe("deadlines", () => {
      it("gives those at or before the store's clock, earliest first", async () => {
        const now = await store.now();
        const at = {
          late: now - 1,
          early: now - 3_000,
          middle: now - 2_000,
          never: null,
          later: now + HOUR_MS,
        };
        for (const [id, dueAt] of Object.entries(at)) await createSandbox(store, id, dueAt);
        for (const node of [store, peer, store]) {
          expect(await node.due(10)).toEqual(["early", "middle", "late"]);
        }
        expect(await store.due(2)).toEqual(["early", "middle"]);
      });

      it("each commit replaces the deadline, or removes it", async () => {
        const past = (await store.now()) - 1_000;
        await createSandbox(store, "box", past);
        const commit = (key: string, dueAt: number | null) =>
          commitOnce(peer, "box", silence(key), key, dueAt);
        await commit("k1", null);
        expect(await store.due(10)).toEqual([]);
        await commit("k2", past);
        expect(await store.due(10)).toEqual(["box"]);
        await commit("k3", past + HOUR_MS);
        expect(await store.due(10)).toEqual([]);
        await commit("k4", past - 1);
        expect(await store.due(10)).toEqual(["box"]);
      });

      it("come with time", async () => {
        const { advance } = harness;
        const dueAt = (await store.now()) + (advance ? HOUR_MS : 100);
        await createSandbox(store, "box", dueAt);
        expect(await store.due(10)).toEqual([]);
        await advance?.(HOUR_MS);
        let due = await store.due(10);
        while (due.length === 0) due = await peer.due(10);
        expect(due).toEqual(["box"]);
        expect((await store.load("box"))?.now).toBeGreaterThanOrEqual(dueAt);
      });
    });

    describeEvents(() => harness);
    describeNodes(() => harness);
    describeMarks(() => harness);
    describeAudit(() => harness);

    describe("remove", () => {
      it("removes everything once and tells those who watch", async () => {
        const { loaded } = await createSandbox(store, "box", 1);
        const [log, lobby] = [await watch(peer, "box"), await watchLobby(peer)];
        await commitOnce(store, "box", silence("g1"), "k1", 1);
        expect(await store.due(10)).toEqual(["box"]);
        const removed = await Promise.all([store.remove("box"), peer.remove("box")]);
        expect(removed.filter(Boolean)).toHaveLength(1);
        await Promise.all([log.untilRemoved(), lobby.untilRemoved("box")]);
        expect(await store.load("box", "k1")).toBeNull();
        expect(await store.read("box", { epoch: loaded.state.epoch, seq: 1 })).toBeNull();
        expect(await store.due(10)).toEqual([]);
        expect((await store.list({ limit: 10 })).sandboxes).toEqual([]);
        expect(await store.commit("box", prepare(loaded, noise(loaded), "k2", 1))).toEqual({
          kind: "missing",
        });
        expect(await store.due(10)).toEqual([]);
      });

      it("a commit decided on the sandbox before never fits the one made again under its id", async () => {
        const { loaded } = await createSandbox(store, "box");
        const stale = prepare(loaded, noise(loaded), "k1", 1);
        await store.remove("box");
        const { state } = await createSandbox(peer, "box");
        expect(await store.commit("box", stale)).toEqual({ kind: "conflict" });
        expect((await store.load("box"))?.state).toStrictEqual(state);
        expect(await store.due(10)).toEqual([]);
      });

      it("a sandbox made again under the id has nothing of the one before", async () => {
        await createSandbox(store, "box", 1);
        const { seq, epoch } = await commitUntilDone(store, "box", "k1", "control");
        await store.remove("box");
        const { state } = await createSandbox(store, "box");
        expect((await store.load("box", "k1"))?.state).toStrictEqual(state);
        expect(await store.load("box", "k1")).not.toHaveProperty("record");
        expect(await store.due(10)).toEqual([]);
        expect((await store.read("box", { epoch, seq }))?.kind).toBe("snapshot");
        expect(await commitUntilDone(store, "box", "k1")).toMatchObject({ seq: 2 });
      });
    });
  });
}
