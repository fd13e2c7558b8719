/** The part of the store's contract that is about the audit log. */
import { beforeEach, describe, expect, it } from "vitest";
import type { AuditHead, AuditLine, Store } from "../../src/store/store.ts";
import type { StoreHarness } from "./store.ts";

const EMPTY: AuditHead = { seq: 0, hash: "" };

function linesAfter(head: AuditHead, count: number, by: string): AuditLine[] {
  return Array.from({ length: count }, (_, index) => {
    const seq = head.seq + index + 1;
    return { seq, hash: `hash ${by} ${seq}`, text: `{"seq":${seq},"by":"${by}"}` };
  });
}

function headOf(lines: readonly AuditLine[]): AuditHead {
  const last = lines.at(-1);
  return last ? { seq: last.seq, hash: last.hash } : EMPTY;
}

/** @param current the harness of the running test */
export function describeAudit(current: () => StoreHarness): void {
  let harness: StoreHarness;
  let store: Store;
  let peer: Store;
  beforeEach(() => {
    harness = current();
    ({ store, peer } = harness);
  });

  describe("the audit log", () => {
    it("begins empty", async () => {
      expect(await store.auditHead()).toStrictEqual(EMPTY);
      expect(await peer.readAudit(0, 10)).toStrictEqual([]);
    });

    it("gives every node what was appended, as it was, page by page", async () => {
      const text = 'Ünï \u{1f600} "q" \\ \u2028 \u0000 %d';
      const first = linesAfter(EMPTY, 3, text);
      const second = linesAfter(headOf(first), 1, "two");
      expect(await store.appendAudit(EMPTY, first)).toBe(true);
      expect(await peer.appendAudit(headOf(first), second)).toBe(true);
      const all = [...first, ...second];
      for (const node of [store, peer]) {
        expect(await node.auditHead()).toStrictEqual(headOf(all));
        expect(await node.readAudit(0, 100)).toStrictEqual(all);
        expect(await node.readAudit(0, 2)).toStrictEqual(all.slice(0, 2));
        expect(await node.readAudit(2, 1)).toStrictEqual(all.slice(2, 3));
        expect(await node.readAudit(4, 10)).toStrictEqual([]);
        expect(await node.readAudit(9, 10)).toStrictEqual([]);
      }
    });

    it("grows line by line, and its first line is kept as any other", async () => {
      const lines = linesAfter(EMPTY, 3, "one");
      for (const [index, line] of lines.entries()) {
        const before = headOf(lines.slice(0, index));
        for (const node of [store, peer]) expect(await node.auditHead()).toStrictEqual(before);
        expect(await store.appendAudit(before, [line])).toBe(true);
        expect(await peer.appendAudit(before, linesAfter(before, 1, "late"))).toBe(false);
        expect(await store.readAudit(0, 10)).toStrictEqual(lines.slice(0, index + 1));
      }
      expect(await peer.auditHead()).toStrictEqual(headOf(lines));
    });

    it("takes nothing when it does not end as expected", async () => {
      const first = linesAfter(EMPTY, 2, "one");
      await store.appendAudit(EMPTY, first);
      const head = headOf(first);
      const strangers = [
        EMPTY,
        { seq: 1, hash: first[0]?.hash ?? "" },
        { ...head, hash: "x" },
        { ...head, seq: 3 },
      ];
      for (const expected of strangers) {
        expect(await peer.appendAudit(expected, linesAfter(expected, 2, "late"))).toBe(false);
      }
      expect(await store.appendAudit(EMPTY, first)).toBe(false);
      expect(await store.readAudit(0, 10)).toStrictEqual(first);
      expect(await peer.auditHead()).toStrictEqual(head);
      expect(await peer.appendAudit({ seq: 1, hash: "" }, [])).toBe(false);
      expect(await peer.appendAudit(head, [])).toBe(true);
      expect(await store.readAudit(0, 10)).toStrictEqual(first);
    });

    it("of many that append at the same time one comes first; with all trying again it never forks", async () => {
      const races = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 ? store : peer).appendAudit(EMPTY, linesAfter(EMPTY, 2, `race ${index}`)),
        ),
      );
      expect(races.filter(Boolean)).toHaveLength(1);
      const append = async (node: Store, by: string): Promise<void> => {
        for (;;) {
          const head = await node.auditHead();
          if (await node.appendAudit(head, linesAfter(head, 2, by))) return;
        }
      };
      const writers = Array.from({ length: 12 }, (_, index) => `writer ${index}`);
      await Promise.all(writers.map(async (by, index) => append(index % 2 ? store : peer, by)));
      const lines = await store.readAudit(0, 100);
      expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
      const by = lines.map(({ text }) => (JSON.parse(text) as { by: string }).by);
      // Each group is together.
      expect(by.filter((_, index) => index % 2)).toEqual(by.filter((_, index) => index % 2 === 0));
      expect(new Set(by.slice(2))).toEqual(new Set(writers));
    });

    it("keeps the newest lines, and goes on from its end", async () => {
      const { auditKeeps } = harness;
      const all: AuditLine[] = [];
      for (const count of [auditKeeps - 1, 1, 1, 7, 1]) {
        const lines = linesAfter(headOf(all), count, "x");
        expect(await store.appendAudit(headOf(all), lines)).toBe(true);
        all.push(...lines);
        const kept = all.slice(-auditKeeps);
        expect(await peer.readAudit(0, 1_000)).toStrictEqual(kept);
        expect(await peer.readAudit(all.length - 3, 2)).toStrictEqual(all.slice(-3, -1));
        expect(await peer.auditHead()).toStrictEqual(headOf(all));
      }
      const many = linesAfter(headOf(all), auditKeeps + 5, "many");
      expect(await peer.appendAudit(headOf(all), many)).toBe(true);
      expect(await store.readAudit(0, 1_000)).toStrictEqual(many.slice(-auditKeeps));
    });
  });
}
