/**
 * The gateway under measurement, as users run it: compiled, since what runs TypeScript for the benchmark gives every
 * function a name of its own, which no user pays for. It is as by default but for its arguments: the URL of the Redis
 * that it shares with other nodes, or `-` for memory; its transport; and the secret of its tokens, without limits: the
 * benchmark is one address that does what thousands do.
 */
import type * as GatewayModule from "../../src/gateway.ts";
import type * as LimitsModule from "../../src/limits/settings.ts";
import type * as RedisModule from "../../src/store/redis/redis-store.ts";
import type * as UwsModule from "../../src/transport/uws-load.ts";
import { serve } from "./processes.ts";
import { usage } from "./usage.ts";

const built = <T>(path: string): Promise<T> =>
  import(new URL(`../../dist/src/${path}.js`, import.meta.url).href) as Promise<T>;

serve(async ([redisUrl = "-", transport = "ws", secret]) => {
  const { createGateway } = await built<typeof GatewayModule>("gateway");
  const { NO_LIMITS } = await built<typeof LimitsModule>("limits/settings");
  const { RedisStore } = await built<typeof RedisModule>("store/redis/redis-store");
  const { loadUws } = await built<typeof UwsModule>("transport/uws-load");
  const gateway = createGateway({
    port: 0,
    ...(redisUrl !== "-" && { store: await RedisStore.connect({ url: redisUrl }) }),
    ...(transport === "uws" && { transport: await loadUws() }),
    ...(secret !== undefined && { auth: { secrets: [secret] }, limits: NO_LIMITS }),
  });
  const url = await gateway.listen();
  return { info: { url }, answer: usage, close: () => gateway.close() };
});
