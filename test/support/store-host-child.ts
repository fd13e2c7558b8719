/**
 * Started by `store-host-process.ts`: has a store, and serves it on a socket. Messages on its IPC channel: `open` a new
 * store and listen, `advance` its clock, `close` the store.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreHost } from "../../src/store/link/store-host.ts";
import { streamPort } from "../../src/store/link/port.ts";
import { LocalStore } from "../../src/store/local/local-store.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { BOUNDS } from "../contract/store-bounds.ts";
import type { HostCommand } from "./store-host-process.ts";

let now = 0;
let store: Store | undefined;
let stop = async (): Promise<void> => {};
const folder = mkdtempSync(join(tmpdir(), "baton-host-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("disconnect", () => process.exit());

async function open(kind: "memory" | "local", clock: "held" | "running", number: number): Promise<string> {
  now = 1_700_000_000_000;
  const options = { ...BOUNDS, logLength: 60, ...(clock === "held" && { now: () => now }) };
  const dir = join(folder, String(number));
  const opened = kind === "memory" ? new MemoryStore(options) : await LocalStore.open({ ...options, dir });
  const host = new StoreHost(opened);
  const server = createServer((socket) => host.serve(streamPort(socket)));
  const path = join(folder, `${number}.sock`);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  store = opened;
  stop = async () => {
    server.close();
    await opened.close();
  };
  return path;
}

process.on("message", (command: HostCommand) => {
  const work = async (): Promise<string> => {
    if (command.kind === "open") return open(command.store, command.clock, command.number);
    if (command.kind === "advance") now += command.ms;
    if (command.kind === "seq") return String((await store?.load(command.sandboxId))?.state.seq);
    if (command.kind === "close") await stop();
    return "";
  };
  void work().then((answer) => process.send?.(answer));
});
