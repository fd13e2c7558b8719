/** The process that has the store is killed at any moment, again and again; what it acknowledged is there. */
import { describe, expect, it } from "vitest";
import { applyEvent, type Sandbox } from "../../../protocol/sandbox.ts";
import { publicView } from "../../../src/core/state.ts";
import { LocalStore } from "../../../src/store/local/local-store.ts";
import { Random } from "../../faults/random.ts";
import { dueAtOf, SANDBOXES } from "../../support/local-store-load.ts";
import { StoreProcess, temporaryDirectory, type Said } from "../../support/local-store-process.ts";

const ROUNDS = 5;
/** Of a sandbox's commits; records older than the store keeps are not asked for. */
const RECORDS_ASKED = 400;

/** Reads all of the store, at a time when every deadline has passed. */
async function check(
  dir: string,
  created: ReadonlyMap<string, Sandbox>,
  said: readonly Said[],
): Promise<void> {
  const store = await LocalStore.open({ dir, now: () => 1e15 });
  try {
    const deadlines: { readonly sandboxId: string; readonly dueAt: number }[] = [];
    for (const sandboxId of SANDBOXES) {
      const loaded = await store.load(sandboxId);
      const acknowledged = said.flatMap((line) =>
        line.kind === "committed" && line.sandboxId === sandboxId ? [line] : [],
      );
      const first = created.get(sandboxId);
      if (!loaded || !first) {
        // It may have been created without a word of it, not the other way round.
        expect(first ?? acknowledged[0], `the creation of ${sandboxId}`).toBeUndefined();
        continue;
      }
      for (const { key, seq } of acknowledged.slice(-RECORDS_ASKED)) {
        expect((await store.load(sandboxId, key))?.record, `${sandboxId} ${key}`).toMatchObject({ key, seq });
      }
      const newest = acknowledged.at(-1)?.seq ?? 1;
      expect(loaded.state.seq).toBeGreaterThanOrEqual(newest);
      // One writer, who waits for each answer: at most the last commit was made without being acknowledged.
      if (acknowledged.length > 0) expect(loaded.state.seq).toBeLessThanOrEqual(newest + 1);

      const log = await store.read(sandboxId, { epoch: first.epoch, seq: first.seq });
      if (log?.kind !== "events")
        throw new Error(`The log of ${sandboxId} does not go back to its beginning.`);
      let view = first;
      for (const event of log.events) {
        expect(event.seq).toBe(view.seq + 1);
        view = applyEvent(view, event);
      }
      expect(view).toStrictEqual(publicView(loaded.state));
      const dueAt = dueAtOf(loaded.state);
      if (dueAt !== null) deadlines.push({ sandboxId, dueAt });
    }
    deadlines.sort((a, b) => a.dueAt - b.dueAt);
    expect(await store.due(100)).toEqual(deadlines.map(({ sandboxId }) => sandboxId));
  } finally {
    await store.close();
  }
}

describe("local store: its process is killed", () => {
  it.each([1, 2])(
    "H6: loses nothing it acknowledged, and keeps state, log, deadlines and records together (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      const dir = temporaryDirectory();
      const created = new Map<string, Sandbox>();
      for (let round = 0; round < ROUNDS; round += 1) {
        const child = new StoreProcess("write", dir);
        const acknowledged = random.pick([0, random.between(1, 12), random.between(20, 400)]);
        if (acknowledged === 0) await child.take("open");
        for (let count = 0; count < acknowledged; count += 1) await child.take("committed", "failed");
        await child.kill();
        for (const line of child.said.all) {
          expect(line.kind).toMatch(/open|created|committed/);
          if (line.kind === "created") created.set(line.sandbox.sandboxId, line.sandbox);
        }
        // The creation of one that was killed before it could say so.
        const store = await LocalStore.open({ dir });
        for (const sandboxId of SANDBOXES) {
          const loaded = created.has(sandboxId) ? null : await store.load(sandboxId);
          if (loaded?.state.seq === 1) created.set(sandboxId, publicView(loaded.state));
        }
        await store.close();
        await check(dir, created, child.said.all);
      }
      expect(created.size).toBe(SANDBOXES.length);
    },
    120_000,
  );
});
