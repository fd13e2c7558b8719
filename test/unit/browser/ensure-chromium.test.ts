import { execFile } from "node:child_process";
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findChromium } from "../../../src/browser/find-chromium.ts";

const SCRIPT = fileURLToPath(new URL("../../../scripts/ensure-chromium.mjs", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function ensure(env: NodeJS.ProcessEnv, script = SCRIPT): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script], { env }, (error, stdout, stderr) => {
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

describe("ensure-chromium", () => {
  it("is silent when BATON_CHROMIUM names a program", async () => {
    const path = await program("my-browser");
    expect(await ensure({ BATON_CHROMIUM: path, PATH: "" })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("says in one line what to set when BATON_CHROMIUM names none, and installs nothing", async () => {
    const { code, stderr } = await ensure({ BATON_CHROMIUM: "/nowhere/chromium", PATH: "" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^BATON_CHROMIUM is \/nowhere\/chromium, .*set it to the path.*\n$/);
  });

  it("finds one on PATH", async () => {
    await program("google-chrome");
    expect(await ensure({ PATH: directory })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  describe("where there is none", () => {
    /** The script, with no usual places: the machine that runs the tests has a browser in one of them. */
    async function blindScript(): Promise<string> {
      const path = join(directory, "ensure.mjs");
      const text = await readFile(SCRIPT, "utf8");
      await copyFile(
        new URL("install-package.mjs", pathToFileURL(SCRIPT)),
        join(directory, "install-package.mjs"),
      );
      await writeFile(path, text.replace(/linux: \[.*?\]/s, "linux: []"));
      return path;
    }

    it("installs Debian's with apt-get and shows its progress", async () => {
      const made = join(directory, "chromium");
      await program("sudo", 'shift; exec /usr/bin/env "$@"');
      await program("true");
      await program(
        "apt-get",
        `echo "apt-get $*"; if [ "$1" = install ]; then echo > ${made}; /bin/chmod +x ${made}; fi`,
      );
      const { code, stdout, stderr } = await ensure({ PATH: directory }, await blindScript());
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      expect(stderr).toContain("apt-get update\napt-get install -y --no-install-recommends chromium\n");
    });

    it("says in one line what to do when it can't be installed", async () => {
      const { code, stderr } = await ensure({ PATH: directory }, await blindScript());
      expect(code).toBe(1);
      expect(stderr).toMatch(/^No Chromium was found; install .* set BATON_CHROMIUM.*\n$/);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  });

  it("searches the names and places that the gateway searches", async () => {
    const source = await readFile(new URL("../../../src/browser/find-chromium.ts", import.meta.url), "utf8");
    const script = await readFile(SCRIPT, "utf8");
    const tables = (text: string): string[] =>
      [/const NAMES = \[.*?\];/s, /linux: \[.*?win32: \[.*?\]/s].map(
        (table) => table.exec(text)?.[0] ?? text,
      );
    expect(tables(script)).toEqual(tables(source));
  });
});

describe("findChromium", () => {
  it("takes PATH's first, before the usual places", async () => {
    const path = await program("chromium");
    expect(await findChromium({ searchPath: `/nowhere:${directory}` })).toBe(path);
  });

  it("does not take a directory or a file that can't be run", async () => {
    await expect(findChromium({ executablePath: directory })).rejects.toMatchObject({
      code: "browser_missing",
    });
    const plain = join(directory, "chromium");
    await writeFile(plain, "");
    await expect(findChromium({ executablePath: plain })).rejects.toMatchObject({ code: "browser_missing" });
  });

  it("says what to install and what to set when there is none", async () => {
    await expect(findChromium({ searchPath: "", platform: "aix" })).rejects.toMatchObject({
      code: "browser_missing",
      message: expect.stringMatching(/apt-get install chromium.*BATON_CHROMIUM/) as string,
    });
  });
});
