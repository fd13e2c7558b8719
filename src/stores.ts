/** Opens the store that the settings name. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BatonError } from "../protocol/errors.ts";
import { ConfigError, type Config } from "./config.ts";
import type { Logger } from "./ops/log.ts";
import { LocalStore } from "./store/local/local-store.ts";
import { MemoryStore } from "./store/memory.ts";
import { RedisStore } from "./store/redis/redis-store.ts";
import type { Store } from "./store/store.ts";

/** Services that are started together come up in any order: so long a start waits for Redis. */
const REDIS_WAIT_MS = 30_000;
const RETRY_MS = 1_000;

/** @throws StoreOpenError, ConfigError or BatonError `unavailable`, each with a line for the operator */
export async function openStore({ store, dataDir }: Config, log: Logger): Promise<Store> {
  switch (store.kind) {
    case "memory":
      return new MemoryStore();
    case "local":
      return LocalStore.open({ dir: join(dataDir, "store") });
    case "redis":
      return connectRedis(store, log);
  }
}

async function connectRedis(
  { url, replicas }: Config["store"] & { readonly kind: "redis" },
  log: Logger,
): Promise<Store> {
  const deadline = performance.now() + REDIS_WAIT_MS;
  for (let told = false; ; told = true) {
    try {
      return await RedisStore.connect({ url, replicas, logger: log });
    } catch (error) {
      if (error instanceof TypeError)
        throw new ConfigError([`BATON_REDIS_URL cannot be used. ${error.message}`]);
      if (!(error instanceof BatonError && error.retryable) || performance.now() > deadline) throw error;
      if (!told) log.warn(`${error.message} Trying again for ${REDIS_WAIT_MS / 1_000} seconds.`);
    }
    await delay(RETRY_MS);
  }
}
