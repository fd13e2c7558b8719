/** The `baton` command as an operator meets it: a process with an environment, signals, lines and an exit code. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, watch, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import { Inbox, within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** For a cold start on a busy machine. */
const START_MS = 15_000;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  /** Lines of stderr. */
  readonly errors: readonly string[];
}

class Baton {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Messages of the log. */
  readonly log = new Inbox<{ readonly msg: string; readonly pid?: number; readonly level: number }>();

  /** From the sources: what is tested is never an older build. */
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

/** Whether a process is there; one that has ended and is not waited for is not. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when a file of this name is put into a folder. */
async function appears(dir: string, name: string): Promise<void> {
  for await (const { filename } of watch(dir, { signal: AbortSignal.timeout(START_MS) })) {
    if (filename === name) return;
  }
}

describe("the baton command", () => {
  it("ends with 1 and one clear line for each thing it cannot start with", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const cases: [args: string[], env: Record<string, string>, lines: RegExp[]][] = [
      [[], { BATON_PORT: String(port) }, [new RegExp(`^baton: port ${port} is in use\\. Set BATON_PORT`)]],
      [
        [],
        { BATON_PORT: "http", BATON_GRACE_MS: "soon", BATON_POTR: "1" },
        [
          /^baton: BATON_PORT=http cannot be used: .*0 to 65535/,
          /^baton: BATON_GRACE_MS=soon cannot be used: /,
          /^baton: BATON_POTR is not a setting of Baton/,
        ],
      ],
      [[], { BATON_DATA_DIR: "/dev/null" }, [/^baton: .*\/dev\/null/]],
      [
        [],
        { BATON_STORE: "redis", BATON_REDIS_URL: "mysql://localhost" },
        [/^baton: BATON_REDIS_URL cannot be used\. The Redis URL is wrong: .* Use redis:\/\//],
      ],
      [[], { BATON_HOST: "192.0.2.1" }, [/^baton: BATON_HOST is not an address of this machine\. Set it to/]],
      [
        [],
        { BATON_HOST: "nowhere.invalid" },
        [/^baton: BATON_HOST is not an address of this machine\. Set it to/],
      ],
      [
        ["--demo"],
        { BATON_CHROMIUM: "/nowhere/chromium" },
        [/^baton: \/nowhere\/chromium is not an executable file; set BATON_CHROMIUM/],
      ],
    ];
    const ended = await Promise.all(cases.map(([args, env]) => new Baton(args, env).end()));
    for (const [index, [, env, lines]] of cases.entries()) {
      const { code, errors } = ended[index] as Ended;
      const what = JSON.stringify(env);
      expect(errors.length, `${what}: ${errors.join("\n")}`).toBe(lines.length);
      for (const [at, line] of lines.entries()) expect(errors[at], what).toMatch(line);
      expect(code, what).toBe(1);
    }
  });

  it("explains itself with --help, and a wrong argument by naming it", async () => {
    const [help, wrong] = await Promise.all([new Baton(["--help"]).end(), new Baton(["--dmeo"]).end()]);
    expect(help).toMatchObject({ code: 0, errors: [] });
    expect(help.out).toMatch(/usage: baton/);
    expect(help.out).toMatch(/--demo/);
    expect(wrong).toMatchObject({ code: 1, out: "" });
    expect(wrong.errors[0]).toMatch(/^baton: .*'--dmeo'/);
    expect(wrong.errors.join("\n")).toMatch(/usage: baton/);
  });

  it("tells clients 3000 on SIGTERM, ends its Chromium, and exits 0", async () => {
    const baton = new Baton(["--demo"]);
    const url = await baton.url();
    const { pid = 0 } = await baton.line("Chromium runs");
    onTestFinished(() => {
      if (runs(pid)) process.kill(-pid, "SIGKILL");
    });
    await baton.line("live sandbox: ");
    const client = await RawClient.greeted(url);
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "demo" });
    expect(runs(pid)).toBe(true);
    const poll = fetch(`${url}/v1/sandboxes/demo/events`, { headers: { accept: "text/event-stream" } });
    expect((await poll).status).toBe(200);
    baton.child.kill("SIGTERM");
    expect((await client.closing()).code).toBe(CLOSE.going_away.code);
    expect(await within(baton.ended, "the end of the process", 5_000)).toMatchObject({
      code: 0,
      signal: null,
      errors: [],
    });
    expect(baton.log.all.filter(({ level }) => level >= 50)).toEqual([]);
    expect(runs(pid)).toBe(false);
  });

  it("exits 0 and leaves no Chromium behind when SIGTERM comes while one starts", async () => {
    const dir = await mkdtemp(join(tmpdir(), "baton-test-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    // A browser that says who it is, and never gets ready.
    const chromium = join(dir, "chromium");
    await writeFile(
      chromium,
      `#!/bin/sh\necho $$ > ${dir}/tmp && mv ${dir}/tmp ${dir}/pid\nexec sleep 600\n`,
    );
    await chmod(chromium, 0o755);
    const pidFile = appears(dir, "pid");
    const baton = new Baton(["--demo"], { BATON_CHROMIUM: chromium });
    await pidFile;
    const pid = Number(await readFile(join(dir, "pid"), "utf8"));
    onTestFinished(() => {
      if (runs(pid)) process.kill(pid, "SIGKILL");
    });
    expect(runs(pid)).toBe(true);
    baton.child.kill("SIGTERM");
    const { code, signal, errors } = await baton.end();
    expect({ code, signal, errors }).toEqual({ code: 0, signal: null, errors: [] });
    expect(runs(pid)).toBe(false);
  });
});
