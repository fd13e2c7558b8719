/** Real Chromium: what a login is made of survives restarts and crashes of the gateway. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BrowserLink } from "../../../src/browser/browser.ts";
import { CdpConnection } from "../../../src/browser/cdp-connection.ts";
import { chromiumProvider } from "../../../src/browser/chromium.ts";
import { ChromiumLink } from "../../../src/browser/chromium-link.ts";
import type { ChromiumProcess } from "../../../src/browser/launch-chromium.ts";
import { profileState } from "../../../src/browser/profile-holder.ts";
import { targetPolicy } from "../../../src/targets/policy.ts";
import { Browsers } from "../../../src/room/browsers.ts";
import { chromiumProcess, until } from "./bench.ts";

const cleanups: (() => Promise<unknown>)[] = [];
const soon = (): AbortSignal => AbortSignal.timeout(15_000);
let folder: string;
let origin: string;

/** `/login` sets a cookie for the session and one that stays; each page keeps the first path of its tab. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "baton-test-"));
  const server = createServer((request, response) => {
    if (request.url === "/login") {
      response.setHeader("set-cookie", ["session=half; Path=/", "device=known; Max-Age=99999; Path=/"]);
    }
    response.setHeader("content-type", "text/html");
    response.end(`<title>loaded</title><script>sessionStorage.first ??= location.pathname</script>`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cleanups.push(
    () => rm(folder, { recursive: true, force: true, maxRetries: 10 }),
    async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  );
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const pages = (link: BrowserLink): string[] => link.tabs.map(({ url }) => url.replace(origin, "")).toSorted();
const shown = (link: BrowserLink): string | undefined =>
  link.tabs.find(({ active }) => active)?.url.replace(origin, "");
const shows = (link: BrowserLink, ...paths: string[]): Promise<void> =>
  until(link, () => link.status === "live" && pages(link).join() === paths.toSorted().join());

/** Leaves `/login` open and shown, and `/other` in a second tab. */
async function halfALogin(link: BrowserLink): Promise<void> {
  await until(link, () => link.tabs.some(({ title }) => title === "loaded"));
  await link.dispatch({ kind: "tab", action: "open" });
  await link.dispatch({ kind: "navigate", to: "url", url: `${origin}/other` });
  await until(link, () => link.tabs.every(({ title }) => title === "loaded"));
  const login = link.tabs.find(({ url }) => url.endsWith("/login"));
  await link.dispatch({ kind: "tab", action: "select", tabId: login?.tabId ?? "" });
}

/** What is left of it in a running browser: cookies, and what the tab of `path` says. */
async function leftIn(
  endpoint: string,
  path: string,
): Promise<{ cookies: string[]; first: unknown; viewport: unknown }> {
  const connection = await CdpConnection.connect(endpoint, soon());
  const { cookies } = await connection.browser.send("Storage.getCookies", {});
  const { targetInfos } = await connection.browser.send("Target.getTargets", {});
  const tab = targetInfos.find(({ type, url }) => type === "page" && url === origin + path);
  const session = await connection.attach(tab?.targetId ?? "");
  const evaluate = async (expression: string): Promise<unknown> =>
    (await session.send("Runtime.evaluate", { expression })).result.value as unknown;
  const found = {
    cookies: cookies.map(({ name, value }) => `${name}=${value}`).toSorted(),
    first: await evaluate("sessionStorage.first"),
    viewport: await evaluate("innerWidth + 'x' + innerHeight"),
  };
  connection.close();
  return found;
}

const LEFT = { cookies: ["device=known", "session=half"], first: "/login", viewport: "1280x800" };

interface Gateway {
  readonly link: BrowserLink;
  /** Resolves to the endpoint of the browser that this gateway has started. */
  readonly restarted: Promise<string>;
  close(): Promise<void>;
}

/** One that finds `stored` in its store, and attaches. */
function gateway(stored: string): Gateway {
  let onStarted: (name: string) => void = () => {};
  const restarted = new Promise<string>((resolve) => (onStarted = resolve));
  const browsers = new Browsers(chromiumProvider(), {
    profileDir: folder,
    storedEndpoint: async () => stored,
    started: (_sandboxId, name) => onStarted(name),
  });
  const link = browsers.attach("s", { launch: true });
  const close = async (): Promise<void> => {
    await link.close();
    await browsers.close();
  };
  cleanups.push(close);
  return { link, close, restarted: restarted.then((name) => name.split("#")[0] ?? "") };
}

/** A process by itself that launches the browser of "s" and goes half through a login. */
async function gatewayProcess(): Promise<{ stored: string; kill: () => void }> {
  const source = (path: string): string =>
    JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
  const program = `
    import { chromiumProvider } from ${source("browser/chromium.ts")};
    import { Browsers } from ${source("room/browsers.ts")};
    const browsers = new Browsers(chromiumProvider(), {
      profileDir: ${JSON.stringify(folder)},
      storedEndpoint: async () => undefined,
      started: () => {},
    });
    const { endpoint } = await browsers.launch("s", ${JSON.stringify(`${origin}/login`)}, AbortSignal.timeout(15_000));
    console.log(endpoint);`;
  const child = execFile(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program]);
  cleanups.push(async () => child.kill("SIGKILL"));
  const stored = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", (text: string) => resolve(text.trim()));
    child.stderr?.on("data", (text: string) => reject(new Error(text)));
  });
  return { stored, kill: () => child.kill("SIGKILL") };
}

describe("a launched browser across gateways", () => {
  it("a restart keeps the login: both kinds of cookies, the tabs, the one that is shown, and what they store", async () => {
    const before = new Browsers(chromiumProvider(), {
      profileDir: folder,
      storedEndpoint: async () => undefined,
      started: () => {},
    });
    cleanups.push(() => before.close());
    const { endpoint } = await before.launch("s", `${origin}/login`, soon());
    const link = before.attach("s", { launch: true });
    await halfALogin(link);
    await link.close();
    await before.close();
    // What Chromium itself saved at its end is newer than a record that missed the last moment.
    const [name] = await readdir(folder);
    await writeFile(
      join(folder, name ?? "", "baton.json"),
      JSON.stringify({ version: 1, urls: [`${origin}/before`] }),
    );

    const after = gateway(endpoint);
    await shows(after.link, "/login", "/other");
    expect(shown(after.link)).toBe("/login");
    expect(await leftIn(await after.restarted, "/login")).toEqual(LEFT);
  });

  it("a gateway that is killed loses nothing of it either, though it could not say goodbye", async () => {
    const { stored, kill } = await gatewayProcess();
    const link = new ChromiumLink({ endpoint: async () => stored.split("#")[0] ?? "" });
    cleanups.push(() => link.close());
    await halfALogin(link);
    await link.close();
    kill();

    const after = gateway(stored);
    const endpoint = await after.restarted;
    await shows(after.link, "/login", "/other");
    expect(await leftIn(endpoint, "/login")).toEqual(LEFT);
    // One profile, one browser.
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe("a kept profile", () => {
  let profile: string;
  beforeEach(() => {
    profile = join(folder, "profile");
  });
  const start = async (
    options: Parameters<typeof chromiumProcess>[0] = {},
  ): Promise<{ browser: ChromiumProcess; link: ChromiumLink; close: () => Promise<void> }> => {
    const browser = await chromiumProcess({ userDataDir: profile, url: `${origin}/login`, ...options });
    const link = new ChromiumLink({ endpoint: (signal) => browser.endpoint(signal) });
    const close = async (): Promise<void> => {
      await link.close();
      await browser.close();
    };
    cleanups.push(close);
    return { browser, link, close };
  };

  it("after a crash its record counts: older tabs of Chromium's own are brought up to it, with what they store", async () => {
    const first = await start();
    await halfALogin(first.link);
    await first.close();
    // As if Chromium had last saved its session before the person went on, and then died with its whole machine.
    await writeFile(
      join(profile, "baton.json"),
      JSON.stringify({ version: 1, urls: [`${origin}/login/step-2`] }),
    );
    await symlink("the-container-of-before-7", join(profile, "SingletonLock"));
    const second = await start({ elsewhereMs: 20 });
    await shows(second.link, "/login/step-2");
    const { cookies, first: path } = await leftIn(await second.browser.endpoint(soon()), "/login/step-2");
    expect(cookies).toEqual(LEFT.cookies);
    expect(["/login", "/other"]).toContain(path);
  });

  it("is left alone while its owner on another host lives", async () => {
    await mkdir(profile);
    await writeFile(join(profile, "baton.json"), '{"version":1,"urls":[]}');
    await symlink("another-host-7", join(profile, "SingletonLock"));
    const owner = setInterval(() => {
      const now = new Date();
      utimes(join(profile, "baton.json"), now, now).catch(() => {});
    }, 5);
    cleanups.push(async () => clearInterval(owner));
    const { browser } = await start({ elsewhereMs: 200 });
    await expect(browser.endpoint(soon())).rejects.toMatchObject({
      code: "browser_unavailable",
      message: expect.stringContaining("another-host") as string,
    });
    expect(await readdir(profile)).toContain("SingletonLock");
  });

  it("says so when it cannot be written", async () => {
    await writeFile(profile, "a file in its place");
    const { browser } = await start();
    await expect(browser.endpoint(soon())).rejects.toMatchObject({
      code: "browser_attach_failed",
      message: expect.stringContaining("cannot be written") as string,
    });
  });

  it.each(["orderly", "killed"])(
    "pages of files do not come back where only sites are allowed (%s end)",
    async (end) => {
      const first = await start({ url: "file:///etc/hostname" });
      await shows(first.link, "file:///etc/hostname");
      await first.link.dispatch({ kind: "tab", action: "open" });
      await first.link.dispatch({ kind: "navigate", to: "url", url: `${origin}/other` });
      await shows(first.link, "file:///etc/hostname", "/other");
      await first.close();
      if (end === "killed") {
        const urls = ["file:///etc/hostname", "file:///etc/passwd", `${origin}/other`];
        await writeFile(join(profile, "baton.json"), JSON.stringify({ version: 1, urls }));
        await symlink("the-container-of-before-7", join(profile, "SingletonLock"));
      }
      const second = await start({ navigation: targetPolicy("loopback", "S"), elsewhereMs: 20 });
      await shows(second.link, "/other");
    },
  );

  it("what hangs on it is ended before another one starts", async () => {
    const first = await start();
    await first.browser.endpoint(soon());
    const pid = first.browser.pid ?? NaN;
    process.kill(pid, "SIGSTOP");
    const second = await start({ hangTimeoutMs: 100 });
    await shows(second.link, "/login");
    expect(second.browser.pid).not.toBe(pid);
    // A zombie at most, which takes signals but runs no more.
    const state = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    expect(state).toBe("");
  });

  it("pages that Chromium dies of are not opened for ever; the cookies stay", async () => {
    const first = await start();
    await halfALogin(first.link);
    await first.close();
    const { browser, link } = await start();
    for (let run = 1; run <= 3; run += 1) {
      await shows(link, "/login", "/other");
      const away = until(link, () => link.status !== "live");
      process.kill(browser.pid ?? NaN, "SIGKILL");
      await away;
    }
    await shows(link, "about:blank");
    const connection = await CdpConnection.connect(await browser.endpoint(soon()), soon());
    const { cookies } = await connection.browser.send("Storage.getCookies", {});
    connection.close();
    expect(cookies).toHaveLength(2);
  });

  it("pages that go down with the browser were not closed: a Chromium that restores none gets them from the record", async () => {
    const { browser, link } = await start();
    await shows(link, "/login");
    await link.close();
    const connection = await CdpConnection.connect(await browser.endpoint(soon()), soon());
    connection.browser.post("Browser.close");
    await connection.closed;
    expect(await profileState(profile, soon())).toEqual({ kind: "free", orderly: true });
    await rm(join(profile, "Default", "Sessions"), { recursive: true });
    const again = new ChromiumLink({ endpoint: (signal) => browser.endpoint(signal) });
    cleanups.push(() => again.close());
    await shows(again, "/login");
  });
});
