/** A link to a fake browser: what a node sees of it, and how it drives it. */
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog } from "../../protocol/preview.ts";
import { checkNavigation } from "../targets/navigation.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import {
  BrowserError,
  type AttachOptions,
  type BrowserLink,
  type BrowserListener,
  type BrowserVersion,
  type LinkStatus,
  type LinkTab,
  type ScreencastOptions,
} from "./browser.ts";
import { isTargetRefused } from "./endpoint.ts";
import { HeldInput } from "./held-input.ts";
import { keyParams } from "./input.ts";

import type { FakeBrowser } from "./fake.ts";

/** Pictures that Chromium sends ahead of the acknowledgements. */
const FRAMES_AHEAD = 3;
export const SMALLEST_JPEG: Uint8Array = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);

export class FakeBrowserLink implements BrowserLink {
  readonly held = new HeldInput();
  readonly #browser: FakeBrowser;
  readonly #listeners = new Set<BrowserListener>();
  readonly #navigation: TargetPolicy | undefined;
  readonly #first: Promise<void>;
  readonly #unsettled = new Set<Promise<void>>();
  #status: LinkStatus = "connecting";
  #tabs: readonly LinkTab[] = [];
  #dialog: Dialog | null = null;
  #capture: ScreencastOptions | undefined;
  #generation = 0;
  #unacknowledged = 0;
  #waitingPicture: Uint8Array | undefined;
  #steps: Promise<void> = Promise.resolve();

  constructor(browser: FakeBrowser, options: AttachOptions) {
    this.#browser = browser;
    this.#navigation = options.navigation;
    this.#first = this.#start(options);
    this.#first.catch(() => {});
  }

  get status(): LinkStatus {
    return this.#status;
  }

  get tabs(): readonly LinkTab[] {
    return this.#tabs;
  }

  /** Nobody listens there: what goes beside the link finds no browser. */
  get endpoint(): string | undefined {
    return this.status === "live" ? "ws://127.0.0.1:0/devtools/browser/fake" : undefined;
  }

  readonly lookup = undefined;

  async forgetConsole(): Promise<void> {}

  async cookieValues(): Promise<ReadonlySet<string>> {
    return new Set();
  }

  async version(): Promise<BrowserVersion> {
    if (this.status !== "live")
      throw new BrowserError("browser_unavailable", "The browser is not connected; wait until it is live");
    return {
      protocolVersion: "1.3",
      product: "Fake/1.0",
      revision: "@1",
      userAgent: "Fake",
      jsVersion: "1.0",
    };
  }

  get dialog(): Dialog | null {
    return this.#dialog;
  }

  get blocked(): ReadonlySet<string> {
    return new Set(this.#browser.pages.filter(({ dialog }) => dialog !== null).map(({ tabId }) => tabId));
  }

  /** What the capture was last started with; undefined while it is off. */
  get capture(): ScreencastOptions | undefined {
    return this.#capture;
  }

  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#status === "live") return;
    if (signal?.aborted) throw attachFailed();
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(attachFailed()), { once: true });
    });
    await Promise.race([this.#first, aborted]);
  }

  dispatch(event: InputEvent, mayLeave: () => boolean = () => true): Promise<void> {
    const sent = this.#steps.then(() => {
      if (!mayLeave()) throw new BrowserError("fenced", "The input was dropped");
      return this.#dispatch(event);
    });
    // As in the real one, what follows an operation of several commands waits until its last one was sent.
    if (event.kind === "tab" || event.kind === "navigate" || event.kind === "paste") {
      this.#steps = sent.catch(() => {});
    }
    const quiet = sent.catch(() => {}).finally(() => this.#unsettled.delete(quiet));
    this.#unsettled.add(quiet);
    return sent;
  }

  async drain(): Promise<void> {
    await Promise.all(this.#unsettled);
    const { buttons, keys } = this.held.take();
    if (this.#status !== "live") return;
    const releases = [
      ...buttons.map(({ tabId, button, x, y }) =>
        this.#browser.receive(tabId, { kind: "mouse", action: "up", x, y, button, buttons: 0 }),
      ),
      ...keys.map(({ tabId, params }) =>
        this.#browser.receive(tabId, { kind: "key", action: "up", key: params.key ?? "" }),
      ),
    ];
    await Promise.all(releases);
  }

  startScreencast(options: ScreencastOptions): void {
    if (this.#capture?.quality === options.quality) return;
    this.#capture = options;
    this.#restartCapture();
  }

  stopScreencast(): void {
    this.#capture = undefined;
    this.#generation += 1;
  }

  async probe(timeoutMs: number): Promise<boolean> {
    void timeoutMs;
    return this.#status === "live" && !this.#browser.hanging;
  }

  subscribe(listener: BrowserListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#status === "gone") return;
    this.#browser.links.delete(this);
    this.#setStatus("gone", "the link was closed");
    this.#listeners.clear();
  }

  lost(why: string): void {
    this.changed();
    this.#setStatus("reconnecting", why);
  }

  found(): void {
    if (this.#status === "live") return;
    this.held.take();
    this.changed();
    this.#setStatus("live");
    this.#restartCapture();
  }

  changed(): void {
    const { active, pages } = this.#browser;
    const tabs = pages.map(({ tabId, title, url }) => ({
      tabId,
      title,
      url,
      active: tabId === active?.tabId,
    }));
    if (JSON.stringify(tabs) !== JSON.stringify(this.#tabs)) {
      this.#tabs = tabs;
      for (const listener of this.#listeners) listener.tabs?.(tabs);
    }
    const dialog = active?.dialog ?? null;
    if (dialog !== this.#dialog) {
      this.#dialog = dialog;
      for (const listener of this.#listeners) {
        listener.dialog?.(dialog);
        listener.blocked?.();
      }
    }
  }

  paint(jpeg: Uint8Array): void {
    const tabId = this.#browser.active?.tabId;
    if (!this.#capture || this.#status !== "live" || tabId === undefined) return;
    if (this.#unacknowledged >= FRAMES_AHEAD) {
      this.#waitingPicture = jpeg;
      return;
    }
    this.#unacknowledged += 1;
    const generation = this.#generation;
    let acknowledged = false;
    const done = (): void => {
      if (acknowledged || generation !== this.#generation) return;
      acknowledged = true;
      this.#unacknowledged -= 1;
      const next = this.#waitingPicture;
      this.#waitingPicture = undefined;
      if (next) this.paint(next);
    };
    const decode = (headroomBytes: number): Uint8Array => {
      const bytes = new Uint8Array(headroomBytes + jpeg.byteLength);
      bytes.set(jpeg, headroomBytes);
      return bytes;
    };
    const frame = { decode, viewportWidth: 1280, viewportHeight: 800, capturedAt: Date.now(), tabId };
    let taken = false;
    for (const listener of this.#listeners) {
      if (!listener.frame) continue;
      taken = true;
      listener.frame(frame, done);
    }
    if (!taken) done();
  }

  async #start(options: AttachOptions): Promise<void> {
    try {
      const endpoint = await options.endpoint(AbortSignal.timeout(options.connectTimeoutMs ?? 10_000));
      await options.targets?.check(endpoint);
    } catch (error) {
      throw error instanceof BrowserError || isTargetRefused(error) ? error : attachFailed(error);
    }
    if (this.#status === "gone") throw unavailable("The browser link was closed");
    this.#browser.links.add(this);
    if (!this.#browser.running) throw attachFailed();
    this.found();
  }

  async #dispatch(event: InputEvent): Promise<void> {
    if (this.#status !== "live") {
      throw unavailable(`The browser is not connected (${this.#status}); wait until it is live`);
    }
    const browser = this.#browser;
    if (event.kind === "tab") return this.#tab(event.action, event.tabId);
    const page = browser.active;
    if (!page) throw unavailable("No tab is open; open one first");
    if (event.kind === "navigate" && event.to === "url") {
      if (event.url === undefined) throw invalid('navigate with to "url" needs a url');
      if (this.#navigation) await checkNavigation(this.#navigation, event.url);
      browser.navigate(event.url);
    }
    if (event.kind === "dialog") {
      if (!page.dialog) throw invalid("No dialog is open in the shown tab");
      browser.received.push({ tabId: page.tabId, event });
      return browser.closeDialog();
    }
    if (page.dialog && event.kind !== "navigate") {
      if ("action" in event && event.action !== "down") return;
      throw unavailable("A dialog blocks the page; answer it first");
    }
    let tabId = page.tabId;
    if (event.kind === "mouse" || event.kind === "key") {
      if (event.action === "up") tabId = this.held.tabOf(event) ?? tabId;
      if (event.kind === "mouse") this.held.mouse(event, tabId);
      else this.held.key(event, tabId, keyParams(event));
    }
    await browser.receive(tabId, event);
  }

  #tab(action: "select" | "close" | "open", tabId: string | undefined): void {
    if (action === "open") return void this.#browser.openTab("about:blank");
    const page = this.#browser.page(tabId ?? "");
    if (!page) throw invalid(`There is no tab ${tabId ?? "(none given)"}; take one of browser.tabs`);
    if (action === "select") this.#browser.show(page);
    else this.#browser.closeTab(page.tabId);
  }

  #restartCapture(): void {
    this.#generation += 1;
    this.#unacknowledged = 0;
    this.#waitingPicture = undefined;
    this.paint(SMALLEST_JPEG);
  }

  #setStatus(status: LinkStatus, detail?: string): void {
    this.#status = status;
    for (const listener of this.#listeners) listener.status?.(status, detail);
  }
}

/** All its links lead to one `browser`, and so do its launches: to open a page in one opens it in all. */

function attachFailed(cause?: unknown): BrowserError {
  return new BrowserError("browser_attach_failed", "The browser could not be attached; check its address", {
    cause,
  });
}

function unavailable(message: string): BrowserError {
  return new BrowserError("browser_unavailable", message);
}

function invalid(message: string): BrowserError {
  return new BrowserError("invalid_message", message);
}
