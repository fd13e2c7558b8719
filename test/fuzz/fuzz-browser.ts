/** A browser for whoever fuzzes: addresses that end in a word make it do what browsers do, and it forgets what it got. */
import type {
  AttachOptions,
  BrowserProvider,
  LaunchOptions,
  LaunchedBrowser,
} from "../../src/browser/browser.ts";
import { FakeBrowser } from "../../src/browser/fake.ts";
import { FakeBrowserLink } from "../../src/browser/fake-link.ts";
import { FakeLaunchedBrowser, fakeAnswers } from "../../src/browser/fake-launch.ts";
import type { InputEvent } from "../../protocol/input.ts";

/** Inputs that are kept; the fake keeps all. */
const MAX_RECEIVED = 100;
const MAX_TABS = 8;
const CRASH_MS = 5;
const HANG_MS = 10;

/** What an address can end in. */
export const ACTS = ["#dialog", "#popup", "#crash", "#hang", "#hold", "#close"] as const;

class FuzzBrowser extends FakeBrowser {
  override receive(tabId: string, event: InputEvent): Promise<void> {
    if (this.received.length >= MAX_RECEIVED) this.received.length = 0;
    return super.receive(tabId, event);
  }

  override openTab(url: string, openerId?: string): string {
    const [oldest] = this.pages;
    if (oldest && this.pages.length >= MAX_TABS) this.closeTab(oldest.tabId);
    return super.openTab(url, openerId);
  }

  override navigate(url: string): void {
    super.navigate(url);
    const act = ACTS.find((word) => url.endsWith(word));
    if (act) setImmediate(() => this.#do(act));
  }

  #do(act: (typeof ACTS)[number]): void {
    switch (act) {
      case "#dialog":
        return this.openDialog({ type: "prompt", message: "Sure?", defaultPrompt: "yes" });
      case "#popup":
        return void this.openTab("https://popup.example/", this.active?.tabId);
      case "#close":
        return this.active && this.closeTab(this.active.tabId);
      case "#crash":
        if (!this.running) return;
        this.crash();
        return void setTimeout(() => this.restart(), CRASH_MS);
      case "#hang":
        this.hang();
        return void setTimeout(() => this.recover(), HANG_MS);
      case "#hold":
        this.holdAnswers();
        return void setTimeout(() => this.answer(), HANG_MS);
    }
  }
}

/** A link whose address leads to a server that speaks CDP, for agents' own connections. */
class FuzzLink extends FakeBrowserLink {
  readonly #upstream: string;
  #name = "fake";

  constructor(browser: FakeBrowser, options: AttachOptions, upstream: string) {
    const endpoint = async (signal: AbortSignal): Promise<string> => {
      const url = await options.endpoint(signal);
      named(new URL(url).pathname.split("/").at(-1) ?? "fake");
      return url;
    };
    // The base begins with the address at once, before this object's fields are there.
    let early: string | undefined;
    let named = (name: string): void => void (early = name);
    super(browser, { ...options, endpoint });
    this.#upstream = upstream;
    named = (name) => void (this.#name = name);
    if (early !== undefined) this.#name = early;
  }

  override get endpoint(): string | undefined {
    return this.status === "live" ? `${this.#upstream}/devtools/browser/${this.#name}` : undefined;
  }
}

/** @param upstream `ws:` address of whoever plays Chromium for agents */
export function fuzzProvider(upstream: string): BrowserProvider {
  return {
    attach: (options: AttachOptions) => new FuzzLink(new FuzzBrowser(), options, upstream),
    launch: async (options: LaunchOptions): Promise<LaunchedBrowser> =>
      new FakeLaunchedBrowser(new FuzzBrowser(), options),
    answers: async (endpoint) => fakeAnswers(endpoint),
  };
}
