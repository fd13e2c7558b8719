/** A browser without a browser, for tests of what uses `BrowserLink`. The contract suite holds it to Chromium's ways. */
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog } from "../../protocol/preview.ts";
import { type AttachOptions, type BrowserProvider, type LaunchOptions } from "./browser.ts";
import { FakeLaunchedBrowser, fakeAnswers } from "./fake-launch.ts";

import { FakeBrowserLink, SMALLEST_JPEG } from "./fake-link.ts";

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
