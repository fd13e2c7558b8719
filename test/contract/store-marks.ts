/** The part of the store's contract that is about marks: what is used up or revoked, for every node. */
import { beforeEach, describe, expect, it } from "vitest";
import { MAX_MARK_CHARACTERS, type Mark, type Store } from "../../src/store/store.ts";
import type { StoreHarness } from "./store.ts";

const HOUR_MS = 3_600_000;

/** @param current the harness of the running test */
export function describeMarks(current: () => StoreHarness): void {
  let harness: StoreHarness;
  let store: Store;
  let peer: Store;
  let until: number;
  beforeEach(async () => {
    harness = current();
    ({ store, peer } = harness);
    until = (await store.now()) + HOUR_MS;
  });

  describe("marks", () => {
    const ids = (marks: readonly Mark[]) => marks.map(({ id }) => id);
    /** A time that is over when `pass` resolves. */
    const soon = async () => {
      const { advance } = harness;
      const at = (await store.now()) + 1_000;
      const pass = async () => {
        await advance?.(1_000);
        while ((await store.now()) < at);
      };
      return { at, pass };
    };

    it("the first one wins, whichever node asks, and its time stands as well", async () => {
      expect(await store.mark("used:1", "ann", until)).toBe("ann");
      expect(await peer.mark("used:1", "bob", until + HOUR_MS)).toBe("ann");
      expect(await store.mark("used:1", "cid", until)).toBe("ann");
      expect(await peer.mark("used:2", "", until)).toBe("");
      expect(await store.mark("used:2", "dan", until)).toBe("");
      const { marks } = await peer.marksSince(0);
      expect(marks).toStrictEqual([
        { id: "used:1", value: "ann", until },
        { id: "used:2", value: "", until },
      ]);
    });

    it("of many that try at the same time one wins, and all are told which", async () => {
      const values = Array.from({ length: 20 }, (_, index) => `v${index}`);
      const answers = await Promise.all(
        values.map((value, index) => (index % 2 ? store : peer).mark("used:1", value, until)),
      );
      expect(new Set(answers).size).toBe(1);
      expect(values).toContain(answers[0]);
      expect((await store.marksSince(0)).marks).toStrictEqual([{ id: "used:1", value: answers[0], until }]);
    });

    it("keeps any text as it is", async () => {
      const id = 'Ünï:{x} \u{1f600} "q" \\ \u2028 %d\n!/';
      expect(await store.mark(id, id, until)).toBe(id);
      expect(await peer.mark(id, "other", until)).toBe(id);
      expect((await peer.marksSince(0)).marks).toStrictEqual([{ id, value: id, until }]);
      const long = "\u20ac".repeat(MAX_MARK_CHARACTERS);
      expect(await store.mark(long, long, until)).toBe(long);
    });

    it("refuses an id or a value that is too long, or no time, and keeps nothing of it", async () => {
      const long = "x".repeat(MAX_MARK_CHARACTERS + 1);
      await expect(store.mark(long, "", until)).rejects.toMatchObject({ code: "invalid_message" });
      await expect(store.mark("id", long, until)).rejects.toMatchObject({ code: "invalid_message" });
      await expect(store.mark("id", "x", NaN)).rejects.toMatchObject({ code: "invalid_message" });
      expect(await store.marksSince(0)).toEqual({ version: 0, reset: false, marks: [] });
    });

    it("tells what was marked since, in order, and nothing when there is nothing new", async () => {
      expect(await store.marksSince(0)).toStrictEqual({ version: 0, reset: false, marks: [] });
      for (const id of ["b", "a", "c"]) await store.mark(id, id, until);
      const first = await peer.marksSince(0);
      expect(ids(first.marks)).toEqual(["b", "a", "c"]);
      expect(first.reset).toBe(false);
      for (const node of [store, peer]) {
        const { version } = first;
        expect(await node.marksSince(version)).toStrictEqual({ version, reset: false, marks: [] });
      }
      await store.mark("a", "again", until);
      expect((await peer.marksSince(first.version)).marks).toEqual([]);
      await peer.mark("d", "d", until);
      const second = await store.marksSince(first.version);
      expect(second).toStrictEqual({
        version: second.version,
        reset: false,
        marks: [{ id: "d", value: "d", until }],
      });
      expect(second.version).toBeGreaterThan(first.version);
      expect(Number.isSafeInteger(second.version)).toBe(true);
      expect(ids((await store.marksSince(0)).marks)).toEqual(["b", "a", "c", "d"]);
    });

    it("a version that the store has not reached, or that is of another history, gets everything", async () => {
      await store.mark("a", "1", until);
      const { version: first } = await store.marksSince(0);
      const lower = await store.marksSince(first + 5_000);
      expect(lower).toMatchObject({ version: first, reset: true });
      expect(ids(lower.marks)).toEqual(["a"]);
      await harness.advance?.(1);
      while ((await store.now()) * 1_000 <= first + 1);
      await peer.mark("b", "2", until);
      const { version: second } = await store.marksSince(0);
      expect(second).toBeGreaterThan(first + 1);
      for (const stranger of [first + 1, first - 1, 1]) {
        const all = await peer.marksSince(stranger);
        expect(all, String(stranger)).toMatchObject({ version: second, reset: true });
        expect(ids(all.marks)).toEqual(["a", "b"]);
      }
      expect(await store.marksSince(first)).toMatchObject({ reset: false, marks: [{ id: "b" }] });
    });

    it("stands until its time by the store's clock, and can be made anew then", async () => {
      const { at, pass } = await soon();
      await store.mark("short", "one", at);
      await store.mark("long", "one", until);
      expect(await peer.mark("short", "two", until)).toBe("one");
      const { version } = await store.marksSince(0);
      await pass();
      expect(ids((await peer.marksSince(0)).marks)).toEqual(["long"]);
      // What has expired is still part of the history.
      expect(await peer.marksSince(version)).toMatchObject({ version, reset: false, marks: [] });
      expect(await peer.mark("short", "two", until)).toBe("two");
      expect(await store.mark("short", "three", until)).toBe("two");
      expect((await store.marksSince(version)).marks).toStrictEqual([{ id: "short", value: "two", until }]);
      expect(ids((await store.marksSince(0)).marks)).toEqual(["long", "short"]);
    });

    it("what is over already is not kept", async () => {
      const now = await store.now();
      for (const over of [now, now - 1, 0, -5]) expect(await store.mark("late", "x", over)).toBe("x");
      expect(await store.marksSince(0)).toEqual({ version: 0, reset: false, marks: [] });
      expect(await peer.mark("late", "y", until)).toBe("y");
    });

    it("keeps a time that no clock reaches", async () => {
      await store.mark("for ever", "x", Number.MAX_SAFE_INTEGER);
      await store.mark("longer", "x", 1e300);
      const marks = [
        { id: "for ever", value: "x", until: Number.MAX_SAFE_INTEGER },
        { id: "longer", value: "x", until: Number.MAX_SAFE_INTEGER },
      ];
      expect((await peer.marksSince(0)).marks).toStrictEqual(marks);
    });

    it("there is a bound, and those that expired leave first", async () => {
      const { maxMarks } = harness;
      const { at, pass } = await soon();
      for (let index = 0; index < 3; index += 1) await store.mark(`short ${index}`, "x", at);
      for (let index = 3; index < maxMarks; index += 1) await store.mark(`long ${index}`, "x", until);
      const { version } = await store.marksSince(0);
      // Some may have expired already where the clock cannot be held: then there is room after all.
      if (harness.advance) {
        const refused = { code: "too_many", details: { limit: "marks" } };
        await expect(peer.mark("one more", "x", until)).rejects.toMatchObject(refused);
        expect(await peer.marksSince(version)).toMatchObject({ version, marks: [] });
      }
      await pass();
      for (let index = 0; index < 3; index += 1) await peer.mark(`more ${index}`, "x", until);
      expect((await store.marksSince(0)).marks).toHaveLength(maxMarks);
      await expect(peer.mark("one more", "x", until)).rejects.toMatchObject({
        code: "too_many",
        details: { limit: "marks" },
        message: expect.stringMatching(/Try again later/) as string,
      });
      // What is there is still answered.
      expect(await store.mark("more 1", "y", until)).toBe("x");
      expect((await store.marksSince(0)).marks).toHaveLength(maxMarks);
      expect((await store.marksSince(version)).marks).toHaveLength(3);
    });

    it("many that expired leave, a few with each that comes, and more when more have expired", async () => {
      const { maxMarks } = harness;
      const marksOf = (prefix: string, at: number) =>
        Array.from({ length: maxMarks / 2 }, async (_, index) => store.mark(`${prefix}${index}`, "x", at));
      const first = await soon();
      const second = first.at + 1_000;
      await Promise.all([...marksOf("first", first.at), ...marksOf("second", second)]);
      await first.pass();
      await peer.mark("between", "x", until);
      await harness.advance?.(1_000);
      while ((await store.now()) < second);
      const fresh = Array.from({ length: maxMarks - 1 }, (_, index) => `f${index}`);
      for (const id of fresh) await peer.mark(id, "x", until);
      expect(ids((await store.marksSince(0)).marks)).toEqual(["between", ...fresh]);
    });
  });
}
