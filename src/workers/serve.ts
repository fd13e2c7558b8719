/** What serves: a gateway in this process, or several in processes of their own. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { MAX_WORKERS, type Config } from "../config.ts";
import { gatewayOf } from "../gateway-of.ts";
import type { Logger } from "../ops/log.ts";
import { openStore } from "../stores.ts";
import { Primary } from "./primary.ts";

export interface Serving {
  readonly url: string;
  /** In order: clients are told to come back. */
  readonly close: () => Promise<void>;
}

export interface ServeOptions {
  readonly log: Logger;
  /** `BATON_…`, for workers. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  /** Environment of launched browsers. */
  readonly browserEnv: NodeJS.ProcessEnv;
}

/** Resolves when everything listens. */
export async function serve(config: Config, options: ServeOptions): Promise<Serving> {
  const cores = Math.min(MAX_WORKERS, availableParallelism());
  const count = config.workers === "auto" ? cores : config.workers;
  return count === 1 ? alone(config, options) : together(count, config, options);
}

async function alone(config: Config, { log, browserEnv }: ServeOptions): Promise<Serving> {
  const gateway = await gatewayOf(config, { store: await openStore(config, log), log, browserEnv });
  return { url: await gateway.listen(), close: async () => gateway.close() };
}

async function together(count: number, config: Config, { log, settings }: ServeOptions): Promise<Serving> {
  const store = config.store.kind === "redis" ? undefined : await openStore(config, log);
  const primary = new Primary({
    count,
    settings: onlyBatons(settings),
    // Workers share what the primary listens on, except on uWebSockets.js, which listens by itself.
    port: config.transport === "uws" ? await freePort(config) : config.port,
    ...(store && { store }),
    log,
  });
  const url = await primary.start();
  log.info(`${count} workers serve`);
  return {
    url,
    close: async () => {
      try {
        await primary.close();
      } finally {
        await store?.close();
      }
    },
  };
}

/**
 * The port that all will listen on, once nobody does: beside another program's, also another gateway's, each would get a
 * part of the other's clients. 0 becomes a real one.
 * @throws what `listen` fails with
 */
async function freePort({ host, port }: Config): Promise<number> {
  const server = createServer();
  server.listen({ host, port });
  await once(server, "listening");
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return free;
}

function onlyBatons(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith("BATON_") && value !== undefined ? [[name, value]] : [],
    ),
  );
}
