/** The `baton` command as a process: from the sources, so that what is tested is never an older build. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { Inbox, within } from "./inbox.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** For a cold start on a busy machine. */
export const START_MS = 15_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  /** Lines of stderr. */
  readonly errors: readonly string[];
}

export class Baton {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Messages of the log. */
  readonly log = new Inbox<{ readonly msg: string; readonly pid?: number; readonly level: number }>();

  /** Ends with the test; its data with it, unless `env` names a `BATON_DATA_DIR`. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const { PATH = "", HOME = "/" } = process.env;
    const dir = mkdtempSync(join(tmpdir(), "baton-test-"));
    const child = spawn(process.execPath, ["--import", "tsx", "src/main.ts", ...args], {
      cwd: ROOT,
      env: { PATH, HOME, BATON_PORT: "0", BATON_DATA_DIR: dir, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let [out, err, rest] = ["", "", ""];
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines)
        if (line.startsWith("{")) this.log.put(JSON.parse(line) as { msg: string; level: number });
    });
    this.ended = once(child, "close").then(([code, signal]: unknown[]) => {
      this.log.end(`the process ended: ${err}`);
      const errors = err.split("\n").filter((line) => line !== "");
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, out, errors };
    });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await this.ended;
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    });
  }

  end(): Promise<Ended> {
    return within(this.ended, "the end of the process", START_MS);
  }

  line(start: string): Promise<{ readonly msg: string; readonly pid?: number }> {
    return this.log.take(start, ({ msg }) => msg.startsWith(start), START_MS);
  }

  /** Base URL, once it listens. */
  async url(): Promise<string> {
    return (await this.line("dashboard: ")).msg.replace("dashboard: ", "");
  }
}
