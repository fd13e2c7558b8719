/** NATS with its WebSocket listener; what is published comes over TCP. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/support/redis.ts";
import { pinned } from "../lib/cores.ts";
import { startProgram, temporaryFolder } from "../lib/foreign-process.ts";
import type { Resources } from "../lib/resources.ts";
import { needProgram } from "./install.ts";

export interface Nats {
  readonly subscribeUrl: string;
  /** `host:port` */
  readonly publishAddress: string;
  readonly pids: readonly number[];
}

export async function startNats(resources: Resources): Promise<Nats> {
  const server = await needProgram("nats-server", ["nats-server"]);
  const folder = temporaryFolder(resources, "nats");
  const [port, webPort] = [await freePort(), await freePort()];
  const config = join(folder, "nats.conf");
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"
max_connections: 16384
websocket { listen: "127.0.0.1:${webPort}", no_tls: true, compression: false }
`,
  );
  const pid = await startProgram(resources, [...pinned("server"), server, "-c", config], [port, webPort]);
  return {
    subscribeUrl: `ws://127.0.0.1:${webPort}/`,
    publishAddress: `127.0.0.1:${port}`,
    pids: [pid],
  };
}
