import { afterAll, beforeAll } from "vitest";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import { describeStoreContract } from "../../contract/store.ts";
import { BOUNDS } from "../../contract/store-bounds.ts";
import { RedisServer } from "../../support/redis.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(async () => server.stop());

let tests = 0;
describeStoreContract("redis", async () => {
  tests += 1;
  const url = `redis://${server.address}?prefix=test-${tests}`;
  const store = await RedisStore.connect({ url, logLength: 60, ...BOUNDS });
  const peer = await RedisStore.connect({ url, logLength: 60, ...BOUNDS });
  return {
    store,
    peer,
    logKeeps: 60,
    // Redis trims whole nodes of the stream, of 100 entries at most.
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
