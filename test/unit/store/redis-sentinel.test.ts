/** The Redis store behind Sentinels: it finds the master, also after another one has taken over. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RedisStore, type RedisStoreOptions } from "../../../src/store/redis/redis-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { commitUntilDone, createSandbox, watch, watchLobby } from "../../contract/store-support.ts";
import { RedisServer, until, untilReplicating } from "../../support/redis.ts";

let first: RedisServer;
let second: RedisServer;
let sentinel: RedisServer;
beforeAll(async () => {
  first = await RedisServer.start();
  second = await RedisServer.start({ config: { replicaof: `127.0.0.1 ${first.port}` } });
  await untilReplicating(first);
  sentinel = await RedisServer.start({ sentinelOf: first });
  await until(
    async () => JSON.stringify(await sentinel.client.call("SENTINEL", "REPLICAS", "main")),
    /"flags","slave"/,
    "the Sentinel to find the replica",
  );
});
afterAll(async () => Promise.all([first, second, sentinel].map(async (server) => server.stop())));

const opened: Store[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (store) => store.close()));
});

async function open(options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  // The first of the Sentinels is not there.
  const url = `redis+sentinel://127.0.0.1:9,${sentinel.address}/main/3?prefix=sentinel`;
  const store = await RedisStore.connect({ url, commandTimeoutMs: 1_000, probeMs: 200, ...options });
  opened.push(store);
  return store;
}

describe("redis store behind a sentinel", () => {
  it("says so when no Sentinel knows the master", async () => {
    const url = `redis+sentinel://${sentinel.address}/other`;
    await expect(RedisStore.connect({ url, commandTimeoutMs: 1_000 })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(sentinel.address) as string,
    });
    await expect(RedisStore.connect({ url: `redis://${sentinel.address}` })).rejects.toThrow(
      /it is a Sentinel; use/,
    );
  });

  it("C3: finds the new master when the old one hangs, and the old one does not vouch when it goes on", async () => {
    const [store, peer] = [await open(), await open({ replicas: 1 })];
    const { state } = await createSandbox(store, "box");
    const [log, lobby] = [await watch(store, "box"), await watchLobby(peer)];
    await commitUntilDone(peer, "box", "before");
    await log.until(2);
    first.pause();
    try {
      await expect(peer.confirm("box")).rejects.toMatchObject({ code: "unavailable" });
      await Promise.all([log.untilLost(), lobby.untilLost()]);
      await until(async () => String(await store.healthy()), /true/, "the store to be healthy");
      const after = await commitUntilDone(store, "box", "after");
      await log.until(after.seq);
      const found = await store.read("box", { epoch: state.epoch, seq: 1 });
      expect(found?.kind === "events" && found.events.map(({ seq }) => seq)).toEqual([2, 3]);
      // The only replica has become the master.
      await expect(peer.confirm("box")).rejects.toMatchObject({ code: "unavailable" });
    } finally {
      first.resume();
    }
    // What the Sentinel does too, some seconds later: the old master follows the new one, and acknowledges.
    await first.client.replicaof("127.0.0.1", second.port);
    await until(async () => String((await peer.confirm("box"))?.state.seq), /^3$/, "an acknowledgement");
    const { seq } = await commitUntilDone(store, "box", "last");
    await Promise.all([log.until(seq), lobby.until("box", seq)]);
    expect(await second.client.call("ROLE")).toContain("master");
  }, 40_000);
});
