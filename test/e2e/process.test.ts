/** The `baton` command as an operator meets it: a process with an environment, signals, lines and an exit code. */
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, watch, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import { SECRET } from "../support/tokens.ts";
import { Baton, START_MS, type Ended } from "../support/baton-process.ts";
import { within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";

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
      [
        [],
        { BATON_HOST: "0.0.0.0" },
        [/^baton: BATON_HOST=0\.0\.0\.0 would let others connect.* Set BATON_SECRET/],
      ],
      [
        [],
        { BATON_HOST: "192.0.2.1", BATON_SECRET: SECRET },
        [/^baton: BATON_HOST is not an address of this machine\. Set it to/],
      ],
      [
        [],
        { BATON_HOST: "nowhere.invalid", BATON_SECRET: SECRET },
        [/^baton: BATON_HOST is not an address of this machine\. Set it to/],
      ],
      [
        ["--demo"],
        { BATON_CHROMIUM: "/nowhere/chromium" },
        [/^baton: \/nowhere\/chromium is not an executable file; set BATON_CHROMIUM/],
      ],
    ];
    const ended: Ended[] = [];
    // A few at a time: each compiles the sources anew.
    for (let next = 0; next < cases.length; next += 3)
      ended.push(
        ...(await Promise.all(cases.slice(next, next + 3).map(([args, env]) => new Baton(args, env).end()))),
      );
    for (const [index, [, env, lines]] of cases.entries()) {
      const { code, errors } = ended[index] as Ended;
      const what = JSON.stringify(env);
      expect(errors.length, `${what}: ${errors.join("\n")}`).toBe(lines.length);
      for (const [at, line] of lines.entries()) expect(errors[at], what).toMatch(line);
      expect(code, what).toBe(1);
    }
  }, 60_000);

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
