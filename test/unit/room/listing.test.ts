import { describe, expect, it } from "vitest";
import { OPEN_GRANT, reaches } from "../../../src/core/access.ts";
import { initialState } from "../../../src/core/state.ts";
import { listReachable } from "../../../src/room/listing.ts";
import { MemoryStore } from "../../../src/store/memory.ts";

const LONG = "m".repeat(63);
const IDS = [
  ..."A Z a mal mal- mal-1 mal-2 mal-2-x mal. mal0 malx other z -x _x 0 9".split(" "),
  LONG,
  `${LONG}m`,
  `${LONG}z`,
].filter((id) => /^[\w-]+$/.test(id));

/** A store with these sandboxes, and the names of all that anybody asked it for. */
async function stored(ids: readonly string[]): Promise<{ store: MemoryStore; shown: Set<string> }> {
  const store = new MemoryStore();
  for (const id of ids) await store.create(initialState(id, null, 0), [], null);
  const shown = new Set<string>();
  const list = store.list.bind(store);
  store.list = async (options) => {
    const page = await list(options);
    for (const { sandboxId } of page.sandboxes) shown.add(sandboxId);
    return page;
  };
  return { store, shown };
}

describe("what a token reaches is listed", () => {
  it.each([
    ["mal-*"],
    ["mal*"],
    ["mal-2*", "mal-*", "mal-1"],
    ["mal", "mal-*", "other"],
    ["z", "nowhere", "A", "mal-1", "mal-1"],
    ["nowhere*", "z*", "-*", "_x", "9*"],
    [`${LONG}*`, `${LONG}m*`],
    [`${LONG}z*`, `${LONG}m`],
    ["nowhere"],
    ["*", "mal-1"],
  ])("whole, in order, once, in pages of any size: %s and %s and %s", async (...scopes) => {
    const { store } = await stored(IDS);
    const grant = { ...OPEN_GRANT, sandboxes: scopes.filter((scope) => scope !== undefined) };
    const expected = IDS.filter((id) => reaches(grant, id)).sort();
    for (const limit of [1, 2, 100]) {
      const found: string[] = [];
      let cursor: string | undefined;
      for (let pages = 0; pages <= IDS.length * 2; pages += 1) {
        const page = await listReachable(store, grant, { limit, ...(cursor !== undefined && { cursor }) });
        expect(page.sandboxes.length).toBeLessThanOrEqual(limit);
        found.push(...page.sandboxes.map(({ sandboxId }) => sandboxId));
        cursor = page.cursor;
        if (cursor === undefined) break;
        expect(cursor.length).toBeLessThanOrEqual(64);
      }
      expect([found, cursor], `pages of ${limit}`).toEqual([expected, undefined]);
    }
  });

  it("without reading the sandboxes of others, and without a word of them in the cursor", async () => {
    const others = Array.from({ length: 11_000 }, (_, index) => `acme-${String(index).padStart(5, "0")}`);
    const { store, shown } = await stored([...others, "mal-1", "mal-2"]);
    const grant = { ...OPEN_GRANT, sandboxes: ["mal-*"] };
    const page = await listReachable(store, grant, { limit: 10 });
    expect(page.sandboxes.map(({ sandboxId }) => sandboxId)).toEqual(["mal-1", "mal-2"]);
    expect(page.cursor).toBeUndefined();
    expect([...shown]).toEqual(["mal-1", "mal-2"]);
  });

  it("for a token of more scopes than one page looks at, on the pages after it", async () => {
    const { store } = await stored(["s-250-x"]);
    const scopes = Array.from({ length: 300 }, (_, index) => `s-${index}-*`);
    const grant = { ...OPEN_GRANT, sandboxes: scopes };
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listReachable(store, grant, { limit: 10, ...(cursor !== undefined && { cursor }) });
      found.push(...page.sandboxes.map(({ sandboxId }) => sandboxId));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(found).toEqual(["s-250-x"]);
  });
});
