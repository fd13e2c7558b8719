/** A process of its own that has a `LocalStore` open (`local-store-child.ts`), for tests of what outlives it. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { Sandbox } from "../../protocol/sandbox.ts";
import { Inbox, within } from "./inbox.ts";

/** Longest a process may take to start on a busy machine, with the compiling of its sources. */
const START_MS = 15_000;

/** What the child says, a line of JSON each. */
export type Said =
  | { readonly kind: "open" }
  | { readonly kind: "refused"; readonly name: string; readonly message: string }
  | { readonly kind: "created"; readonly sandbox: Sandbox }
  | { readonly kind: "committed"; readonly sandboxId: string; readonly key: string; readonly seq: number }
  | { readonly kind: "removed"; readonly answer: boolean | string }
  | { readonly kind: "failed"; readonly code: string; readonly message: string; readonly healthy: boolean }
  | { readonly kind: "healthy"; readonly healthy: boolean };

/** A directory that is gone after the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "baton-store-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export class StoreProcess {
  readonly said = new Inbox<Said>();
  readonly #child: ChildProcess;

  /**
   * @param mode `hold` opens and waits; `write` also commits without end until a commit fails, see the child
   * @param maxFileBytes bound on every file that it writes, as the system enforces it
   */
  constructor(mode: "hold" | "write", dir: string, maxFileBytes?: number, options: SpawnOptions = {}) {
    const script = fileURLToPath(new URL("local-store-child.ts", import.meta.url));
    const command = [process.execPath, "--import", "tsx", script, mode, dir];
    // `ulimit` counts in units of 512 bytes; a soft limit can be lifted again.
    const [file = "", ...args] =
      maxFileBytes === undefined
        ? command
        : ["/bin/sh", "-c", `ulimit -S -f ${maxFileBytes / 512}; exec "$@"`, "sh", ...command];
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
    this.#child.once("error", (error) => this.said.end(error.message));
    const lines = createInterface({ input: this.#child.stdout ?? process.stdin });
    lines.on("line", (line) => this.said.put(JSON.parse(line) as Said));
    lines.on("close", () => this.said.end("the process has ended"));
    onTestFinished(() => this.kill());
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("The process did not start.");
    return this.#child.pid;
  }

  /** The next line of one of these kinds. */
  take<K extends Said["kind"]>(...kinds: readonly K[]): Promise<Extract<Said, { kind: K }>> {
    const wants = ({ kind }: Said): boolean => (kinds as readonly string[]).includes(kind);
    return this.said.take(kinds.join(" or "), wants, START_MS) as Promise<Extract<Said, { kind: K }>>;
  }

  /** Has the child do something; see there. */
  tell(command: "remove" | "health" | "write"): void {
    this.#child.stdin?.write(`${command}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process is gone and everything it said has arrived. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.pid) return;
    const gone = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await within(gone, "the end of the process");
  }
}
