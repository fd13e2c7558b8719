/** A real Chromium, a link to it, a site of its own, and a second connection to look into its pages. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { BrowserListener } from "../../../src/browser/browser.ts";
import { CdpConnection, type CdpSession } from "../../../src/browser/cdp-connection.ts";
import { ChromiumLink, type ChromiumLinkOptions } from "../../../src/browser/chromium-link.ts";
import { findChromium } from "../../../src/browser/find-chromium.ts";
import { ChromiumProcess, type ChromiumProcessOptions } from "../../../src/browser/launch-chromium.ts";

/** `seen` records what the page gets; `until` resolves at the event that makes its condition true. */
const RECORDER = `<script>
  window.seen = [];
  const waiting = new Set();
  const note = (text) => { seen.push(text); for (const check of waiting) check(); };
  window.note = note;
  window.until = (condition) => new Promise((resolve) => {
    const check = () => condition() && (waiting.delete(check), resolve(true));
    waiting.add(check); check();
  });
  for (const type of ["mousedown", "mouseup", "click", "dblclick", "contextmenu"])
    addEventListener(type, (e) => note(type + " " + e.button + " " + e.detail), true);
  addEventListener("mousemove", (e) => note("mousemove " + e.clientX + " " + e.buttons), true);
  addEventListener("wheel", (e) => note("wheel " + e.deltaY), true);
  for (const type of ["keydown", "keyup"])
    addEventListener(type, (e) => note(type + " " + e.key + " " + e.keyCode), true);
  addEventListener("load", () => fetch("/ready" + location.pathname));
</script>`;

export class Site {
  readonly #pages = new Map<string, string>();
  readonly #ready = new Map<string, () => void>();
  #heldArrived: () => void = () => {};
  #answerHeld: () => void = () => {};
  /** Resolves when a page has asked for /hold, which is answered by `release` only. */
  held = new Promise<void>((resolve) => (this.#heldArrived = resolve));
  readonly #server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://site").pathname;
    if (path.startsWith("/ready/")) {
      this.#ready.get(path.slice("/ready".length))?.();
      response.end();
      return;
    }
    if (path === "/hold") {
      this.#answerHeld = () => response.end();
      this.#heldArrived();
      return;
    }
    const page = this.#pages.get(path);
    response.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html; charset=utf-8" });
    response.end(page === undefined ? "" : `<!doctype html><title>${path}</title>${RECORDER}${page}`);
  });

  release(): void {
    this.held = new Promise((resolve) => (this.#heldArrived = resolve));
    this.#answerHeld();
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves `html` under a path of its own; `loaded` resolves when a browser has loaded it. */
  add(html: string): { path: string; url: string; loaded: Promise<void> } {
    const path = `/p${this.#pages.size}`;
    this.#pages.set(path, html);
    return { path, url: this.origin + path, loaded: this.loads(path) };
  }

  /** Resolves when a browser loads the page from now on. */
  loads(path: string): Promise<void> {
    return new Promise((resolve) => this.#ready.set(path, resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Bench {
  readonly browser: ChromiumProcess;
  readonly link: ChromiumLink;
  readonly site: Site;
  /** Opens a page of this body in the shown tab. */
  open(html: string): Promise<void>;
  /** Evaluates in the shown tab, or in another one; promises are awaited. */
  evaluate(expression: string, tabId?: string): Promise<unknown>;
  /** What the shown page has got, once `condition` holds in it. Clears the record. */
  seen(condition: string): Promise<string[]>;
  crashShownPage(): Promise<void>;
  close(): Promise<void>;
}

export async function chromiumProcess(
  options: Partial<ChromiumProcessOptions> = {},
): Promise<ChromiumProcess> {
  return new ChromiumProcess({ executablePath: await findChromium(), ...options });
}

export async function startBench(linkOptions: Partial<ChromiumLinkOptions> = {}): Promise<Bench> {
  const site = new Site();
  await site.listen();
  const browser = await chromiumProcess();
  const link = new ChromiumLink({ endpoint: (signal) => browser.endpoint(signal), ...linkOptions });
  await link.ready();
  const endpoint = await browser.endpoint(AbortSignal.timeout(10_000));
  const connection = await CdpConnection.connect(endpoint, AbortSignal.timeout(10_000));
  const sessions = new Map<string, Promise<CdpSession>>();
  const evaluate = async (expression: string, tabId = shownTab(link)): Promise<unknown> => {
    const attached = sessions.get(tabId) ?? connection.attach(tabId);
    sessions.set(tabId, attached);
    const session = await attached;
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      userGesture: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as unknown;
  };
  return {
    browser,
    link,
    site,
    evaluate,
    async open(html) {
      const { url, loaded } = site.add(html);
      await link.dispatch({ kind: "navigate", to: "url", url });
      await loaded;
    },
    async seen(condition) {
      return (await evaluate(`until(() => ${condition}).then(() => seen.splice(0))`)) as string[];
    },
    async crashShownPage() {
      const session = await sessions.get(shownTab(link));
      // Never answered: the page it is sent to dies of it.
      session?.post("Page.crash");
    },
    async close() {
      connection.close();
      await link.close();
      await browser.close();
      await site.close();
    },
  };
}

export function shownTab(link: { readonly tabs: readonly { tabId: string; active: boolean }[] }): string {
  const shown = link.tabs.find((tab) => tab.active);
  if (!shown) throw new Error("no tab is shown");
  return shown.tabId;
}

/** Resolves at the first event for which `pick` gives something. */
export function next<T>(
  link: { subscribe(listener: BrowserListener): () => void },
  listen: (found: (value: T) => void) => BrowserListener,
): Promise<T> {
  return new Promise((resolve) => {
    const off = link.subscribe(
      listen((value) => {
        resolve(value);
        queueMicrotask(() => off());
      }),
    );
  });
}

/** Resolves once `condition` holds, checked now and at every change of the link. */
export function until(
  link: { subscribe(listener: BrowserListener): () => void },
  condition: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!condition()) return;
      resolve();
      queueMicrotask(() => off());
    };
    const off = link.subscribe({ status: check, tabs: check, dialog: check });
    check();
  });
}
