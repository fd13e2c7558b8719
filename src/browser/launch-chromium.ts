import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BrowserError, type LaunchOptions, type LaunchedBrowser } from "./browser.ts";
import { silent, type BrowserLogger } from "./logger.ts";
import { PageKeeper, type Viewport } from "./page-keeper.ts";
import { within } from "./within.ts";

const STARTUP_TIMEOUT_MS = 20_000;
/** A running browser that does not even say its version for this long hangs; it is ended and started anew. */
const HANG_TIMEOUT_MS = 5_000;
/** How long the process gets to end by itself, which saves its profile, before it is killed. */
const EXIT_TIMEOUT_MS = 3_000;
/** After this many runs in a row that ended this soon, the tabs of the last one are not opened again. */
const MAX_SHORT_RUNS = 3;
const SHORT_RUN_MS = 10_000;
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
  readonly logger?: BrowserLogger;
  readonly startupTimeoutMs?: number;
  readonly hangTimeoutMs?: number;
}

interface Running {
  readonly child: ChildProcess;
  readonly endpoint: string;
}

/** One Chromium on one profile, started when its endpoint is asked for, and again after it died. */
export class ChromiumProcess implements LaunchedBrowser {
  readonly #options: ChromiumProcessOptions;
  readonly #logger: BrowserLogger;
  readonly #keeper = new PageKeeper();
  #profile: string | undefined;
  #running: Running | undefined;
  #starting: Promise<Running> | undefined;
  #launches = 0;
  /** Runs in a row that ended soon: perhaps because of a page that is opened again each time. */
  #shortRuns = 0;
  #closed = false;
  readonly #closing = new AbortController();

  constructor(options: ChromiumProcessOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silent;
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort(closedError());
    await this.#starting?.catch(() => {});
    this.#keeper.stop();
    // A profile that is removed anyway needn't be saved.
    const signal = this.#options.userDataDir === undefined ? "SIGKILL" : "SIGTERM";
    if (this.#running) await end(this.#running.child, signal);
    this.#running = undefined;
    if (this.#profile !== undefined && this.#options.userDataDir === undefined) {
      // The last of Chromium's helpers may still be writing.
      await rm(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
  }

  async #ensure(): Promise<Running> {
    if (this.#closed) throw closedError();
    const running = this.#running;
    if (running && hasExited(running.child)) this.#running = undefined;
    if (
      this.#running &&
      !(await answers(this.#running.endpoint, this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS))
    ) {
      this.#logger.warn({ pid: this.#running.child.pid }, "Chromium hangs; it is ended and started anew");
      await end(this.#running.child, "SIGKILL");
      this.#running = undefined;
    }
    this.#running ??= await this.#start();
    return this.#running;
  }

  async #start(): Promise<Running> {
    const { executablePath, startupTimeoutMs = STARTUP_TIMEOUT_MS, width, height, url } = this.#options;
    const viewport = { width: width ?? DEFAULT_VIEWPORT.width, height: height ?? DEFAULT_VIEWPORT.height };
    this.#profile ??= await this.#makeProfile();
    const again = this.#launches > 0;
    const args = launchArguments(this.#profile, viewport, again, this.#options.args ?? []);
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
      const restore = this.#shortRuns < MAX_SHORT_RUNS;
      const urls = again ? (restore ? this.#keeper.urls : []) : url === undefined ? [] : [url];
      await within(this.#keeper.start(endpoint, urls, viewport, signal), startupTimeoutMs);
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
      await end(child, "SIGKILL");
      if (error instanceof BrowserError) throw error;
      throw startFailed("it ended or hung while its first page was opened", error);
    }
  }

  async #makeProfile(): Promise<string> {
    const { userDataDir } = this.#options;
    if (userDataDir === undefined) return mkdtemp(join(tmpdir(), "baton-chromium-"));
    await mkdir(userDataDir, { recursive: true });
    return userDataDir;
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#closed) return;
    this.#logger.warn(
      { pid: child.pid, code, signal },
      "Chromium ended; it is started again when it is needed",
    );
    this.#keeper.stop();
    // Helpers of a browser that was killed may go on for a while and hold the profile.
    killGroup(child, "SIGKILL");
  }
}

function launchArguments(
  profile: string,
  viewport: Viewport,
  again: boolean,
  extra: readonly string[],
): readonly string[] {
  const args = [...FLAGS, `--user-data-dir=${profile}`, `--window-size=${viewport.width},${viewport.height}`];
  if (ENDS_WITH_PARENT) args.push("--remote-debugging-pipe");
  // Chromium's sandbox refuses to run as root, which is what a container usually is.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  // Headless Chromium restores no tabs by it, but the session cookies, that is, most logins.
  if (again) args.push("--restore-last-session");
  return [...args, ...extra, "about:blank"];
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
    child.once("exit", (code, by) => fail(`it ended with ${by === null ? `code ${code}` : by}`));
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

async function answers(endpoint: string, timeoutMs: number): Promise<boolean> {
  const url = new URL("/json/version", endpoint.replace(/^ws/, "http"));
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    await response.text();
    return response.ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined) return;
  const exited = new Promise<void>((resolve) => {
    if (hasExited(child)) resolve();
    else child.once("exit", () => resolve());
  });
  if (signal !== "SIGKILL") {
    child.kill(signal);
    await within(exited, EXIT_TIMEOUT_MS).catch(() => {});
  }
  // Also after an orderly end: helpers that outlive it would hold the profile.
  killGroup(child, "SIGKILL");
  await within(exited, EXIT_TIMEOUT_MS).catch(() => {});
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

function startFailed(what: string, cause: unknown, stderr = ""): BrowserError {
  const said = stderr === "" ? "" : `. It said: ${stderr}`;
  const message = `Chromium did not start: ${what}; try it by hand, or set BATON_CHROMIUM to another one${said}`;
  return new BrowserError("browser_attach_failed", message, { cause });
}
