/** A real Redis on this machine, and what it says of itself. */
import { Redis } from "ioredis";
import { RedisServer } from "../../test/support/redis.ts";
import type { Context } from "./scenario.ts";

/** How often the append-only file is forced to disk. `everysec`: a power cut may cost a second; `always`: nothing. */
export type Fsync = "everysec" | "always";

export interface BenchRedis {
  readonly url: string;
  /** For the benchmark's own questions. */
  readonly client: Redis;
  readonly connect: () => Promise<Redis>;
}

export async function startRedis({ resources, note }: Context, fsync: Fsync): Promise<BenchRedis> {
  const server = await RedisServer.start({
    // A rewrite in the background would fall on one path and not on another.
    config: { appendonly: "yes", appendfsync: fsync, "auto-aof-rewrite-percentage": "0" },
  });
  resources.onClose(() => server.stop());
  const connect = async (): Promise<Redis> => {
    const redis = new Redis({
      host: "127.0.0.1",
      port: server.port,
      lazyConnect: true,
      retryStrategy: () => null,
    });
    resources.onClose(() => redis.disconnect());
    await redis.connect();
    return redis;
  };
  const client = await connect();
  note("redis", await infoOf(client, "server", "redis_version"));
  return { url: `redis://${server.address}`, client, connect };
}

/** Microseconds of processor time that the thread which executes commands has used. */
export async function cpuMicrosOf(client: Redis): Promise<number> {
  const [user, system] = await Promise.all([
    infoOf(client, "cpu", "used_cpu_user_main_thread"),
    infoOf(client, "cpu", "used_cpu_sys_main_thread"),
  ]);
  return (Number(user) + Number(system)) * 1e6;
}

/** One line of INFO. */
async function infoOf(client: Redis, section: string, name: string): Promise<string> {
  const text = await client.info(section);
  const line = text.split("\r\n").find((each) => each.startsWith(`${name}:`));
  if (line === undefined)
    throw new Error(`INFO ${section} has no ${name}; the benchmark needs Redis 7 on Linux`);
  return line.slice(name.length + 1);
}
