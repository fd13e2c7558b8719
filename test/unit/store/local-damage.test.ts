/** Data files that are truncated, damaged or of others: refused with one clear line, never half read, never a crash. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open as openDatabase } from "lmdb";
import { beforeAll, describe, expect, it } from "vitest";
import { StoreOpenError } from "../../../src/store/local/errors.ts";
import { inspectFile } from "../../../src/store/local/inspect.ts";
import { encode, formatKey } from "../../../src/store/local/layout.ts";
import { LocalStore } from "../../../src/store/local/local-store.ts";
import { commitUntilDone, createSandbox } from "../../contract/store-support.ts";
import { Random } from "../../faults/random.ts";
import { temporaryDirectory } from "../../support/local-store-process.ts";

const PAGE_BYTES = 4_096;
/** Where the first header has the page number of the newest or second newest root. */
const ROOT_OFFSET = 24 + 72 + 40;
const SANDBOXES = 30;

/** Everything that a store tells of what is in it. */
async function contents(dir: string): Promise<unknown> {
  const store = await LocalStore.open({ dir });
  try {
    const { sandboxes } = await store.list({ limit: 1_000 });
    const all = sandboxes.map(async ({ sandboxId }) => ({
      loaded: { ...(await store.load(sandboxId, "k2")), now: 0 },
      log: await store.read(sandboxId, { epoch: firstEpochs.get(sandboxId) ?? 0, seq: 1 }),
    }));
    return { sandboxes, all: await Promise.all(all), due: await store.due(1_000) };
  } finally {
    await store.close();
  }
}

const firstEpochs = new Map<string, number>();
let original: Buffer;
let whole: unknown;

/** A directory with this as its data file. */
function directoryWith(data: Uint8Array): string {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, "data.mdb"), data);
  return dir;
}

describe("local store: a damaged file", () => {
  beforeAll(async () => {
    const dir = mkdtempSync(join(tmpdir(), "baton-store-"));
    const store = await LocalStore.open({ dir });
    const fill = async (index: number): Promise<void> => {
      const sandboxId = `box-${index}`;
      const { state } = await createSandbox(store, sandboxId, index);
      firstEpochs.set(sandboxId, state.epoch);
      for (const key of ["k1", "k2", "k3", "k4"]) await commitUntilDone(store, sandboxId, key);
      if (index % 5 === 0) {
        // Pages that are free, and a value that needs several.
        await store.remove(sandboxId);
        const source = { cdpUrl: `ws://127.0.0.1:1/${"x".repeat(9_000)}` };
        const browser = { source, status: "idle" as const, attachedAt: 1, updatedAt: 1 };
        await store.create({ ...state, sandboxId: `big-${index}`, browser }, [], null);
      }
    };
    await Promise.all(Array.from({ length: SANDBOXES }, (_, index) => fill(index)));
    await store.close();
    whole = await contents(dir);
    const data = readFileSync(join(dir, "data.mdb"));
    original = data.subarray(0, lastUsedByte(data));
    rmSync(dir, { recursive: true });
  });

  it("that is not damaged is read as it was written", async () => {
    expect(await contents(directoryWith(original))).toStrictEqual(whole);
  });

  it("cut off anywhere is refused with its path, unless only free pages were there", async () => {
    const random = new Random(7);
    let refused = 0;
    for (let round = 0; round < 60; round += 1) {
      const dir = directoryWith(original);
      const length = round === 0 ? 1 : random.between(1, original.length - 1);
      truncateSync(join(dir, "data.mdb"), length);
      const found: unknown = await contents(dir).catch((error: unknown) => error);
      if (!(found instanceof StoreOpenError)) {
        expect(found, `${length} bytes`).toStrictEqual(whole);
        continue;
      }
      refused += 1;
      expect(found.message).toContain(`${join(dir, "data.mdb")} is damaged: `);
      expect(found.message).toMatch(/Put a backup of it in its place, or move it away/);
    }
    expect(refused).toBeGreaterThan(0);
  });

  it.each([1, 2])("with other bytes in it is refused, or they changed nothing (seed %i)", async (seed) => {
    const random = new Random(seed);
    let refused = 0;
    for (let round = 0; round < 120; round += 1) {
      const data = Buffer.from(original);
      const length = random.pick([1, 1, 2, 8, 64, PAGE_BYTES]);
      const start = random.between(0, original.length - length);
      const aligned = length === PAGE_BYTES ? start - (start % PAGE_BYTES) : start;
      for (let index = aligned; index < aligned + length; index += 1) data[index] = random.between(0, 255);
      const file = join(directoryWith(data), "data.mdb");
      let outcome: unknown;
      try {
        outcome = inspectFile(file);
      } catch (error) {
        expect(error, `${length} bytes at ${aligned}`).toBeInstanceOf(StoreOpenError);
        refused += 1;
        continue;
      }
      expect(outcome).toBe("store");
      expect(await contents(join(file, "..")), `${length} bytes at ${aligned}`).toStrictEqual(whole);
    }
    expect(refused).toBeGreaterThan(20);
  });

  it("whose pages were exchanged is refused", async () => {
    const data = Buffer.from(original);
    const root = Number(original.readBigUInt64LE(ROOT_OFFSET)) * PAGE_BYTES;
    const [one, other] = [root, root === 2 * PAGE_BYTES ? 3 * PAGE_BYTES : 2 * PAGE_BYTES];
    original.copy(data, one, other, other + PAGE_BYTES);
    original.copy(data, other, one, one + PAGE_BYTES);
    await expect(LocalStore.open({ dir: directoryWith(data) })).rejects.toThrow(/is damaged/);
  });

  it("of an unknown format is refused with what to do", async () => {
    const dir = temporaryDirectory();
    await (await LocalStore.open({ dir })).close();
    await put(dir, formatKey, encode(formatKey, { format: 2 }));
    await expect(LocalStore.open({ dir })).rejects.toThrow(
      /data\.mdb has format 2; this Baton reads format 1\. Start the version of Baton that wrote it/,
    );
  });

  it("of another program is refused", async () => {
    const dir = temporaryDirectory();
    await put(dir, "theirs", Buffer.from("value"));
    await expect(LocalStore.open({ dir })).rejects.toThrow(/does not begin as a file of Baton's does/);
  });

  it("of no bytes, as a start that was killed leaves it, is begun", async () => {
    const dir = directoryWith(Buffer.alloc(0));
    const store = await LocalStore.open({ dir });
    await createSandbox(store, "box");
    await store.close();
  });

  it("that is damaged while it is open: reading that sandbox says so, and the others go on", async () => {
    const dir = temporaryDirectory();
    const store = await LocalStore.open({ dir });
    await createSandbox(store, "good");
    await createSandbox(store, "bad-one");
    const file = await open(join(dir, "data.mdb"), "r+");
    const data = await file.readFile();
    for (let at = data.indexOf('"sandboxId":"bad-one"'); at >= 0; at = data.indexOf('"bad-one"', at + 1)) {
      await file.write("X", at + 16);
    }
    await file.close();
    await expect(store.load("bad-one")).rejects.toMatchObject({
      code: "internal",
      message: expect.stringMatching(/data\.mdb holds of sandbox bad-one is damaged/) as string,
    });
    await expect(store.read("bad-one", null)).rejects.toThrow(/bad-one/);
    expect((await store.load("good"))?.version).toBe(1);
    await store.close();
    await expect(LocalStore.open({ dir })).rejects.toThrow(/sandbox bad-one is not what was written/);
  });
});

/** Up to the end of the last page that any commit may have used. */
function lastUsedByte(data: Buffer): number {
  return (
    Math.max(...[0, PAGE_BYTES].map((meta) => Number(data.readBigUInt64LE(meta + 24 + 120)) + 1)) * PAGE_BYTES
  );
}

async function put(dir: string, key: string, value: Buffer): Promise<void> {
  const options = { path: dir, noSubdir: false, encoding: "binary", keyEncoding: "binary" } as const;
  const database = openDatabase<Buffer, Buffer>(options);
  await database.put(Buffer.from(key), value);
  await database.close();
}
