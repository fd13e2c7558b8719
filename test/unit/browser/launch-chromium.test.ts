import { execFile } from "node:child_process";
import { watch } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CdpConnection } from "../../../src/browser/cdp-connection.ts";
import { chromiumProvider } from "../../../src/browser/chromium.ts";
import { ChromiumLink } from "../../../src/browser/chromium-link.ts";
import { chromiumProcess, until } from "./bench.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const soon = (): AbortSignal => AbortSignal.timeout(15_000);

async function script(body: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "baton-test-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "browser");
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

/** A site that sets a cookie that stays and says which cookies it was sent. */
async function cookieSite(): Promise<{ origin: string; cookies: (path: string) => Promise<string> }> {
  const asked = new Map<string, (cookie: string) => void>();
  const server = createServer((request, response) => {
    asked.get(request.url ?? "")?.(request.headers.cookie ?? "");
    response.setHeader("set-cookie", "login=kept; Max-Age=99999; Path=/");
    response.setHeader("content-type", "text/html");
    response.end("<title>page</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, cookies: (path) => new Promise((resolve) => asked.set(path, resolve)) };
}

describe("launch", () => {
  it("rejects with browser_missing when the named file is no browser", async () => {
    const launch = chromiumProvider({ executablePath: "/nowhere/chromium" }).launch({});
    await expect(launch).rejects.toMatchObject({
      code: "browser_missing",
      message: expect.stringContaining("BATON_CHROMIUM") as string,
    });
  });

  it("says what Chromium said when it ends at once", async () => {
    const browser = await chromiumProcess({
      executablePath: await script("echo 'no display, sorry' >&2; exit 3"),
    });
    cleanups.push(() => browser.close());
    await expect(browser.endpoint(soon())).rejects.toMatchObject({
      code: "browser_attach_failed",
      message: expect.stringMatching(/ended with code 3.*no display, sorry/s) as string,
    });
  });

  it("gives up on one that never listens, and ends it", async () => {
    const browser = await chromiumProcess({
      executablePath: await script("echo 'thinking' >&2; exec sleep 600"),
      startupTimeoutMs: 300,
    });
    cleanups.push(() => browser.close());
    await expect(browser.endpoint(soon())).rejects.toThrow(/did not listen within 300 ms.*thinking/s);
    expect(browser.pid).toBeUndefined();
  });

  it("gives the page the asked viewport and first address, and removes its profile at close", async () => {
    const { origin, cookies } = await cookieSite();
    const opened = cookies("/first");
    const browser = await chromiumProcess({ url: `${origin}/first`, width: 900, height: 700 });
    const endpoint = await browser.endpoint(soon());
    await opened;
    const connection = await CdpConnection.connect(endpoint, soon());
    const { targetInfos } = await connection.browser.send("Target.getTargets", {});
    const pages = targetInfos.filter(({ type }) => type === "page");
    expect(pages.map(({ url }) => url)).toEqual([`${origin}/first`]);
    const session = await connection.attach(pages[0]?.targetId ?? "");
    const { result } = await session.send("Runtime.evaluate", {
      expression: "innerWidth + 'x' + innerHeight",
    });
    expect(result.value).toBe("900x700");
    const { arguments: args } = await connection.browser.send("Browser.getBrowserCommandLine").catch(() => ({
      arguments: [] as string[],
    }));
    connection.close();
    const { pid } = browser;
    await browser.close();
    expect(() => process.kill(pid ?? NaN, 0)).toThrow();
    const profile = args.find((arg) => arg.startsWith("--user-data-dir="))?.split("=")[1];
    if (profile !== undefined) await expect(stat(profile)).rejects.toThrow();
    const left = await readdir(tmpdir());
    expect(left.filter((name) => name === profile?.split("/").at(-1))).toEqual([]);
  });

  it("does not outlive a gateway that is killed", async () => {
    const userDataDir = await mkdtemp(join(tmpdir(), "baton-test-"));
    cleanups.push(() => rm(userDataDir, { recursive: true, force: true, maxRetries: 10 }));
    const program = `
      import { chromiumProvider } from ${JSON.stringify(new URL("../../../src/browser/chromium.ts", import.meta.url))};
      const browser = await chromiumProvider().launch({ userDataDir: ${JSON.stringify(userDataDir)} });
      console.log(await browser.endpoint(AbortSignal.timeout(15_000)));`;
    const gateway = execFile(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program]);
    const endpoint = await new Promise<string>((resolve, reject) => {
      gateway.stdout?.on("data", (text: string) => resolve(text.trim()));
      gateway.stderr?.on("data", (text: string) => reject(new Error(text)));
    });
    const connection = await CdpConnection.connect(endpoint, soon());
    gateway.kill("SIGKILL");
    await connection.closed;
  });

  it("after SIGKILL the link reconnects, is live again, and finds its tabs and its cookies", async () => {
    const { origin, cookies } = await cookieSite();
    const userDataDir = await mkdtemp(join(tmpdir(), "baton-test-"));
    cleanups.push(() => rm(userDataDir, { recursive: true, force: true, maxRetries: 10 }));
    const browser = await chromiumProcess({ userDataDir });
    cleanups.push(() => browser.close());
    const link = new ChromiumLink({ endpoint: (signal) => browser.endpoint(signal) });
    cleanups.push(() => link.close());
    await link.ready();
    const opened = cookies("/account");
    await link.dispatch({ kind: "navigate", to: "url", url: `${origin}/account` });
    expect(await opened).toBe("");
    await until(link, () => link.tabs.some((tab) => tab.title === "page"));
    await saveCookies(await browser.endpoint(soon()), userDataDir);
    const before = browser.pid ?? NaN;
    const reopened = cookies("/account");
    const away = until(link, () => link.status === "reconnecting");
    process.kill(before, "SIGKILL");
    await away;
    expect(await reopened).toBe("login=kept");
    await until(
      link,
      () => link.status === "live" && link.tabs.some((tab) => tab.url === `${origin}/account`),
    );
    expect(link.tabs).toHaveLength(1);
    expect(browser.pid).not.toBe(before);
  });

  it("SIGSTOP: probe says false, the heartbeat ends the connection, and the hanging browser is replaced", async () => {
    const browser = await chromiumProcess({ hangTimeoutMs: 300 });
    cleanups.push(() => browser.close());
    const link = new ChromiumLink({
      endpoint: (signal) => browser.endpoint(signal),
      heartbeatMs: 200,
      heartbeatTimeoutMs: 2_000,
    });
    cleanups.push(() => link.close());
    await link.ready();
    const pid = browser.pid ?? NaN;
    expect(await link.probe(2_000)).toBe(true);
    process.kill(pid, "SIGSTOP");
    expect(await link.probe(300)).toBe(false);
    await until(link, () => link.status === "reconnecting");
    await until(link, () => link.status === "live");
    expect(browser.pid).not.toBe(pid);
    expect(await link.probe(5_000)).toBe(true);
  });
});

describe("attach", () => {
  it("times out on a peer that accepts and says nothing, and gives up when it is told to", async () => {
    const server = createTcpServer((socket) => socket.resume());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const link = new ChromiumLink({
      endpoint: async () => `ws://127.0.0.1:${port}/devtools/browser/x`,
      connectTimeoutMs: 150,
      giveUpAfterMs: 300,
    });
    await expect(link.ready()).rejects.toMatchObject({
      code: "browser_attach_failed",
      message: expect.stringContaining("150 ms") as string,
    });
    await until(link, () => link.status === "gone");
    await link.close();
  });

  it("says so when the address is not a browser's", async () => {
    const server = createServer((_request, response) => response.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const { port } = server.address() as AddressInfo;
    const link = new ChromiumLink({ endpoint: async () => `http://127.0.0.1:${port}` });
    await expect(link.ready()).rejects.toThrow(/No browser answers at its address/);
    await link.close();
    const nonsense = new ChromiumLink({ endpoint: async () => "localhost:9222" });
    await expect(nonsense.ready()).rejects.toThrow(/not a CDP address/);
    await nonsense.close();
  });

  it("close ends a link that is still seeking", async () => {
    const link = new ChromiumLink({ endpoint: () => new Promise(() => {}) });
    const ready = link.ready();
    const closed = link.close();
    await expect(ready).rejects.toMatchObject({ code: "browser_unavailable" });
    await closed;
    expect(link.status).toBe("gone");
  });
});

/**
 * Resolves once the profile's file has the cookie `login`. Chromium saves cookies every 30 seconds, or after 512
 * changes: this makes the latter come true.
 */
async function saveCookies(endpoint: string, profile: string): Promise<void> {
  const connection = await CdpConnection.connect(endpoint, soon());
  const expires = Date.now() / 1_000 + 9_999;
  const cookies = Array.from({ length: 600 }, (_, index) => ({
    name: `filler${index}`,
    value: "1",
    domain: `site${index % 5}.test`,
    path: "/",
    expires,
  }));
  const saved = new Promise<void>((resolve, reject) => {
    const watcher = watch(join(profile, "Default"), (_type, filename) => {
      if (filename?.startsWith("Cookies") === true) check().catch(reject);
    });
    cleanups.push(async () => watcher.close());
    const check = async (): Promise<void> => {
      // SQLite empties the journal once what it guards is in the file.
      const journal = await stat(join(profile, "Default", "Cookies-journal"));
      const file = await readFile(join(profile, "Default", "Cookies"));
      if (journal.size === 0 && file.includes("login")) resolve();
    };
  });
  await connection.browser.send("Storage.setCookies", { cookies });
  connection.close();
  await saved;
}
