/** A browser without a browser, for tests of what uses `BrowserLink`. The contract suite holds it to Chromium's ways. */
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog } from "../../protocol/preview.ts";
import { checkNavigation } from "../targets/navigation.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import {
  BrowserError,
  type AttachOptions,
  type BrowserLink,
  type BrowserListener,
  type BrowserProvider,
  type BrowserVersion,
  type LaunchOptions,
  type LinkStatus,
  type LinkTab,
  type ScreencastOptions,
} from "./browser.ts";
import { isTargetRefused } from "./endpoint.ts";
import { FakeLaunchedBrowser, fakeAnswers } from "./fake-launch.ts";
import { HeldInput } from "./held-input.ts";
import { keyParams } from "./input.ts";

/** Pictures that Chromium sends ahead of the acknowledgements. */
const FRAMES_AHEAD = 3;

export interface ReceivedInput {
  readonly tabId: string;
  /** What arrived; a release that `drain` sent looks like any other `up`. */
  readonly event: InputEvent;
}

interface FakePage {
  readonly tabId: string;
  readonly openerId: string | undefined;
  title: string;
  url: string;
  dialog: Dialog | null;
}

/** What runs behind the links. Tests steer it. */
export class FakeBrowser {
  readonly received: ReceivedInput[] = [];
  readonly links = new Set<FakeBrowserLink>();
  readonly pages: FakePage[] = [];
  active: FakePage | undefined;
  running = true;
  hanging = false;
  #unanswered: (() => void)[] = [];
  #holding = false;
  #lastId = 0;
  #recent: FakePage[] = [];

  constructor() {
    this.openTab("about:blank");
  }

  /** From now on input is received, but not answered until `answer`. */
  holdAnswers(): void {
    this.#holding = true;
  }

  answer(): void {
    this.#holding = false;
    this.#flush();
  }

  /** Neither input nor probes are answered until `recover`. */
  hang(): void {
    this.hanging = true;
  }

  recover(): void {
    this.hanging = false;
    if (!this.#holding) this.#flush();
  }

  /** The process is gone: links lose it, and find it again after `restart`. */
  crash(): void {
    this.running = false;
    this.pages.length = 0;
    this.active = undefined;
    this.#recent = [];
    this.#flush();
    for (const link of this.links) link.lost("the browser ended");
  }

  restart(): void {
    this.running = true;
    this.hanging = false;
    this.openTab("about:blank");
    for (const link of this.links) link.found();
  }

  /** A page opens, as a popup does when it has an opener, and is shown. */
  openTab(url: string, openerId?: string): string {
    this.#lastId += 1;
    const page = { tabId: `FAKE${this.#lastId}`, openerId, title: url, url, dialog: null };
    this.pages.push(page);
    this.show(page);
    return page.tabId;
  }

  closeTab(tabId: string): void {
    const page = this.page(tabId);
    if (!page) return;
    this.pages.splice(this.pages.indexOf(page), 1);
    this.#recent = this.#recent.filter((other) => other !== page);
    for (const link of this.links) link.held.forget(tabId);
    if (this.active !== page) return this.#changed();
    this.active = undefined;
    this.show(this.page(page.openerId ?? "") ?? this.#recent.at(-1) ?? this.pages.at(-1));
  }

  show(page: FakePage | undefined): void {
    if (this.active) this.#recent.push(this.active);
    this.#recent = this.#recent.filter((other) => other !== page).slice(-50);
    this.active = page;
    this.#changed();
    this.paint();
  }

  page(tabId: string): FakePage | undefined {
    return this.pages.find((page) => page.tabId === tabId);
  }

  navigate(url: string): void {
    if (!this.active) return;
    this.active.url = url;
    this.active.title = url;
    this.#changed();
    this.paint();
  }

  /** The shown page opens a dialog, which counts its unanswered input as handled. */
  openDialog(dialog: Omit<Dialog, "openedAt">): void {
    if (this.active) this.active.dialog = { ...dialog, openedAt: Date.now() };
    this.#flush();
    this.#changed();
  }

  closeDialog(): void {
    if (this.active) this.active.dialog = null;
    this.#changed();
  }

  /** The shown page changed: links that capture get a picture. */
  paint(jpeg: Uint8Array = SMALLEST_JPEG): void {
    for (const link of this.links) link.paint(jpeg);
  }

  receive(tabId: string, event: InputEvent): Promise<void> {
    this.received.push({ tabId, event });
    if (!this.#holding && !this.hanging) return Promise.resolve();
    return new Promise((resolve) => this.#unanswered.push(resolve));
  }

  #flush(): void {
    for (const settle of this.#unanswered.splice(0)) settle();
  }

  #changed(): void {
    for (const link of this.links) link.changed();
  }
}

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
    const frame = { jpeg, viewportWidth: 1280, viewportHeight: 800, capturedAt: Date.now(), tabId };
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
export class FakeBrowserProvider implements BrowserProvider {
  readonly browser = new FakeBrowser();
  /** Every launch so far, ended ones included. */
  readonly launches: FakeLaunchedBrowser[] = [];

  attach(options: AttachOptions): FakeBrowserLink {
    return new FakeBrowserLink(this.browser, options);
  }

  async launch(options: LaunchOptions): Promise<FakeLaunchedBrowser> {
    const launched = new FakeLaunchedBrowser(this.browser, options);
    this.launches.push(launched);
    return launched;
  }

  async answers(endpoint: string): Promise<boolean> {
    return fakeAnswers(endpoint);
  }
}

/** Start and end markers with nothing between: enough for whoever only passes pictures on. */
const SMALLEST_JPEG: Uint8Array = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);

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
