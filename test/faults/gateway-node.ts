/** A real gateway process that can be killed, paused and started again on its port. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../support/inbox.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 20_000;
/** Children that must not outlive this process, however it ends: a paused one would stay for ever. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export interface NodeOptions {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** The log of all its lives is appended here. */
  readonly logPath: string;
}

export class GatewayNode {
  readonly name: string;
  readonly #options: NodeOptions;
  #child: ChildProcess | undefined;
  #port = 0;

  constructor(options: NodeOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Resolves once it listens, on the port of its first life. */
  async start(): Promise<void> {
    const first = await this.#spawn(this.#port);
    // Its port may have become another process's outgoing one meanwhile.
    const outcome = first.startsWith("http") ? first : await this.#spawn(0);
    if (!outcome.startsWith("http")) throw new Error(`gateway ${this.name} did not start: ${outcome}`);
    this.#port = Number(new URL(outcome).port);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** The address, or what the process said before it ended. */
  async #spawn(port: number): Promise<string> {
    const { PATH = "", HOME = "/" } = process.env;
    const child = spawn(process.execPath, program(), {
      cwd: ROOT,
      env: {
        PATH,
        HOME,
        BATON_HOST: "127.0.0.1",
        BATON_PORT: String(port),
        ...this.#options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    children.add(child);
    const log = createWriteStream(this.#options.logPath, { flags: "a" });
    let said = "";
    const address = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        log.write(`${line}\n`);
        const found = /"dashboard: (http:[^"\s]+)"/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        log.write(text);
        said = (said + text).slice(-4_000);
      });
      child.once("close", (code, signal) => {
        children.delete(child);
        log.end();
        resolve(`it ended with ${signal ?? code}: ${said.trim()}`);
      });
    });
    return within(address, `the start of gateway ${this.name}`, START_MS);
  }
}

/** The build starts in half the time; the sources when it is older than they are. */
function program(): string[] {
  const built = join(ROOT, "dist/src/main.js");
  return builtAt(built) > Math.max(changedAt(join(ROOT, "src")), changedAt(join(ROOT, "protocol")))
    ? [built]
    : ["--import", "tsx", join(ROOT, "src/main.ts")];
}

function builtAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function changedAt(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(
    ...files
      .filter((entry) => entry.isFile() && !entry.parentPath.includes("dashboard"))
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}
