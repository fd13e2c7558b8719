/** A process of its own that has a store (`store-host-child.ts`), and links to it as workers have them. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { LinkStore, type LinkStoreOptions } from "../../src/store/link/link-store.ts";
import { streamPort } from "../../src/store/link/port.ts";

export type HostCommand =
  | {
      readonly kind: "open";
      readonly store: "memory" | "local";
      readonly clock: "held" | "running";
      readonly number: number;
    }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "seq"; readonly sandboxId: string }
  | { readonly kind: "close" };

export class StoreHostProcess {
  readonly #child: ChildProcess;
  #opened = 0;
  #path = "";
  #sockets: Socket[] = [];

  constructor() {
    const script = fileURLToPath(new URL("store-host-child.ts", import.meta.url));
    this.#child = fork(script, { execArgv: ["--import", "tsx"] });
  }

  /** A new store, of which the links that are made next are. */
  async open(store: "memory" | "local", clock: "held" | "running" = "held"): Promise<void> {
    this.#opened += 1;
    this.#path = await this.#ask({ kind: "open", store, clock, number: this.#opened });
  }

  async link(options: LinkStoreOptions = {}): Promise<LinkStore> {
    const socket = connect(this.#path);
    await once(socket, "connect");
    this.#sockets.push(socket);
    return new LinkStore(streamPort(socket), options);
  }

  async advance(ms: number): Promise<void> {
    await this.#ask({ kind: "advance", ms });
  }

  /** The number of a sandbox's last event, as the store itself has it. */
  async seq(sandboxId: string): Promise<number> {
    return Number(await this.#ask({ kind: "seq", sandboxId }));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the links and the store. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
    await this.#ask({ kind: "close" });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #ask(command: HostCommand): Promise<string> {
    const answered = once(this.#child, "message");
    this.#child.send(command);
    const [answer] = (await answered) as [string];
    return answer;
  }
}
