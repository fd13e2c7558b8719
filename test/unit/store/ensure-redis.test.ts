import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../../scripts/ensure-redis.mjs", import.meta.url));

function ensure(env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "baton-test-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function program(name: string, body = ""): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

const redis = (version: string) => `echo "Redis server v=${version} sha=00000000:0 malloc=jemalloc bits=64"`;

describe("ensure-redis", () => {
  it("is silent when one is on PATH, or where BATON_REDIS_SERVER says", async () => {
    const path = await program("redis-server", redis("7.0.15"));
    const silence = { code: 0, stdout: "", stderr: "" };
    expect(await ensure({ PATH: directory })).toEqual(silence);
    expect(await ensure({ PATH: "", BATON_REDIS_SERVER: path })).toEqual(silence);
  });

  it("says in one line what to set when BATON_REDIS_SERVER names none, and installs nothing", async () => {
    const { code, stderr } = await ensure({ BATON_REDIS_SERVER: "/nowhere/redis", PATH: directory });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^BATON_REDIS_SERVER is \/nowhere\/redis, .* set it to the redis-server of .*\n$/);
  });

  it("says in one line which version is needed when the one on PATH is older, or is none", async () => {
    const path = await program("redis-server", redis("6.2.14"));
    const old = await ensure({ PATH: directory });
    expect(old).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/version 6; install Redis 7\.0 or later.*\n$/) as string,
    });
    expect((await ensure({ PATH: "", BATON_REDIS_SERVER: path })).code).toBe(1);
    await program("redis-server", "echo hello");
    expect((await ensure({ PATH: directory })).stderr).toMatch(/does not say its version.*\n$/);
  });

  it("installs Debian's with apt-get, without a service, and shows its progress", async () => {
    const made = join(directory, "redis-server");
    await program("sudo", 'shift; exec /usr/bin/env "$@"');
    await program("true");
    await program(
      "apt-get",
      `echo "RUNLEVEL=$RUNLEVEL apt-get $*"
if [ "$1" = install ]; then printf '#!/bin/sh\\n${redis("7.0.15")}\\n' > ${made}; /bin/chmod +x ${made}; fi`,
    );
    const { code, stdout, stderr } = await ensure({ PATH: directory });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toContain("RUNLEVEL=1 apt-get install -y --no-install-recommends redis-server\n");
  });

  it("says in one line what to do when it can't be installed", async () => {
    const { code, stderr } = await ensure({ PATH: directory });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^No redis-server was found; install .* set BATON_REDIS_SERVER.*\n$/);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
