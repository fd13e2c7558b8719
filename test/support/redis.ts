/**
 * Real Redis servers for tests. Each runs under a small shell that kills it when this process ends, however it ends:
 * the pipe between them closes.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { within } from "./inbox.ts";

/** Its first line is the server's process id; the server's output follows. It ends when the server does. */
const WATCHED = `exec 3<&0
"$@" </dev/null & server=$!
echo $server
(cat <&3 >/dev/null; kill -9 $server) 2>/dev/null &
exec 3<&- 2>/dev/null
wait $server`;

export interface RedisServerOptions {
  /** As in redis.conf, each an argument list: `{ appendonly: "yes" }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Runs as a Sentinel that watches this server under the name `main`. */
  readonly sentinelOf?: RedisServer;
}

export class RedisServer {
  readonly port: number;
  readonly #dir = mkdtempSync(join(tmpdir(), "baton-redis-"));
  readonly #config: Readonly<Record<string, string>>;
  readonly #sentinelOf: RedisServer | undefined;
  #shell: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #pid = 0;
  #client: Redis | undefined;

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options);
    await server.start();
    return server;
  }

  private constructor(port: number, { config = {}, sentinelOf }: RedisServerOptions) {
    this.port = port;
    this.#sentinelOf = sentinelOf;
    const data = { save: "", "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", ...config };
    this.#config = { bind: "127.0.0.1", dir: this.#dir, ...(sentinelOf ? config : data) };
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Again on the same port and with the same data, after `kill`. */
  async start(): Promise<void> {
    const command = [
      process.env.BATON_REDIS_SERVER ?? "redis-server",
      ...(this.#sentinelOf ? [this.#sentinelConfig(this.#sentinelOf), "--sentinel"] : []),
      "--port",
      String(this.port),
      ...Object.entries(this.#config).flatMap(([name, value]) => [`--${name}`, value]),
    ];
    const shell = spawn("sh", ["-c", WATCHED, "sh", ...command], { stdio: ["pipe", "pipe", "inherit"] });
    this.#shell = shell;
    this.#ended = once(shell, "exit");
    shell.stdin.on("error", () => {});
    const output: string[] = [];
    const ready = new Promise<void>((resolve, reject) => {
      const lines = createInterface({ input: shell.stdout });
      lines.once("line", (pid) => {
        this.#pid = Number(pid);
      });
      lines.on("line", (line) => {
        output.push(line);
        if (/Ready to accept connections|\+monitor master/.test(line)) resolve();
      });
      lines.once("close", () => reject(new Error(`redis-server ended:\n${output.join("\n")}`)));
      shell.once("error", reject);
    });
    await within(ready, "the start of redis-server");
  }

  /** Sentinels keep what they learn in their configuration, so they want it in a file. */
  #sentinelConfig(master: RedisServer): string {
    const file = join(this.#dir, "sentinel.conf");
    const settings = [
      `monitor main 127.0.0.1 ${master.port} 1`,
      "down-after-milliseconds main 500",
      "failover-timeout main 2000",
    ];
    writeFileSync(file, settings.map((setting) => `sentinel ${setting}\n`).join(""));
    return file;
  }

  /** A connection for the test's own commands. */
  get client(): Redis {
    if (!this.#client) {
      this.#client = new Redis({ port: this.port, host: "127.0.0.1", retryStrategy: () => 20 });
      this.#client.on("error", () => {});
    }
    return this.#client;
  }

  /** Stops the process where it stands; its sockets stay open. */
  pause(): void {
    process.kill(this.#pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.#pid, "SIGCONT");
  }

  async kill(): Promise<void> {
    process.kill(this.#pid, "SIGKILL");
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#client?.disconnect();
    // The shell's watcher sees the end of its input and kills the server, also one that is paused.
    this.#shell?.stdin?.end();
    await this.#ended;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export interface RedisCluster {
  readonly masters: readonly RedisServer[];
  /** In the order of their masters. */
  readonly replicas: readonly RedisServer[];
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Three masters with a replica each.
 * @param options of each server, as in redis.conf
 */
export async function startCluster(options: Readonly<Record<string, string>> = {}): Promise<RedisCluster> {
  const config = {
    ...options,
    "cluster-enabled": "yes",
    "cluster-node-timeout": "2000",
    "cluster-replica-validity-factor": "0",
  };
  const servers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const busPort = await freePort();
      return RedisServer.start({ config: { ...config, "cluster-port": String(busPort) } });
    }),
  );
  const [masters, replicas] = [servers.slice(0, 3), servers.slice(3)];
  for (const [index, { client }] of masters.entries()) {
    const slots = [index * 5_462, Math.min((index + 1) * 5_462, 16_384) - 1];
    await client.call("CLUSTER", "ADDSLOTSRANGE", ...slots);
  }
  for (const [index, server] of servers.entries()) {
    await server.client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    const busPort = await configOf(server, "cluster-port");
    await servers[0]?.client.call("CLUSTER", "MEET", "127.0.0.1", server.port, busPort);
  }
  await Promise.all(
    servers.map(async (server) =>
      until(async () => clusterInfo(server), /cluster_known_nodes:6/, "the nodes to meet"),
    ),
  );
  await Promise.all(
    replicas.map(async ({ client }, index) => {
      const id = String(await masters[index]?.client.call("CLUSTER", "MYID"));
      await client.call("CLUSTER", "REPLICATE", id);
    }),
  );
  await Promise.all([
    ...servers.map(async (server) =>
      until(async () => clusterInfo(server), /cluster_state:ok/, "the cluster to be ok"),
    ),
    ...masters.map(async (server) => untilReplicating(server)),
    ...servers.map(async (server) =>
      until(
        async () => String(await server.client.call("CLUSTER", "NODES")),
        /^(?:[^\n]*slave[^\n]*\n|[^\n]*master[^\n]*\n){6}$/,
        "six nodes",
      ),
    ),
  ]);
  return {
    masters,
    replicas,
    url: `redis+cluster://${servers.map(({ address }) => address).join(",")}`,
    async stop() {
      await Promise.all(servers.map(async (server) => server.stop()));
    },
  };
}

/** Resolves when a replica has acknowledged what this master sent, of which there is something each second. */
export async function untilReplicating({ client }: RedisServer): Promise<void> {
  const ask = async (): Promise<string> => {
    const info = await client.info("replication");
    const acknowledged = /state=online,offset=([1-9]\d*)/.exec(info)?.[1];
    return acknowledged !== undefined && info.includes(`master_repl_offset:${acknowledged}`)
      ? "in sync"
      : info;
  };
  await until(ask, /^in sync$/, "the replica to be in sync");
}

async function clusterInfo({ client }: RedisServer): Promise<string> {
  return String(await client.call("CLUSTER", "INFO"));
}

async function configOf({ client }: RedisServer, name: string): Promise<string> {
  const [, value] = (await client.config("GET", name)) as [string, string];
  return value;
}

/** Asks again and again: there is no event to wait for. */
export async function until(ask: () => Promise<string>, expected: RegExp, what: string): Promise<void> {
  let last = "";
  const asking = (async () => {
    for (;;) {
      last = await ask().catch(String);
      if (expected.test(last)) return;
      await pause(20);
    }
  })();
  await within(asking, what, 20_000).catch((error: Error) => {
    throw new Error(`${error.message}; the last answer was\n${last}`);
  });
}

/** Outside the range from which outgoing connections take theirs, so that a restart finds it free. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(
      () => true,
      () => false,
    );
    server.close();
    if (free) return port;
  }
}
