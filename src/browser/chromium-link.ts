import type { LookupFunction } from "node:net";
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog } from "../../protocol/preview.ts";
import {
  BrowserError,
  type AttachOptions,
  type BrowserLink,
  type BrowserListener,
  type BrowserVersion,
  type Frame,
  type LinkStatus,
  type LinkTab,
  type ScreencastOptions,
} from "./browser.ts";
import { CdpConnection } from "./cdp-connection.ts";
import { attachFailed, isTargetRefused, nothingThere, resolveEndpoint, type Endpoint } from "./endpoint.ts";
import { cookieValues } from "./cookie-values.ts";
import { forgetConsole } from "./forget-console.ts";
import { HeldInput } from "./held-input.ts";
import { InputPipe } from "./input-pipe.ts";
import { silent, type BrowserLogger } from "./logger.ts";
import { Screencast } from "./screencast.ts";
import { TabTracker } from "./tab-tracker.ts";
import { within } from "./within.ts";

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** How often a live browser is asked for a sign of life; a socket to a browser that hangs stays open. */
const HEARTBEAT_MS = 10_000;
/** No answer for this long: the connection is given up, so that nothing shows as live that isn't. */
const HEARTBEAT_TIMEOUT_MS = 10_000;

/** How long a browser may take to say what its cookies are, and pages to forget what their consoles say. */
const FORGET_MS = 1_000;

/** Everything that lives and ends with one connection. */
interface Attachment {
  readonly endpoint: Endpoint;
  readonly connection: CdpConnection;
  readonly tracker: TabTracker;
  readonly pipe: InputPipe;
  readonly screencast: Screencast;
}

export interface ChromiumLinkOptions extends AttachOptions {
  readonly logger?: BrowserLogger;
  readonly heartbeatMs?: number;
  readonly heartbeatTimeoutMs?: number;
}

export class ChromiumLink implements BrowserLink {
  readonly #options: ChromiumLinkOptions;
  readonly #logger: BrowserLogger;
  readonly #listeners = new Set<BrowserListener>();
  readonly #held = new HeldInput();
  readonly #closing = new AbortController();
  readonly #first: Promise<void>;
  readonly #loop: Promise<void>;
  #status: LinkStatus = "connecting";
  #attachment: Attachment | undefined;
  #capture: ScreencastOptions | undefined;
  #tabs: readonly LinkTab[] = [];
  #dialog: Dialog | null = null;
  #publishing = false;

  constructor(options: ChromiumLinkOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silent;
    let settleFirst: (error?: unknown) => void = () => {};
    this.#first = new Promise((resolve, reject) => {
      settleFirst = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#first.catch(() => {});
    this.#loop = this.#run(settleFirst);
  }

  get status(): LinkStatus {
    return this.#status;
  }

  get tabs(): readonly LinkTab[] {
    return this.#tabs;
  }

  get dialog(): Dialog | null {
    return this.#dialog;
  }

  get blocked(): ReadonlySet<string> {
    return this.#attachment?.tracker.blocked ?? new Set();
  }

  get endpoint(): string | undefined {
    return this.#status === "live" ? this.#attachment?.endpoint.url : undefined;
  }

  get lookup(): LookupFunction | undefined {
    return this.#attachment?.endpoint.lookup;
  }

  ready(signal?: AbortSignal): Promise<void> {
    if (this.#status === "live") return Promise.resolve();
    if (!signal) return this.#first;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const why = "The browser was not reached in time; check its address";
        reject(attachFailed(why, signal.reason));
      };
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#first.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  dispatch(event: InputEvent, mayLeave?: () => boolean): Promise<void> {
    if (this.#attachment && this.#status === "live") return this.#attachment.pipe.dispatch(event, mayLeave);
    const detail = `The browser is not connected (${this.#status}); wait until it is live`;
    return Promise.reject(new BrowserError("browser_unavailable", detail));
  }

  async drain(): Promise<void> {
    await this.#attachment?.pipe.drain();
  }

  startScreencast(options: ScreencastOptions): void {
    this.#capture = options;
    this.#attachment?.screencast.setOptions(options);
  }

  stopScreencast(): void {
    this.#capture = undefined;
    this.#attachment?.screencast.setOptions(undefined);
  }

  async version(): Promise<BrowserVersion> {
    try {
      if (!this.#attachment) throw new Error(this.#status);
      return await this.#attachment.connection.browser.send("Browser.getVersion");
    } catch (error) {
      const detail = "The browser is not connected; wait until it is live";
      throw new BrowserError("browser_unavailable", detail, { cause: error });
    }
  }

  async probe(timeoutMs: number): Promise<boolean> {
    if (!this.#attachment) return false;
    const answer = this.#attachment.connection.browser.send("Browser.getVersion");
    return within(answer, timeoutMs).then(
      () => true,
      () => false,
    );
  }

  async cookieValues(): Promise<ReadonlySet<string>> {
    const attachment = this.#attachment;
    if (!attachment) return new Set();
    return within(cookieValues(attachment.connection), FORGET_MS).catch(() => new Set<string>());
  }

  async forgetConsole(): Promise<void> {
    const attachment = this.#attachment;
    if (!attachment) return;
    await within(forgetConsole(attachment.connection), FORGET_MS).catch(() => {});
  }

  subscribe(listener: BrowserListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort(new BrowserError("browser_unavailable", "The browser link was closed"));
    await this.#loop;
    this.#listeners.clear();
  }

  async #run(settleFirst: (error?: unknown) => void): Promise<void> {
    const closing = this.#closing.signal;
    let failures = 0;
    let awaySince = performance.now();
    while (!closing.aborted) {
      try {
        const attachment = await this.#attach();
        failures = 0;
        this.#goLive(attachment);
        settleFirst();
        const why = await this.#untilLost(attachment);
        this.#detach(attachment, why);
        awaySince = performance.now();
        if (!closing.aborted) this.#setStatus("reconnecting", why);
      } catch (error) {
        settleFirst(error);
        failures += 1;
        const awayMs = performance.now() - awaySince;
        this.#logger.debug({ reason: reasonOf(error), failures }, "the browser was not reached");
        if (awayMs >= (this.#options.giveUpAfterMs ?? Infinity)) {
          this.#setStatus("gone", `not reached for ${Math.round(awayMs / 1_000)} s; attach a browser again`);
          return;
        }
        await pause(retryDelay(failures), closing);
      }
    }
    settleFirst(closing.reason);
    this.#setStatus("gone", "the link was closed");
  }

  async #attach(): Promise<Attachment> {
    const timeoutMs = this.#options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const attempt = new AbortController();
    const onTimeout = (): void => {
      const why = `The browser did not answer within ${timeoutMs} ms; it may hang, restart it or check the address`;
      attempt.abort(attachFailed(why));
    };
    const timer = setTimeout(onTimeout, timeoutMs);
    const onClosing = (): void => attempt.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", onClosing, { once: true });
    let connection: CdpConnection | undefined;
    try {
      const { signal } = attempt;
      const given = await orAbort(this.#options.endpoint(signal), signal);
      const endpoint = await orAbort(resolveEndpoint(given, signal, this.#options.targets), signal);
      connection = await CdpConnection.connect(endpoint.url, signal, endpoint.lookup).catch(
        (error: unknown) => {
          throw signal.aborted ? signal.reason : nothingThere(error);
        },
      );
      const attachment = this.#build(connection, endpoint);
      await orAbort(attachment.tracker.start(), signal);
      // Not awaited: a page that hangs must not keep the others from being live.
      void attachment.pipe.releaseHeld();
      return attachment;
    } catch (error) {
      connection?.close();
      if (error instanceof BrowserError || isTargetRefused(error)) throw error;
      throw attachFailed("The browser could not be attached; check that it runs and its address", error);
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener("abort", onClosing);
    }
  }

  #build(connection: CdpConnection, endpoint: Endpoint): Attachment {
    const tracker: TabTracker = new TabTracker(
      connection,
      {
        changed: () => this.#changed(),
        dialog: (tab) => {
          pipe.dialogChanged(tab);
          this.#emit((listener) => listener.blocked?.());
          this.#changed();
        },
        removed: (tab) => {
          // A tab that only the connection lost goes on holding its keys: `releaseHeld` sees to it afterwards.
          if (!connection.browser.closed) this.#held.forget(tab.tabId);
          pipe.tabRemoved(tab);
        },
        dragIntercepted: (tab, data) => pipe.dragIntercepted(tab, data),
      },
      this.#logger,
    );
    const pipe = new InputPipe(tracker, this.#held, this.#options.navigation);
    const screencast = new Screencast((frame, done) => this.#frame(frame, done), this.#logger);
    return { endpoint, connection, tracker, pipe, screencast };
  }

  #goLive(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#publish();
    attachment.screencast.setOptions(this.#capture);
    this.#setStatus("live");
  }

  /** Resolves, to the reason, when the connection is over. */
  async #untilLost(attachment: Attachment): Promise<string> {
    const { connection, tracker } = attachment;
    const { heartbeatMs = HEARTBEAT_MS, heartbeatTimeoutMs = HEARTBEAT_TIMEOUT_MS } = this.#options;
    let silentBrowser = false;
    const beat = (): void => {
      within(tracker.refresh(), heartbeatTimeoutMs).catch(() => {
        silentBrowser = !connection.browser.closed;
        connection.close();
      });
    };
    const heartbeat = setInterval(beat, heartbeatMs).unref();
    const onClosing = (): void => connection.close();
    this.#closing.signal.addEventListener("abort", onClosing, { once: true });
    if (this.#closing.signal.aborted) connection.close();
    const why = await connection.closed;
    clearInterval(heartbeat);
    this.#closing.signal.removeEventListener("abort", onClosing);
    return silentBrowser ? "the browser does not answer" : why;
  }

  #detach(attachment: Attachment, why: string): void {
    this.#attachment = undefined;
    attachment.screencast.end();
    attachment.pipe.end(`The connection to the browser was lost (${why}); it is being sought`);
    attachment.tracker.end();
    this.#publish();
  }

  #setStatus(status: LinkStatus, detail?: string): void {
    this.#status = status;
    this.#emit((listener) => listener.status?.(status, detail));
  }

  /** Several changes of one moment (a navigation makes five) are told once. */
  #changed(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(() => {
      this.#publishing = false;
      if (this.#attachment) this.#publish();
    });
  }

  #publish(): void {
    const attachment = this.#attachment;
    const tabs = attachment?.tracker.list() ?? [];
    const dialog = attachment?.tracker.active?.dialog ?? null;
    attachment?.screencast.setTab(attachment.tracker.active);
    attachment?.pipe.pump();
    if (JSON.stringify(tabs) !== JSON.stringify(this.#tabs)) {
      this.#tabs = tabs;
      this.#emit((listener) => listener.tabs?.(tabs));
    }
    if (dialog !== this.#dialog) {
      this.#dialog = dialog;
      this.#emit((listener) => listener.dialog?.(dialog));
    }
  }

  #frame(frame: Frame, done: () => void): void {
    let taken = false;
    this.#emit((listener) => {
      if (!listener.frame) return;
      taken = true;
      listener.frame(frame, done);
    });
    // Otherwise a moment without receivers would stop the capture for good.
    if (!taken) done();
  }

  #emit(tell: (listener: BrowserListener) => void): void {
    for (const listener of this.#listeners) {
      try {
        tell(listener);
      } catch (error) {
        // One receiver's mistake must not end the connection for the others.
        this.#logger.warn({ error }, "a browser listener threw");
      }
    }
  }
}

/** In one word: messages of what lies below may quote a secret address, or what was found there. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  for (const each of [cause, error]) {
    const { code } = (each ?? {}) as { code?: unknown };
    if (typeof code === "string") return code;
  }
  return "unknown";
}

/** Doubles from 100 ms to 5 s; half of it at random, so that nodes that lost one browser don't return in step. */
function retryDelay(failures: number): number {
  const full = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
  return full / 2 + Math.random() * (full / 2);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
  });
}

function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
