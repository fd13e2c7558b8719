/** The store's contract on a Redis Cluster, and what happens when its masters change. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RedisStore, type RedisStoreOptions } from "../../../src/store/redis/redis-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { describeStoreContract } from "../../contract/store.ts";
import { BOUNDS } from "../../contract/store-bounds.ts";
import { commitUntilDone, createSandbox, watch, watchLobby } from "../../contract/store-support.ts";
import { startCluster, until, untilReplicating, type RedisCluster } from "../../support/redis.ts";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);
afterAll(async () => cluster.stop());

let tests = 0;
describeStoreContract("redis cluster", async () => {
  tests += 1;
  const url = `${cluster.url}?prefix=test-${tests}`;
  const [store, peer] = await Promise.all([
    RedisStore.connect({ url, logLength: 60, ...BOUNDS }),
    RedisStore.connect({ url, logLength: 60, ...BOUNDS }),
  ]);
  return {
    store,
    peer,
    logKeeps: 60,
    logForgetsAfter: 160,
    recordsKeep: 512,
    recordsForgetAfter: 512,
    maxMarks: BOUNDS.maxMarks,
    auditKeeps: BOUNDS.auditLength,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  };
});

describe("redis cluster", () => {
  const opened: Store[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (store) => store.close()));
  });
  const open = async (options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> => {
    const url = `${cluster.url}?prefix=failover-${tests}`;
    const store = await RedisStore.connect({ url, commandTimeoutMs: 1_000, probeMs: 200, ...options });
    opened.push(store);
    return store;
  };
  /** Sandboxes on every master, all watched. */
  const populate = async (store: Store, watcher: Store) => {
    tests += 1;
    const ids = Array.from({ length: 12 }, (_, index) => `box-${tests}-${index}`);
    for (const id of ids) await createSandbox(store, id);
    return Promise.all(ids.map(async (id) => ({ id, log: await watch(watcher, id) })));
  };
  /** Commits to each until it is in, and waits until it was heard. */
  const expectHeard = async (store: Store, boxes: Awaited<ReturnType<typeof populate>>, key: string) => {
    await Promise.all(
      boxes.map(async ({ id, log }) => {
        let seq = 0;
        await until(
          async () => {
            seq = (await store.load(id, key))?.record?.seq ?? (await commitUntilDone(store, id, key)).seq;
            return "done";
          },
          /^done$/,
          `a commit on ${id}`,
        );
        await log.until(seq);
      }),
    );
  };
  const untilHealthy = async (...stores: readonly Store[]) => {
    for (const store of stores)
      await until(async () => String(await store.healthy()), /true/, "the store to be healthy");
  };
  const slotOwners = async () =>
    String(await cluster.masters[0]?.client.call("CLUSTER", "SLOTS"))
      .match(/127\.0\.0\.1,\d+/g)
      ?.join(" ") ?? "";

  it("spreads sandboxes over the masters", async () => {
    const [store, peer] = [await open(), await open()];
    await populate(store, peer);
    for (const { client } of cluster.masters) {
      expect((await client.keys(`failover-*:ids`)).length).toBeGreaterThan(0);
    }
  });

  it("follows a slot that is moved to another master, and listeners are told", async () => {
    const [store, peer] = [await open(), await open()];
    const boxes = await populate(store, peer);
    await expectHeard(store, boxes, "before");
    const [from, to] = cluster.masters;
    if (!from || !to) throw new Error("The cluster has no masters.");
    const here = (await from.client.keys("*:box:*")).filter((key) =>
      boxes.some(({ id }) => key.endsWith(`:box:${id}`)),
    );
    const [key = ""] = here;
    const slot = Number(await from.client.call("CLUSTER", "KEYSLOT", key));
    const ids = await Promise.all(
      [from, to].map(async ({ client }) => String(await client.call("CLUSTER", "MYID"))),
    );
    await to.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0] ?? "");
    await from.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1] ?? "");
    const keys = (await from.client.call("CLUSTER", "GETKEYSINSLOT", slot, 10_000)) as string[];
    await from.client.call("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
    for (const { client } of [to, from]) await client.call("CLUSTER", "SETSLOT", slot, "NODE", ids[1] ?? "");
    const moved = boxes.filter(({ id }) => keys.some((name) => name.endsWith(`:box:${id}`)));
    expect(moved.length).toBeGreaterThan(0);
    await Promise.all(moved.map(async ({ log }) => log.untilLost()));
    await untilHealthy(store, peer);
    await expectHeard(store, boxes, "after");
    await expectHeard(peer, boxes, "from the other node");
  });

  it("goes on by itself when a replica takes over from its master, and listeners are told", async () => {
    const [store, peer] = [await open(), await open()];
    const boxes = await populate(store, peer);
    const lobby = await watchLobby(peer);
    await expectHeard(store, boxes, "before");
    const before = await slotOwners();
    await cluster.replicas[0]?.client.call("CLUSTER", "FAILOVER");
    await until(
      async () => ((await slotOwners()) === before ? "same" : "changed"),
      /changed/,
      "the failover",
    );
    await lobby.untilLost();
    await untilHealthy(store, peer);
    await expectHeard(store, boxes, "after");
    await expectHeard(peer, boxes, "from the other node");
    const lost = boxes.filter(({ log }) => log.told.includes("lost"));
    expect(lost.length).toBeGreaterThan(0);
    // Those of the other masters noticed nothing.
    expect(lost.length).toBeLessThan(boxes.length);
    await untilHealthy(store);
  });

  it("C3: leaves a master that hangs, and does not believe it when it goes on", async () => {
    const [store, peer] = [await open(), await open({ replicas: 1 })];
    const boxes = await populate(store, store);
    const lobby = await watchLobby(store);
    const before = await slotOwners();
    cluster.masters[1]?.pause();
    try {
      await lobby.untilLost();
      await untilHealthy(store);
      await expectHeard(store, boxes, "after");
    } finally {
      cluster.masters[1]?.resume();
    }
    expect(await slotOwners()).not.toBe(before);
    for (const { id, log } of boxes) {
      const confirmed = async () => String((await peer.confirm(id))?.state.seq);
      await until(confirmed, new RegExp(`^${log.events.at(-1)?.seq}$`), `${id} to be confirmed`);
    }
    await expectHeard(peer, boxes, "from the other node");
  }, 40_000);

  it("H6: goes on by itself when a master is killed; what replicas acknowledged is there", async () => {
    const [store, peer] = [await open({ replicas: 1 }), await open()];
    // The tests above have changed the first two.
    const masters = [...cluster.replicas.slice(0, 2), ...cluster.masters.slice(2)];
    await Promise.all(masters.map(async (master) => untilReplicating(master)));
    const boxes = await populate(store, peer);
    const lobby = await watchLobby(peer);
    await expectHeard(store, boxes, "before");
    const told = boxes.map(({ log }) => log.events.length);
    const states = await Promise.all(boxes.map(async ({ id }) => store.load(id)));
    await cluster.masters[2]?.kill();
    await lobby.untilLost();
    for (const [index, { id }] of boxes.entries()) {
      let after: unknown;
      await until(
        async () => String((after = (await peer.load(id, "before"))?.state) && "there"),
        /there/,
        `${id} to be there`,
      );
      expect(after).toStrictEqual(states[index]?.state);
    }
    await untilHealthy(peer);
    // Its only replica is the master now, so there is nobody to acknowledge.
    await expectHeard(peer, boxes, "after");
    expect(boxes.map(({ log }) => log.events.length)).toEqual(told.map((count) => count + 1));
    expect(await peer.list({ limit: 100 })).toMatchObject({ sandboxes: { length: boxes.length } });
    await cluster.masters[2]?.start();
    await untilHealthy(store);
    await expectHeard(store, boxes, "acknowledged again");
  }, 40_000);
});
