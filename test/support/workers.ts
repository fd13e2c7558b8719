/** Which process serves whom, for tests of several on one machine. Linux only, as the tests' other looks into processes are. */
import { readFile, readdir, readlink } from "node:fs/promises";
import type { Socket } from "node:net";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import type { BatonClient, ClientOptions } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import type { Baton } from "./baton-process.ts";
import { familyOf } from "./process-facts.ts";
import { RawClient, type Identity } from "./raw-client.ts";

/** The processes that serve, oldest first. */
export async function workersOf(baton: Baton): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of await familyOf(baton.child.pid ?? 0)) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.endsWith("main.ts\0worker\0")) pids.push(pid);
  }
  return pids.sort((a, b) => a - b);
}

/** Those of a gateway's processes that have a TCP socket of which `wants` holds, by its addresses and its state. */
async function holders(
  baton: Baton,
  wants: (local: string, remote: string, state: string) => boolean,
): Promise<number[]> {
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  const inode = lines.find(([, local = "", remote = "", state = ""]) => wants(local, remote, state))?.[9];
  const found: number[] = [];
  for (const pid of inode === undefined ? [] : await familyOf(baton.child.pid ?? 0)) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      if (target === `socket:[${inode}]`) found.push(pid);
    }
  }
  return found;
}

const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, "0")}`;

/** The processes that take connections on a port. */
export async function listeners(baton: Baton, port: number): Promise<number[]> {
  return holders(baton, (local, _remote, state) => state === "0A" && local.endsWith(hex(port)));
}

/** The worker that a connection from a port of this process ends at. */
async function workerAt(baton: Baton, serverPort: number, clientPort: number): Promise<number | undefined> {
  const ends = await holders(
    baton,
    (local, remote) => local.endsWith(hex(serverPort)) && remote.endsWith(hex(clientPort)),
  );
  const workers = await workersOf(baton);
  return ends.find((pid) => workers.includes(pid));
}

async function workerOf(baton: Baton, socket: WebSocket): Promise<number | undefined> {
  const stream = (socket as unknown as { _socket: Socket | null })._socket;
  const { port } = new URL(socket.url);
  return workerAt(baton, Number(port), stream?.localPort ?? 0);
}

/** A greeted client on one worker: connects until it has got there. Closed after the test. */
export async function rawOn(
  baton: Baton,
  url: string,
  pid: number,
  identity: Identity = {},
): Promise<RawClient> {
  for (;;) {
    const client = await RawClient.greeted(url, identity);
    onTestFinished(() => client.socket.terminate());
    if ((await workerOf(baton, client.socket)) === pid) return client;
    await client.close();
  }
}

/** How many of these sockets each worker has. */
export async function spread(baton: Baton, clients: readonly RawClient[]): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const { socket } of clients) {
    const pid = await workerOf(baton, socket);
    if (pid !== undefined) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }
  return counts;
}

export interface PlacedClient extends BatonClient {
  /** Which worker it is connected to now. */
  worker(): Promise<number | undefined>;
}

/** An SDK client whose first connection is to one worker. Closed after the test. */
export async function clientOn(
  baton: Baton,
  url: string,
  pid: number,
  options: Partial<ClientOptions>,
): Promise<PlacedClient> {
  for (;;) {
    let socket: WebSocket | undefined;
    class Watched extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols);
        keep(this);
      }
    }
    const keep = (made: WebSocket): void => {
      socket = made;
    };
    const client = connect({ url, reconnectMinMs: 20, reconnectMaxMs: 200, ...options, WebSocket: Watched });
    onTestFinished(() => client.close());
    await client.ready();
    const worker = async (): Promise<number | undefined> => (socket ? workerOf(baton, socket) : undefined);
    if ((await worker()) === pid) return Object.assign(client, { worker });
    client.close();
  }
}
