/** Opening a data directory: made, refused, and held by one process at a time. */
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { StoreOpenError } from "../../../src/store/local/errors.ts";
import { LocalStore } from "../../../src/store/local/local-store.ts";
import { createSandbox } from "../../contract/store-support.ts";
import { StoreProcess, temporaryDirectory } from "../../support/local-store-process.ts";

/** The one line that the operator gets. */
async function refusal(dir: string): Promise<string> {
  const opened = LocalStore.open({ dir }).then(async (store) => store.close());
  const error: unknown = await opened.catch((error: unknown) => error);
  expect(error).toBeInstanceOf(StoreOpenError);
  const { message } = error as StoreOpenError;
  expect(message).not.toContain("\n");
  return message;
}

function sockets(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("owner-"));
}

describe("local store: its directory", () => {
  it("is made, with all above it, for this user alone, and keeps what was stored", async () => {
    const dir = join(temporaryDirectory(), "deep", "data.d");
    const first = await LocalStore.open({ dir });
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "data.mdb")).mode & 0o777).toBe(0o600);
    const { state } = await createSandbox(first, "box", 1);
    await first.close();
    expect(sockets(dir)).toEqual([]);

    const second = await LocalStore.open({ dir });
    expect((await second.load("box"))?.state).toStrictEqual(state);
    expect(await second.due(10)).toEqual(["box"]);
    await second.close();
  });

  it("is refused when a file is in the way", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    expect(await refusal(file)).toMatch(/file cannot be used: it is not a directory\. .*BATON_DATA_DIR/);
    expect(await refusal(join(file, "below"))).toMatch(/a part of the path is not a directory/);
  });

  it("is refused when the user has no permission, whether to make it or to write in it", async () => {
    const parent = temporaryDirectory();
    const closedDir = join(parent, "closed");
    mkdirSync(closedDir);
    chmodSync(parent, 0o755);
    chmodSync(closedDir, 0o555);
    // Root may do everything, so the child becomes `nobody` before it opens the store.
    const nobody = process.getuid?.() === 0 ? { BECOME_UID: "65534" } : {};
    for (const dir of [closedDir, join(closedDir, "new")]) {
      const child = new StoreProcess("hold", dir, undefined, {
        env: { ...process.env, ...nobody },
      });
      const { name, message } = await child.take("refused");
      expect(name).toBe("StoreOpenError");
      expect(message).toContain(`${dir} cannot be used: this user has no permission for it.`);
    }
  });

  it("may have a path that is too long for a socket's address", async () => {
    const dir = join(temporaryDirectory(), "x".repeat(120), "y".repeat(120));
    const store = await LocalStore.open({ dir });
    expect(await refusal(dir)).toContain("in use by this process");
    await store.close();
    await (await LocalStore.open({ dir })).close();
    expect(sockets(dir)).toEqual([]);
  });

  it("belongs to one process, which the refusal names, with the directory and what to do", async () => {
    const dir = temporaryDirectory();
    const owner = new StoreProcess("hold", dir);
    await owner.take("open");
    const message = await refusal(dir);
    expect(message).toContain(`${dir} is in use by process ${owner.pid}.`);
    expect(message).toMatch(/Stop that one, or set BATON_DATA_DIR/);
    expect(sockets(dir)).toHaveLength(1);
  });

  it("still belongs to a process that is stopped, and no more to one that was killed", async () => {
    const dir = temporaryDirectory();
    const owner = new StoreProcess("hold", dir);
    await owner.take("open");
    owner.signal("SIGSTOP");
    expect(await refusal(dir)).toContain(`process ${owner.pid}`);
    await owner.kill();
    expect(sockets(dir)).toHaveLength(1);
    const store = await LocalStore.open({ dir });
    expect(sockets(dir)).toEqual([expect.stringContaining(`owner-${process.pid}-`)]);
    await store.close();
  });

  it("is had by one at most of many that open it at the same time", async () => {
    const dir = temporaryDirectory();
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => LocalStore.open({ dir })));
    const stores = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(stores.length).toBeLessThanOrEqual(1);
    await Promise.all(stores.map((store) => store.close()));
    await (await LocalStore.open({ dir })).close();
  });

  it("is refused when no file can be made in it: the disk is full", async () => {
    // Files of no byte at all; what the system does for a directory is not counted.
    const child = new StoreProcess("hold", temporaryDirectory(), 0);
    expect((await child.take("refused")).message).toMatch(
      /cannot be opened: .*file too large.* Free some space/i,
    );
  });

  it("leaves nothing behind where it was refused", async () => {
    const dir = join(tmpdir(), `baton-store-${process.pid}`);
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    mkdirSync(dir);
    writeFileSync(join(dir, "data.mdb"), "not a database");
    expect(await refusal(dir)).toMatch(/data\.mdb is damaged/);
    expect(readdirSync(dir)).toEqual(["data.mdb"]);
  });
});
