/** What the Redis store does when Redis, or the way to it, fails. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BatonError } from "../../../protocol/errors.ts";
import { RedisStore, type RedisStoreOptions } from "../../../src/store/redis/redis-store.ts";
import type { Store } from "../../../src/store/store.ts";
import {
  commitOnce,
  commitUntilDone,
  createSandbox,
  noise,
  prepare,
  silence,
  watch,
  watchLobby,
} from "../../contract/store-support.ts";
import { LinkProxy } from "../../support/link-proxy.ts";
import { RedisServer, until, untilReplicating } from "../../support/redis.ts";
import { AUDIT_LINE, calls } from "./store-calls.ts";

/** Short, so that what takes long is noticed soon. */
const LIMIT_MS = 600;
/** What a busy machine may add to a limit. */
const SLACK_MS = 700;
const HOUR_MS = 3_600_000;

let server: RedisServer;
let proxy: LinkProxy;
const opened: Store[] = [];
let tests = 0;
beforeAll(async () => {
  server = await RedisServer.start({ config: { appendonly: "yes", appendfsync: "always" } });
});
afterAll(async () => server.stop());
beforeEach(async () => {
  tests += 1;
  proxy = await LinkProxy.to(server.port);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (store) => store.close()));
  await proxy.close();
});

async function open(options: Partial<RedisStoreOptions> = {}, address = server.address): Promise<RedisStore> {
  const store = await RedisStore.connect({
    url: `redis://${address}?prefix=faults-${tests}`,
    commandTimeoutMs: LIMIT_MS,
    probeMs: 100,
    ...options,
  });
  opened.push(store);
  return store;
}

async function expectUnavailable(
  name: string,
  call: () => Promise<unknown>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const start = performance.now();
  const error = await call().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error, name).toBeInstanceOf(BatonError);
  expect(error, name).toMatchObject({ code: "unavailable", retryable: true });
  expect((error as Error).message, name).toMatch(/[Tt]ry again|check|Repeat/);
  expect(performance.now() - start, name).toBeLessThan(limitMs + SLACK_MS);
}

/** A subscriber that is told of a commit made now. */
async function expectWorking(store: Store): Promise<void> {
  await until(async () => String(await store.healthy()), /true/, "the store to be healthy");
  const log = await watch(store, "box");
  const { seq } = await commitUntilDone(store, "box", `again-${crypto.randomUUID()}`);
  await log.until(seq);
  log.stop();
}

describe("redis store", () => {
  it("H6: a commit whose answer was lost is in once, and its repetition says so", async () => {
    const [store, peer] = [await open({}, proxy.address), await open()];
    await createSandbox(store, "box");
    // Redis knows the script now: the next answer to it is the commit's.
    await commitUntilDone(store, "box", "first");
    const log = await watch(peer, "box");
    const loaded = await store.load("box");
    if (!loaded) throw new Error("The sandbox is gone.");
    const commit = prepare(loaded, noise(loaded), "the-key");
    proxy.loseAnswerTo("the-key");
    await expectUnavailable("commit", async () => store.commit("box", commit));
    const { kind } = await untilAnswered(async () => store.commit("box", commit));
    expect(kind).toBe("repeated");
    const { seq } = await commitUntilDone(peer, "box", "next");
    await log.until(seq);
    expect(log.events.map((event) => event.seq)).toEqual([3, 4]);
  });

  it("E2: a killed subscriber link is replaced while commits go on; listeners hear of it and read the rest", async () => {
    const [store, peer] = [await open(), await open()];
    const { state } = await createSandbox(store, "box");
    const [log, lobby] = [await watch(store, "box"), await watchLobby(store)];
    let committed = 1;
    const killed = (async () => {
      await log.until(10);
      await server.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    })();
    while (!log.told.includes("lost")) {
      committed = (await commitUntilDone(peer, "box", `k${committed}`)).seq;
    }
    await killed;
    await lobby.untilLost();
    const found = await store.read("box", { epoch: state.epoch, seq: 1 });
    expect(found?.kind === "events" && found.events.map(({ seq }) => seq)).toEqual(
      Array.from({ length: committed - 1 }, (_, index) => index + 2),
    );
    const { seq } = await commitUntilDone(peer, "box", "last");
    await log.until(seq);
    expect(log.told.filter((what) => what === "lost")).toHaveLength(1);
    expect(lobby.told.filter((what) => what === "lost")).toHaveLength(1);
  });

  it("every call ends in time while Redis hangs, and works when it goes on", async () => {
    const store = await open();
    const { loaded } = await createSandbox(store, "box");
    await createSandbox(store, "other");
    await watch(store, "box");
    const commit = prepare(loaded, noise(loaded), "k1");
    server.pause();
    try {
      const all = { ...calls(store), commit: async () => store.commit("box", commit) };
      await Promise.all(Object.entries(all).map(async ([name, call]) => expectUnavailable(name, call)));
      const start = performance.now();
      expect(await store.healthy()).toBe(false);
      expect(performance.now() - start).toBeLessThan(LIMIT_MS + SLACK_MS);
      // Again, when its connections have been given up.
      await Promise.all(Object.entries(all).map(async ([name, call]) => expectUnavailable(name, call)));
      const closing = performance.now();
      await store.close();
      expect(performance.now() - closing).toBeLessThan(100);
    } finally {
      server.resume();
    }
    await expectUnavailable("a closed store", async () => store.load("box"));
    await expectWorking(await open());
  });

  it("works again by itself when Redis goes on after a stop", async () => {
    const store = await open();
    await createSandbox(store, "box");
    const log = await watch(store, "box");
    server.pause();
    try {
      await expectUnavailable("load", async () => store.load("box"));
    } finally {
      server.resume();
    }
    await expectWorking(store);
    const { seq } = await commitUntilDone(store, "box", "after");
    await log.until(seq);
  });

  it("H6: after Redis was killed and started again all is there, and listeners are told that they missed something", async () => {
    const [store, peer] = [await open(), await open()];
    await createSandbox(store, "box", 1);
    const [log, lobby] = [await watch(store, "box"), await watchLobby(store)];
    const { seq } = await commitUntilDone(peer, "box", "before");
    await log.until(seq);
    await server.kill();
    try {
      // Its own connections find out within this.
      await expectUnavailable("subscribe", async () => watch(store, "fresh"));
      await Promise.all(
        Object.entries(calls(store)).map(async ([name, call]) => expectUnavailable(name, call)),
      );
    } finally {
      await server.start();
    }
    await Promise.all([log.untilLost(), lobby.untilLost()]);
    await expectWorking(peer);
    const after = await commitUntilDone(peer, "box", "after");
    await log.until(after.seq);
    await lobby.until("box", after.seq);
    expect((await peer.load("box", "before"))?.record?.seq).toBe(seq);
    await expectWorking(store);
  });

  it("a subscriber link that carries nothing is found by its probe and replaced", async () => {
    const [store, peer] = [await open({}, proxy.address), await open()];
    await createSandbox(store, "box");
    const log = await watch(store, "box");
    expect(proxy.freeze(":subscriber")).toBe(1);
    await commitUntilDone(peer, "box", "unheard");
    await log.untilLost();
    const { seq } = await commitUntilDone(peer, "box", "heard");
    await log.until(seq);
    expect(log.events.map((event) => event.seq)).toEqual([3]);
  });

  it("is not healthy while subscriptions are dead, though commands work", async () => {
    const store = await open({ probeMs: 60_000 }, proxy.address);
    await createSandbox(store, "box");
    const log = await watch(store, "box");
    expect(await store.healthy()).toBe(true);
    proxy.freeze(":subscriber");
    await commitUntilDone(store, "box", "k1");
    expect(await store.healthy()).toBe(false);
    expect(log.events).toEqual([]);
  });

  it("is not healthy while a subscription cannot be made again", async () => {
    const store = await open({}, proxy.address);
    await createSandbox(store, "box");
    const log = await watch(store, "box");
    proxy.refuse(true);
    await server.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    await until(async () => String(await store.healthy()), /false/, "the store to be unhealthy");
    await commitUntilDone(store, "box", "k1");
    expect(await store.healthy()).toBe(false);
    proxy.refuse(false);
    await log.untilLost();
    expect(await store.healthy()).toBe(true);
  });

  it("fast subscribing and unsubscribing ends as the last call wants it", async () => {
    const [store, peer] = [await open(), await open()];
    await createSandbox(store, "box");
    const logs = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const log = await watch(store, "box");
        if (index % 5 !== 0) log.stop();
        return log;
      }),
    );
    for (let round = 0; round < 20; round += 1) {
      const log = await watch(peer, "box");
      log.stop();
    }
    const late = watch(peer, "box");
    const { seq } = await commitUntilDone(store, "box", "k1");
    for (const [index, log] of logs.entries()) if (index % 5 === 0) await log.until(seq);
    expect(logs.filter(({ events }) => events.length > 0)).toHaveLength(10);
    const next = await commitUntilDone(store, "box", `k2-${(await late).told.length}`);
    await (await late).until(next.seq);
  });

  it("a listener that throws costs the others nothing", async () => {
    const store = await open();
    await createSandbox(store, "box");
    const fail = (): never => {
      throw new Error("a listener's mistake");
    };
    await store.subscribe("box", { event: fail, removed: fail, lost: fail, roster: fail });
    await store.subscribeLobby(fail);
    const [log, lobby] = [await watch(store, "box"), await watchLobby(store)];
    const { seq } = await commitUntilDone(store, "box", "k1");
    await Promise.all([log.until(seq), lobby.until("box", seq)]);
    await server.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    await Promise.all([log.untilLost(), lobby.untilLost()]);
    await store.remove("box");
    await Promise.all([log.untilRemoved(), lobby.untilRemoved("box")]);
  });

  it("goes on when Redis has forgotten the scripts", async () => {
    const store = await open();
    await createSandbox(store, "box");
    await server.client.script("FLUSH");
    await commitOnce(store, "box", silence("g1"), "k1");
    await expectWorking(store);
  });

  it("names what Redis lacks", async () => {
    const store = await open();
    const { loaded } = await createSandbox(store, "box");
    const { client } = server;
    await client.config("SET", "min-replicas-to-write", "1");
    try {
      await expect(store.commit("box", prepare(loaded, noise(loaded), "k1"))).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining("check the replicas") as string,
      });
      expect(await store.healthy()).toBe(false);
      expect(await store.load("box")).toMatchObject({ state: loaded.state });
    } finally {
      await client.config("SET", "min-replicas-to-write", "0");
    }
  });

  it("C3: a master that became a replica vouches for nothing", async () => {
    const [store, peer] = [await open(), await open()];
    const { loaded } = await createSandbox(store, "box");
    const log = await watch(store, "box");
    const { client } = server;
    await client.replicaof("127.0.0.1", 9);
    try {
      await expectUnavailable("confirm", async () => store.confirm("box"));
      await expectUnavailable("commit", async () => peer.commit("box", prepare(loaded, noise(loaded), "k1")));
      // It takes no replica for the master, so there is nobody now.
      await expectUnavailable("load", async () => store.load("box"));
      expect(await store.healthy()).toBe(false);
    } finally {
      await client.replicaof("NO", "ONE");
    }
    await expectWorking(store);
    await expectWorking(peer);
    const { seq } = await commitUntilDone(peer, "box", "after");
    await log.until(seq);
  });

  describe("with a replica that must acknowledge", () => {
    let replica: RedisServer;
    beforeAll(async () => {
      replica = await RedisServer.start({ config: { replicaof: `127.0.0.1 ${server.port}` } });
      await untilReplicating(server);
    });
    afterAll(async () => replica.stop());

    it("H6: commits, and their repetition, count when the replica has them", async () => {
      const limitMs = 2_000;
      const store = await open({ replicas: 1, commandTimeoutMs: limitMs });
      const { loaded } = await createSandbox(store, "box", 1);
      const commit = prepare(loaded, noise(loaded), "k1", 1);
      expect(await store.commit("box", commit)).toMatchObject({ kind: "committed" });
      expect(await replica.client.call("HGETALL", ...(await keysOf(replica, ":box:box")))).toContain(
        JSON.stringify(commit.next),
      );
      expect(await store.confirm("box")).toMatchObject({ state: commit.next });
      const until = Date.now() + HOUR_MS;
      await store.mark("id", "first", until);
      expect(await store.appendAudit({ seq: 0, hash: "" }, [AUDIT_LINE])).toBe(true);
      expect(String(await replica.client.call("HGETALL", ...(await keysOf(replica, ":marks:values"))))).toBe(
        "id,first",
      );
      const audit = await replica.client.call("XRANGE", ...(await keysOf(replica, ":audit")), "-", "+");
      expect(String(audit)).toContain(AUDIT_LINE.hash);
      expect(await store.healthy()).toBe(true);
      // Nothing is on its way to the replica when these are asked: they have to write something to prove anything.
      const proofs = {
        repeated: async () => store.commit("box", commit),
        confirm: async () => store.confirm("box"),
        "a mark that stands": async () => store.mark("id", "second", until),
        "an audit log that ends otherwise": async () => store.appendAudit({ seq: 0, hash: "" }, [AUDIT_LINE]),
      };
      for (const [name, call] of Object.entries(proofs)) {
        await untilReplicating(server);
        replica.pause();
        try {
          await expectUnavailable(name, call, limitMs);
        } finally {
          replica.resume();
        }
      }
      await untilReplicating(server);
      const fresh = await store.load("box");
      if (!fresh) throw new Error("The sandbox is gone.");
      const next = prepare(fresh, noise(fresh), "k2");
      replica.pause();
      try {
        const all = {
          committed: async () => store.commit("box", next),
          repeated: async () => store.commit("box", next),
          create: async () => createSandbox(store, "new"),
          remove: async () => store.remove("other"),
        };
        for (const [name, call] of Object.entries(all)) await expectUnavailable(name, call, limitMs);
        expect(await store.healthy()).toBe(false);
        expect(await store.load("box", "k2")).toMatchObject({ state: next.next, record: { key: "k2" } });
      } finally {
        replica.resume();
      }
      const again = await untilAnswered(async () => store.confirm("box"));
      expect(again?.state.seq).toBe(3);
      expect(await store.commit("box", commit)).toMatchObject({ kind: "repeated" });
    });

    it("H6: many at once are acknowledged together", async () => {
      const store = await open({ replicas: 1, commandTimeoutMs: 5_000 });
      await createSandbox(store, "box");
      const keys = Array.from({ length: 30 }, (_, index) => `k${index}`);
      const records = await Promise.all(keys.map(async (key) => commitUntilDone(store, "box", key)));
      expect(new Set(records.map(({ seq }) => seq)).size).toBe(30);
      const text = String(await replica.client.call("HGETALL", ...(await keysOf(replica, ":records:box"))));
      for (const key of keys) expect(text).toContain(`"key":"${key}"`);
    });

    it("says what to do when the address is wrong in another way", async () => {
      await server.client.config("SET", "requirepass", "right");
      try {
        const wrong = async (url: string) => RedisStore.connect({ url, commandTimeoutMs: LIMIT_MS });
        await expect(wrong(`redis://:bad@${server.address}`)).rejects.toThrow(
          /refused the user or the password/,
        );
        await expect(wrong(`redis://${server.address}`)).rejects.toThrow(/wants a password; put it into/);
        await expect(wrong(`redis+cluster://:right@${server.address}`)).rejects.toThrow(
          /not belong to a Cluster; use/,
        );
        await expect(wrong("redis://127.0.0.1:9")).rejects.toThrow(/ECONNREFUSED.*check that Redis runs/);
      } finally {
        await server.client.call("AUTH", "right");
        await server.client.config("SET", "requirepass", "");
      }
    });

    it("a replica is refused as the store's address, with what to do", async () => {
      await expect(open({}, replica.address)).rejects.toThrow(/it is a replica; name the master/);
    });
  });
});

async function keysOf({ client }: RedisServer, suffix: string): Promise<string[]> {
  return client.keys(`faults-${tests}:*${suffix}`);
}

/** Calls again until the answer is not that Redis is unavailable. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  let answer: { value: T } | undefined;
  await until(
    async () => {
      answer = { value: await call() };
      return "answered";
    },
    /^answered$/,
    "an answer",
  );
  if (!answer) throw new Error("There was no answer.");
  return answer.value;
}
