/**
 * The gateway under measurement, as it is by default: `ws`, no log, and in memory unless there is an argument: the URL
 * of the Redis that it shares with other nodes.
 */
import { createGateway } from "../../src/gateway.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { serve } from "./processes.ts";
import { usage } from "./usage.ts";

serve(async ([redisUrl]) => {
  const store = redisUrl === undefined ? {} : { store: await RedisStore.connect({ url: redisUrl }) };
  const gateway = createGateway({ port: 0, ...store });
  const url = await gateway.listen();
  return { info: { url }, answer: usage, close: () => gateway.close() };
});
