/** Marks and the audit log in a data directory: there again when it is opened again, and after a kill. */
import { join } from "node:path";
import { open as openDatabase } from "lmdb";
import { describe, expect, it } from "vitest";
import { inspectFile } from "../../../src/store/local/inspect.ts";
import { LocalStore } from "../../../src/store/local/local-store.ts";
import { temporaryDirectory } from "../../support/local-store-process.ts";

const HOUR_MS = 3_600_000;

describe("local store: marks and the audit log", () => {
  it("are there when it is opened again, with their order and their versions", async () => {
    const dir = temporaryDirectory();
    let now = 1_700_000_000_000;
    const open = async () => LocalStore.open({ dir, now: () => now, auditLength: 5 });
    const first = await open();
    await first.mark("b", "by b", now + 2 * HOUR_MS);
    await first.mark("a", "by a", now + HOUR_MS);
    await first.mark("short", "x", now + 1_000);
    await first.mark("renewed", "one", now + 1_000);
    now += 1_000;
    await first.mark("renewed", "two", now + HOUR_MS);
    const known = await first.marksSince(0);
    const lines = Array.from({ length: 8 }, (_, index) => ({
      seq: index + 1,
      hash: `h${index + 1}`,
      text: `{"Ünï":${index}}`,
    }));
    await first.appendAudit({ seq: 0, hash: "" }, lines);
    await first.close();

    // A clock that was set back: a version is never given twice.
    now -= 500;
    const second = await open();
    expect(inspectFile(join(dir, "data.mdb"))).toBe("store");
    expect(await second.marksSince(0)).toStrictEqual(known);
    expect(known.marks.map(({ id, value }) => `${id} ${value}`)).toEqual(["b by b", "a by a", "renewed two"]);
    expect(await second.marksSince(known.version)).toMatchObject({ reset: false, marks: [] });
    expect(await second.mark("a", "other", now + HOUR_MS)).toBe("by a");
    await second.mark("new", "x", now + HOUR_MS);
    expect(await second.marksSince(known.version)).toMatchObject({ reset: false, marks: [{ id: "new" }] });
    expect(await second.readAudit(0, 100)).toStrictEqual(lines.slice(-5));
    expect(await second.auditHead()).toEqual({ seq: 8, hash: "h8" });
    expect(await second.appendAudit({ seq: 8, hash: "h8" }, [{ seq: 9, hash: "h9", text: "{}" }])).toBe(true);
    await second.close();
  });

  it("of an id there is one on disk, also when it expired and was made again", async () => {
    const dir = temporaryDirectory();
    let now = 1_700_000_000_000;
    const store = await LocalStore.open({ dir, now: () => now });
    const count = 20;
    for (let index = 0; index < count; index += 1) await store.mark(`id ${index}`, "old", now + index + 1);
    now += count;
    await store.mark(`id ${count - 1}`, "new", now + HOUR_MS);
    await store.close();
    const db = openDatabase({ path: dir, noSubdir: false, encoding: "binary", keyEncoding: "binary" });
    const keys = [...db.getKeys()].map((key) => Buffer.from(key as Buffer).toString());
    await db.close();
    const marks = keys.filter((key) => key.startsWith("m!"));
    // Of those that expired, some left.
    expect(marks).toHaveLength(10);
    expect(marks.filter((key) => key.startsWith(`m!${String(now).padStart(16, "0")}!`))).toEqual([]);
  });

  it("a closed store answers nothing of them", async () => {
    const store = await LocalStore.open({ dir: temporaryDirectory() });
    await store.close();
    const calls = {
      mark: async () => store.mark("id", "x", Date.now() + HOUR_MS),
      marksSince: async () => store.marksSince(0),
      appendAudit: async () => store.appendAudit({ seq: 0, hash: "" }, [{ seq: 1, hash: "h", text: "{}" }]),
      readAudit: async () => store.readAudit(0, 1),
      auditHead: async () => store.auditHead(),
    };
    for (const [name, call] of Object.entries(calls))
      await expect(call(), name).rejects.toMatchObject({ code: "unavailable" });
  });
});
