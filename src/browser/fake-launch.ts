/** The launched side of the fake: it keeps its pages in a real folder, so that another provider finds them there. */
import { mkdir, rm } from "node:fs/promises";
import { BrowserError, type LaunchOptions, type LaunchedBrowser } from "./browser.ts";
import { KeptRecord } from "./kept-record.ts";

/** What of a fake browser its launch needs. */
interface Pages {
  readonly pages: readonly { readonly url: string }[];
  openTab(url: string): string;
}

/** All that run, of any provider, as if on one machine. */
const running = new Map<string, FakeLaunchedBrowser>();
let lastLaunch = 0;

export function fakeAnswers(endpoint: string): boolean {
  return running.has(endpoint);
}

export class FakeLaunchedBrowser implements LaunchedBrowser {
  readonly options: LaunchOptions;
  readonly #browser: Pages;
  readonly #record: KeptRecord | undefined;
  #current: string | undefined;
  #starting: Promise<string> | undefined;
  #closed = false;

  constructor(browser: Pages, options: LaunchOptions) {
    this.#browser = browser;
    this.options = options;
    if (options.userDataDir !== undefined) this.#record = new KeptRecord(options.userDataDir);
  }

  get pid(): undefined {
    return undefined;
  }

  async endpoint(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#closed)
      throw new BrowserError("browser_unavailable", "The launched browser was closed; launch a new one");
    this.#starting ??= this.#ensure().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /** The process dies; `endpoint` starts it anew. */
  crash(): void {
    if (this.#current !== undefined) running.delete(this.#current);
    this.#current = undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#starting?.catch(() => {});
    if (this.#current !== undefined) this.#record?.save(this.#urls());
    this.crash();
    await this.#record?.stop();
  }

  async discard(): Promise<void> {
    await this.close();
    const { userDataDir } = this.options;
    if (userDataDir === undefined || this.#other()) return;
    await rm(userDataDir, { recursive: true, force: true });
  }

  async #ensure(): Promise<string> {
    const other = this.#other();
    if (other !== undefined) return other;
    if (this.#current !== undefined) return this.#current;
    const { userDataDir, url } = this.options;
    if (userDataDir !== undefined) await mkdir(userDataDir, { recursive: true, mode: 0o700 });
    const kept = (await this.#record?.read()) ?? "never";
    const first = kept === "never" && url !== undefined ? [url] : [];
    const open = new Set(this.#urls());
    const missing = (typeof kept === "string" ? first : kept).filter((wanted) => !open.has(wanted));
    for (const wanted of missing) this.#browser.openTab(wanted);
    await this.#record?.begin(this.#urls());
    lastLaunch += 1;
    this.#current = `ws://127.0.0.1:1/devtools/browser/fake-${lastLaunch}`;
    running.set(this.#current, this);
    return this.#current;
  }

  /** The endpoint of another one that runs on the same profile. */
  #other(): string | undefined {
    const { userDataDir } = this.options;
    if (userDataDir === undefined) return undefined;
    const found = [...running].find(
      ([, other]) => other !== this && other.options.userDataDir === userDataDir,
    );
    return found?.[0];
  }

  #urls(): string[] {
    return this.#browser.pages.map((page) => page.url).filter((url) => /^https?:/.test(url));
  }
}
