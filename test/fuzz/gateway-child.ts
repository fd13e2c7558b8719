/** The parent's side of the gateway's process. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { within } from "./within.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 30_000;
const ANSWER_MS = 20_000;
/** Faults that are kept; the first says most. */
const MAX_FAULTS = 20;

export interface Measure {
  /** Bytes, after a collection. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  readonly rooms: number;
  /** Subscriptions to the store. */
  readonly listeners: number;
  /** What keeps the event loop alive, by Node's names. */
  readonly resources: Readonly<Record<string, number>>;
  /** Longest that the event loop stood still since the last measure. */
  readonly longestBlockMs: number;
}

/** `open`: callers say who they are. `tokens`: they have to show it. */
export type Mode = "open" | "tokens";

export interface ToChild {
  readonly id: number;
  readonly ask: "sync" | "measure";
}
export type ToParent =
  | { readonly kind: "ready"; readonly url: string }
  | { readonly kind: "fault"; readonly text: string }
  | { readonly kind: "answer"; readonly id: number; readonly value: Measure | null };

export class GatewayChild {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (value: Measure | null) => void>();
  #faults: string[];
  #lastId = 0;
  #dead = false;

  /** @param upstream `ws:` address of whoever plays Chromium */
  static async start(upstream: string, mode: Mode): Promise<GatewayChild> {
    const { PATH = "", HOME = "/" } = process.env;
    const entry = fileURLToPath(new URL("gateway-process.ts", import.meta.url));
    const child = spawn(process.execPath, ["--expose-gc", "--import", "tsx", entry, upstream, mode], {
      cwd: ROOT,
      env: { PATH, HOME },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const faults: string[] = [];
    child.stderr?.setEncoding("utf8").on("data", (text: string) => faults.push(`on stderr: ${text.trim()}`));
    const ready = new Promise<string>((resolve, reject) => {
      child.on("message", (message: ToParent) => {
        if (message.kind === "ready") resolve(message.url);
        if (message.kind === "fault") faults.push(message.text);
      });
      child.once("exit", () => reject(new Error(`the gateway did not start: ${faults.join("\n")}`)));
    });
    return new GatewayChild(child, await within(ready, "the gateway's start", START_MS), faults);
  }

  private constructor(child: ChildProcess, url: string, faults: string[]) {
    this.#child = child;
    this.url = url;
    this.#faults = faults;
    child.on("message", (message: ToParent) => {
      if (message.kind !== "answer") return;
      this.#pending.get(message.id)?.(message.value);
      this.#pending.delete(message.id);
    });
    child.once("exit", (code, signal) => {
      this.#dead = true;
      faults.push(`the gateway's process ended: ${signal ?? `code ${code}`}`);
      for (const resolve of this.#pending.values()) resolve(null);
      this.#pending.clear();
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it did wrong since the last call, as far as it has said. */
  takeFaults(): string[] {
    return this.#faults.splice(0).slice(0, MAX_FAULTS);
  }

  /** Resolves when everything that it said before has arrived here. */
  async sync(): Promise<void> {
    await this.#ask("sync");
  }

  /** @returns null: it has died */
  measure(): Promise<Measure | null> {
    return this.#ask("measure");
  }

  async stop(): Promise<void> {
    if (this.#dead) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  #ask(ask: ToChild["ask"]): Promise<Measure | null> {
    if (this.#dead || !this.#child.connected) return Promise.resolve(null);
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<Measure | null>((resolve) => this.#pending.set(id, resolve));
    this.#child.send({ id, ask } satisfies ToChild);
    return within(answer, "the answer of the gateway's process", ANSWER_MS);
  }
}
