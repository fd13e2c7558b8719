/** No room, on the disk or by the bound, and a disk that does not answer: nothing changes, and it works again after. */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { open as openDatabase } from "lmdb";
import { describe, expect, it, onTestFinished } from "vitest";
import { LocalStore, type LocalStoreOptions } from "../../../src/store/local/local-store.ts";
import { commitOnce, commitUntilDone, createSandbox, noise, watch } from "../../contract/store-support.ts";
import { SANDBOXES } from "../../support/local-store-load.ts";
import { StoreProcess, temporaryDirectory } from "../../support/local-store-process.ts";

const MEBIBYTE = 1024 ** 2;

async function openStore(options: Partial<LocalStoreOptions> = {}): Promise<LocalStore> {
  const store = await LocalStore.open({ dir: temporaryDirectory(), ...options });
  onTestFinished(() => store.close());
  return store;
}

describe("local store: no room", () => {
  it("a full disk refuses commits and changes nothing; with room again it goes on by itself", async () => {
    const dir = temporaryDirectory();
    // The system bounds the size of files here as a full disk does: writing past it fails.
    const child = new StoreProcess("write", dir, 6 * MEBIBYTE);
    const failed = await child.take("failed");
    expect(failed).toMatchObject({ code: "unavailable", healthy: false });
    expect(failed.message).toMatch(/Nothing was changed: .*data\.mdb cannot grow \(.*\)\. Free some space/);
    const acknowledged = new Map<string, number>();
    for (const line of child.said.all)
      if (line.kind === "committed") acknowledged.set(line.sandboxId, line.seq);

    child.tell("remove");
    expect((await child.take("removed")).answer).toBe(true);
    execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"]);
    child.tell("health");
    expect((await child.take("healthy")).healthy).toBe(true);
    await child.kill();

    const store = await openStore({ dir });
    expect(await store.load(SANDBOXES[0] ?? "")).toBeNull();
    for (const sandboxId of SANDBOXES.slice(1)) {
      expect((await store.load(sandboxId))?.state.seq, sandboxId).toBe(acknowledged.get(sandboxId));
      await commitUntilDone(store, sandboxId, "after");
    }
  }, 60_000);

  it("data at its bound refuses commits with what to do, and takes them again once sandboxes are gone", async () => {
    const store = await openStore({ maxBytes: 2 * MEBIBYTE });
    let count = 0;
    const fill = async (): Promise<never> => {
      for (;;) {
        await createSandbox(store, `box-${count}`);
        count += 1;
      }
    };
    await expect(fill()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/Nothing was changed: .* Remove sandboxes that nobody needs/) as string,
    });
    expect(await store.load(`box-${count - 1}`)).not.toBeNull();
    expect(await store.load(`box-${count}`)).toBeNull();
    expect(await store.healthy()).toBe(false);
    await expect(commitUntilDone(store, "box-0", "k")).rejects.toThrow(/Nothing was changed/);
    expect(await store.load("box-0", "k")).toMatchObject({ state: { seq: 1 } });

    const { sandboxes } = await store.list({ cursor: "box-0", limit: 200 });
    for (const { sandboxId } of sandboxes) expect(await store.remove(sandboxId)).toBe(true);
    expect(await store.healthy()).toBe(true);
    expect(await commitUntilDone(store, "box-0", "k")).toMatchObject({ seq: 2 });
  }, 60_000);

  it("the file does not grow with what is written and removed again", async () => {
    const dir = temporaryDirectory();
    const store = await openStore({ dir, logLength: 10 });
    const churn = async (rounds: number): Promise<number> => {
      for (let round = 0; round < rounds; round += 1) {
        const { state } = await createSandbox(store, "box");
        const browser = {
          source: { cdpUrl: "x".repeat(50_000) },
          status: "idle" as const,
          attachedAt: 1,
          updatedAt: 1,
        };
        await store.create({ ...state, sandboxId: "big", browser }, [], null);
        for (let index = 0; index < 3; index += 1) await commitUntilDone(store, "big", `k${round}-${index}`);
        await store.remove("big");
        await store.remove("box");
      }
      return statSync(join(dir, "data.mdb")).size;
    };
    // Far more than the file has: 150 times 50 kB and more.
    const before = await churn(10);
    expect(await churn(50)).toBe(before);
  }, 60_000);
});

describe("local store: a disk that does not answer", () => {
  it("fails commits and health in time; what was on its way still happens, and its events are told", async () => {
    const dir = temporaryDirectory();
    const store = await openStore({ dir, limitMs: 300 });
    await createSandbox(store, "box");
    await createSandbox(store, "other");
    const log = await watch(store, "box");
    const loaded = await store.load("box");
    if (!loaded) throw new Error("The sandbox is gone.");

    // Holds the database's own lock for writing, as a write that hangs does.
    const database = openDatabase({ path: dir, noSubdir: false });
    let letGo: (() => void) | undefined;
    const held = database.transactionSync(() => new Promise<void>((done) => (letGo = done)));
    const late = { code: "unavailable", message: expect.stringMatching(/may still happen/) as string };
    await expect(commitOnce(store, "box", noise(loaded), "k1")).rejects.toMatchObject(late);
    await expect(commitOnce(store, "other", noise(loaded), "k1")).rejects.toMatchObject(late);
    expect(await store.healthy()).toBe(false);
    const many = Array.from({ length: 10_001 }, (_, index) => store.remove(`none-${index}`));
    const refused = await Promise.allSettled(many);
    expect(refused.at(-1)).toMatchObject({
      reason: { message: expect.stringMatching(/too many/) as string },
    });
    expect(refused[0]).toMatchObject({ reason: late });
    expect(log.events).toEqual([]);
    expect((await store.load("box"))?.state.seq).toBe(1);

    letGo?.();
    await held;
    await log.until(2);
    expect((await store.load("box", "k1"))?.record).toMatchObject({ key: "k1", seq: 2 });
    expect(await store.healthy()).toBe(true);
    // This one had not been begun when its time was over.
    expect((await store.load("other"))?.state.seq).toBe(1);
    await database.close();
  });

  it("a closed store refuses everything, after it has answered what it had taken", async () => {
    const store = await openStore();
    const created = createSandbox(store, "box");
    const closing = created.then(async ({ loaded }) => {
      const commits = ["k1", "k2"].map((key) => commitOnce(store, "box", noise(loaded), key));
      await store.load("box");
      const closed = store.close();
      return Promise.allSettled([...commits, closed]);
    });
    const [first, second, closed] = await closing;
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringMatching(/conflict/) as string },
    });
    expect(closed?.status).toBe("fulfilled");
    const calls = [
      () => store.load("box"),
      () => store.read("box", null),
      () => store.remove("box"),
      () => store.due(1),
      () => store.list({ limit: 1 }),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "unavailable" });
    expect(await store.healthy()).toBe(false);
    await store.close();
  });
});
