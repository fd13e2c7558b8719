/** Marks in a Redis that loses some of them, and many of them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { VERSIONS } from "../../../src/store/marks.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { RedisServer } from "../../support/redis.ts";

const HOUR_MS = 3_600_000;

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(async () => server.stop());

const opened: Store[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (store) => store.close()));
});
const open = async (prefix: string): Promise<Store> => {
  const store = await RedisStore.connect({ url: `redis://${server.address}?prefix=${prefix}` });
  opened.push(store);
  return store;
};

describe("redis store: marks", () => {
  it("a restored dump is noticed by whoever knows of later ones, also when newer ones came since", async () => {
    const { client } = server;
    const [store, peer] = [await open("dump"), await open("dump")];
    const until = (await store.now()) + HOUR_MS;
    await store.mark("kept", "x", until);
    const keys = await client.keys("dump:*marks:*");
    expect(keys).toHaveLength(4);
    const dump = await Promise.all(keys.map(async (key) => [key, await client.dumpBuffer(key)] as const));
    await store.mark("lost", "x", until);
    const { version } = await peer.marksSince(0);
    for (const [key, bytes] of dump) await client.restore(key, 0, bytes ?? "", "REPLACE");
    expect(await peer.marksSince(version)).toMatchObject({ reset: true, marks: [{ id: "kept" }] });
    await store.mark("new", "x", until);
    const after = await peer.marksSince(version);
    expect(after.version).toBeGreaterThan(version);
    expect(after).toMatchObject({ reset: true, marks: [{ id: "kept" }, { id: "new" }] });
    // The caller marks again what it knows.
    await peer.mark("lost", "x", until);
    const { marks } = await store.marksSince(after.version);
    expect(marks).toStrictEqual([{ id: "lost", value: "x", until }]);

    await client.flushall();
    expect(await store.marksSince(after.version)).toEqual({ version: 0, reset: true, marks: [] });
  });

  it("more than fit in one answer are all told, in order, and nothing twice", async () => {
    const store = await open("many");
    const until = (await store.now()) + HOUR_MS;
    const ids = Array.from({ length: VERSIONS + 1_500 }, (_, index) => `id ${index}`);
    for (let at = 0; at < ids.length; at += 500)
      await Promise.all(ids.slice(at, at + 500).map(async (id) => store.mark(id, "x", until)));
    const { version, marks } = await store.marksSince(0);
    expect(marks.map(({ id }) => id)).toEqual(ids);
    expect((await store.marksSince(1)).marks).toHaveLength(ids.length);
    expect(await store.marksSince(version)).toEqual({ version, reset: false, marks: [] });
  });

  it("news cost one script, and none cost one that reads one key", async () => {
    const store = await open("cheap");
    await store.mark("one", "x", (await store.now()) + HOUR_MS);
    const { version } = await store.marksSince(0);
    const monitor = await server.client.monitor();
    const seen: string[][] = [];
    const quiet = new Promise<void>((resolve) => {
      monitor.on("monitor", (_time: string, args: string[]) => {
        seen.push(args.map((arg) => arg.toLowerCase()));
        if (args[0] === "ECHO") resolve();
      });
    });
    await store.marksSince(version);
    await server.client.call("ECHO", "done");
    await quiet;
    monitor.disconnect();
    const ours = seen.filter((args) => args.some((arg) => arg.startsWith("cheap:")));
    expect(ours.map(([name]) => name)).toEqual(["evalsha", "zrange"]);
  });
});
