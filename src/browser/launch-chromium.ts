import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TargetPolicy } from "../targets/policy.ts";
import { BrowserError, type LaunchOptions, type LaunchedBrowser } from "./browser.ts";
import { answersAt } from "./endpoint.ts";
import { DEBUGGING_PORTS } from "./debugging-ports.ts";
import { FilteringProxy } from "./filtering-proxy.ts";
import { KeptRecord } from "./kept-record.ts";
import { silent, type BrowserLogger } from "./logger.ts";
import { PageKeeper, type Opening, type Viewport } from "./page-keeper.ts";
import { removeProfile } from "./profile-folders.ts";
import { profileState } from "./profile-holder.ts";
import { within } from "./within.ts";

const STARTUP_TIMEOUT_MS = 20_000;
/** A running browser that does not even say its version for this long hangs; it is ended and started anew. */
const HANG_TIMEOUT_MS = 5_000;
/** How long the process gets to end by itself, which saves its profile, before it is killed. It takes 150 ms. */
const EXIT_TIMEOUT_MS = 4_000;
/** After this many runs in a row that ended this soon, the tabs of the last one are not opened again. */
const MAX_SHORT_RUNS = 3;
const SHORT_RUN_MS = 10_000;
/** Another gateway that starts a browser on the same profile at the same moment wins once; then its browser is found. */
const MAX_STARTS = 3;
/** What Chromium ends with when another one uses the profile. */
const PROFILE_IN_USE = 21;
/** Chromium's last words, for the error message. */
const STDERR_TAIL_LENGTH = 2_000;

const DEFAULT_VIEWPORT: Viewport = { width: 1280, height: 800 };

/**
 * Chromium ends when its debugging pipe does, so that a gateway that is killed leaves no browser behind. The pipe is
 * for nothing else: commands go over the port, which several connections share. On Windows it works differently.
 */
const ENDS_WITH_PARENT = process.platform !== "win32";

const FLAGS = [
  "--headless=new",
  "--remote-debugging-port=0",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-default-browser-check",
  "--disable-background-networking",
  // Agents wait for a load event after `goBack`, and a page that is restored as it was fires none.
  "--disable-back-forward-cache",
  "--disable-component-update",
  "--disable-sync",
  // Bars above the page ("unsupported flag", "restore pages?") would take part of its viewport.
  "--disable-infobars",
  "--hide-crash-restore-bubble",
  // Otherwise Chromium drops input, and says it was handled, until a new page has been painted.
  "--allow-pre-commit-input",
  // The desktop's key ring may ask for a password that nobody is there to type.
  "--password-store=basic",
  "--use-mock-keychain",
];

export interface ChromiumProcessOptions extends LaunchOptions {
  readonly executablePath: string;
  /** Environment of the child. Default: this process's own. */
  readonly env?: NodeJS.ProcessEnv;
  /**
   * What its pages may reach, whatever leads there. Default: anything. A browser that is taken from another gateway of
   * this machine has that one's policy, as long as that one lives: both need the same settings.
   */
  readonly navigation?: TargetPolicy;
  readonly logger?: BrowserLogger;
  readonly startupTimeoutMs?: number;
  readonly hangTimeoutMs?: number;
  /** How long a profile that another host seems to use is watched for signs of life. */
  readonly elsewhereMs?: number;
}

interface Running {
  /** Undefined: it runs on the same profile, but another gateway of this machine started it. */
  readonly child: ChildProcess | undefined;
  readonly endpoint: string;
}

interface FilteredBy {
  readonly proxy: FilteringProxy;
  /** What `--proxy-server` takes. */
  readonly url: string;
}

/** Another Chromium was quicker to start on the same profile. */
class ProfileInUse extends Error {}

/** One Chromium on one profile, started when its endpoint is asked for, and again after it died. */
export class ChromiumProcess implements LaunchedBrowser {
  readonly #options: ChromiumProcessOptions;
  readonly #logger: BrowserLogger;
  readonly #keeper = new PageKeeper((urls) => this.#record?.save(urls));
  /**
   * As long as this object: a browser ends with its gateway, so that no browser outlives its proxy. Where one did, it
   * would reach nothing.
   */
  #proxy: Promise<FilteredBy> | undefined;
  #profile: string | undefined;
  /** Of a profile that is kept. */
  readonly #record: KeptRecord | undefined;
  #running: Running | undefined;
  #starting: Promise<Running> | undefined;
  #launches = 0;
  /** Runs in a row that ended soon: perhaps because of a page that is opened again each time. */
  #shortRuns = 0;
  #closed: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(options: ChromiumProcessOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silent;
    // Relative ones would mean another folder to Chromium's lock, and to whoever looks at it.
    if (options.userDataDir !== undefined) {
      this.#profile = resolve(options.userDataDir);
      this.#record = new KeptRecord(this.#profile, this.#logger);
    }
  }

  get pid(): number | undefined {
    const child = this.#running?.child;
    return child && !hasExited(child) ? child.pid : undefined;
  }

  async endpoint(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    this.#starting ??= this.#ensure().finally(() => (this.#starting = undefined));
    const { endpoint } = await this.#starting;
    return endpoint;
  }

  close(): Promise<void> {
    this.#closed ??= this.#end(this.#record ? "orderly" : "now");
    return this.#closed;
  }

  async discard(): Promise<void> {
    this.#closed ??= this.#end("now");
    await this.#closed;
    if (!this.#record || this.#profile === undefined) return;
    if (!(await removeProfile(this.#profile, this.#logger))) {
      this.#logger.info({ profile: this.#profile }, "a profile is left to the gateway that uses it");
    }
  }

  async #end(how: "orderly" | "now"): Promise<void> {
    this.#closing.abort(closedError());
    await this.#starting?.catch(() => {});
    const child = this.#running?.child;
    this.#running = undefined;
    const asked = how === "orderly" && child !== undefined && this.#keeper.endBrowser();
    this.#keeper.stop();
    await this.#record?.stop();
    if (child) await (asked ? ended(child) : killed(child));
    await (await this.#proxy?.catch(() => undefined))?.proxy.close();
    if (!this.#record && this.#profile !== undefined) {
      // The last of Chromium's helpers may still be writing.
      await rm(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
  }

  async #ensure(): Promise<Running> {
    if (this.#closed) throw closedError();
    const running = this.#running;
    if (running?.child && hasExited(running.child)) this.#running = undefined;
    if (this.#running && !(await this.#answers(this.#running.endpoint))) {
      const { child } = this.#running;
      this.#running = undefined;
      if (child) {
        this.#logger.warn({ pid: child.pid }, "Chromium hangs; it is ended and started anew");
        await killed(child);
      }
    }
    for (let attempt = 1; !this.#running; attempt += 1) {
      try {
        this.#running = await this.#start();
      } catch (error) {
        if (!(error instanceof ProfileInUse)) throw error;
        if (attempt >= MAX_STARTS)
          throw startFailed("another one holds its profile, and cannot be reached", error);
      }
    }
    return this.#running;
  }

  get #isFiltered(): boolean {
    return this.#options.navigation !== undefined && !this.#options.navigation.any;
  }

  /** The arguments that leave a browser no way but through the proxy. */
  async #filter(): Promise<readonly string[]> {
    const { navigation } = this.#options;
    if (!navigation || !this.#isFiltered) return [];
    this.#proxy ??= startProxy(navigation);
    const { url } = await this.#proxy;
    return [
      `--proxy-server=${url}`,
      // Chromium would go to loopback and link-local addresses by itself.
      "--proxy-bypass-list=<-loopback>",
      // The same setting by its older and its newer name: WebRTC would send UDP past any proxy.
      "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
      "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    ];
  }

  async #answers(endpoint: string): Promise<boolean> {
    return answersAt(endpoint, AbortSignal.timeout(this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS));
  }

  async #start(): Promise<Running> {
    const { executablePath, startupTimeoutMs = STARTUP_TIMEOUT_MS, width, height } = this.#options;
    const viewport = { width: width ?? DEFAULT_VIEWPORT.width, height: height ?? DEFAULT_VIEWPORT.height };
    const profile = await this.#makeProfile();
    const state = await profileState(profile, this.#closing.signal, {
      ...(this.#options.hangTimeoutMs !== undefined && { answerMs: this.#options.hangTimeoutMs }),
      ...(this.#options.elsewhereMs !== undefined && { elsewhereMs: this.#options.elsewhereMs }),
    });
    if (state.kind === "used") {
      DEBUGGING_PORTS.add(Number(new URL(state.endpoint).port));
      return { child: undefined, endpoint: state.endpoint };
    }
    const { again, opening } = await this.#opening(state.orderly);
    const how = again ? (opening.trustRestored ? "restore" : "restore cookies") : "anew";
    const filtered = [...(this.#options.args ?? []), ...(await this.#filter())];
    const args = launchArguments(profile, viewport, how, filtered);
    const child = spawn(executablePath, args, {
      stdio: ENDS_WITH_PARENT ? ["ignore", "ignore", "pipe", "pipe", "pipe"] : ["ignore", "ignore", "pipe"],
      // Its own process group, so that its helpers can be ended with it.
      detached: process.platform !== "win32",
      ...(this.#options.env && { env: this.#options.env }),
    });
    // Of the two pipes only the end matters, and that of a killed Chromium is no error here.
    for (const pipe of child.stdio.slice(3)) pipe?.on("error", () => {});
    const timeout = AbortSignal.timeout(startupTimeoutMs);
    const signal = AbortSignal.any([timeout, this.#closing.signal]);
    try {
      const endpoint = await announcedEndpoint(child, signal, startupTimeoutMs);
      const port = Number(new URL(endpoint).port);
      DEBUGGING_PORTS.add(port);
      child.once("exit", () => DEBUGGING_PORTS.delete(port));
      const webOnly = this.#isFiltered;
      await within(this.#keeper.start(endpoint, { ...opening, viewport, webOnly }, signal), startupTimeoutMs);
      await this.#record?.begin(this.#keeper.urls).catch(notWritable);
      this.#launches += 1;
      const startedAt = performance.now();
      child.once("exit", (code, exitSignal) => {
        this.#shortRuns = performance.now() - startedAt < SHORT_RUN_MS ? this.#shortRuns + 1 : 0;
        this.#exited(child, code, exitSignal);
      });
      this.#logger.info({ pid: child.pid, again }, "Chromium runs");
      return { child, endpoint };
    } catch (error) {
      this.#keeper.stop();
      await killed(child);
      if (error instanceof BrowserError || error instanceof ProfileInUse) throw error;
      throw startFailed("it ended or hung while its first page was opened", error);
    }
  }

  /** Which pages the next Chromium opens. `again`: the profile has been used before. */
  async #opening(
    orderly: boolean,
  ): Promise<{ again: boolean; opening: Omit<Opening, "viewport" | "webOnly"> }> {
    const { url } = this.#options;
    const kept = (await this.#record?.read()) ?? "never";
    if (this.#launches === 0 && kept === "never") {
      return { again: false, opening: { urls: url === undefined ? [] : [url], trustRestored: false } };
    }
    if (this.#shortRuns >= MAX_SHORT_RUNS) {
      this.#logger.warn(
        { runs: this.#shortRuns },
        "Chromium ended soon again and again; its pages are not opened",
      );
      return { again: true, opening: { urls: [], trustRestored: false } };
    }
    const known = this.#launches > 0 ? this.#keeper.urls : kept;
    const urls = typeof known === "string" ? undefined : known;
    return { again: true, opening: { urls, trustRestored: orderly } };
  }

  async #makeProfile(): Promise<string> {
    if (this.#record && this.#profile !== undefined)
      await mkdir(this.#profile, { recursive: true, mode: 0o700 }).catch(notWritable);
    this.#profile ??= await mkdtemp(join(tmpdir(), "baton-chromium-"));
    return this.#profile;
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#closed) return;
    this.#logger.warn(
      { pid: child.pid, code, signal },
      "Chromium ended; it is started again when it is needed",
    );
    this.#keeper.stop();
    void this.#record?.stop();
    // Helpers of a browser that was killed may go on for a while and hold the profile.
    killGroup(child, "SIGKILL");
  }
}

function launchArguments(
  profile: string,
  viewport: Viewport,
  how: "anew" | "restore" | "restore cookies",
  extra: readonly string[],
): readonly string[] {
  const args = [...FLAGS, `--user-data-dir=${profile}`, `--window-size=${viewport.width},${viewport.height}`];
  if (ENDS_WITH_PARENT) args.push("--remote-debugging-pipe");
  // Chromium's sandbox refuses to run as root, which is what a container usually is.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  // It keeps the session cookies, that is, most logins. Chromium without it drops them when it starts.
  if (how !== "anew") args.push("--restore-last-session");
  // A page that is asked for comes to the front, of those that Chromium restores.
  return [...args, ...extra, ...(how === "restore" ? [] : ["about:blank"])];
}

async function startProxy(navigation: TargetPolicy): Promise<FilteredBy> {
  const proxy = new FilteringProxy(navigation);
  return { proxy, url: await proxy.listen() };
}

/** Reads stderr until Chromium says where it listens; goes on reading, since a full pipe would stop Chromium. */
function announcedEndpoint(child: ChildProcess, signal: AbortSignal, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let tail = "";
    let announced = false;
    const fail = (what: string, cause?: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      if (!announced) reject(startFailed(what, cause, tail.trim()));
    };
    const onAbort = (): void => {
      if (signal.reason instanceof BrowserError) reject(signal.reason);
      else fail(`it did not listen within ${timeoutMs} ms`);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    child.once("error", (error) => fail(`it could not be run: ${error.message}`, error));
    child.once("exit", (code, by) => {
      if (code === PROFILE_IN_USE && !announced) reject(new ProfileInUse());
      fail(`it ended with ${by === null ? `code ${code}` : by}`);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (announced) return;
      tail = (tail + text).slice(-STDERR_TAIL_LENGTH);
      const endpoint = /DevTools listening on (wss?:\/\/\S+)/.exec(tail)?.[1];
      if (endpoint === undefined) return;
      announced = true;
      signal.removeEventListener("abort", onAbort);
      resolve(endpoint);
    });
  });
}

/** After it was asked to end: resolves when it has, by itself or by force. */
async function ended(child: ChildProcess): Promise<void> {
  await within(exit(child), EXIT_TIMEOUT_MS).catch(() => {});
  await killed(child);
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  // Also after an orderly end: helpers that outlive it would hold the profile.
  killGroup(child, "SIGKILL");
  await within(exit(child), EXIT_TIMEOUT_MS).catch(() => {});
}

function exit(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (hasExited(child)) resolve();
    else child.once("exit", () => resolve());
  });
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended.
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function closedError(): BrowserError {
  return new BrowserError("browser_unavailable", "The launched browser was closed; launch a new one");
}

function notWritable(cause: Error): never {
  const message = `A browser's profile cannot be written: ${cause.message}; check the folder's owner and the disk`;
  throw new BrowserError("browser_attach_failed", message, { cause });
}

function startFailed(what: string, cause: unknown, stderr = ""): BrowserError {
  const said = stderr === "" ? "" : `. It said: ${stderr}`;
  const message = `Chromium did not start: ${what}; try it by hand, or set BATON_CHROMIUM to another one${said}`;
  return new BrowserError("browser_attach_failed", message, { cause });
}
