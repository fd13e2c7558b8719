import type { Protocol } from "devtools-protocol";
import { CdpConnection } from "./cdp-connection.ts";

/** Tabs that are opened again in the next browser; of more, the oldest are not. */
export const MAX_RESTORED_TABS = 20;
/** A page can make its address megabytes long; such a one is not opened again. */
export const MAX_URL_LENGTH = 32_768;
/** A browser that ends takes its pages down first. Only a page that it outlives by this counts as closed. */
const CLOSED_AFTER_MS = 500;

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

export interface Opening {
  /** Pages that shall be open; undefined when nobody knows. */
  readonly urls: readonly string[] | undefined;
  /**
   * Whether the pages that Chromium itself brought back, if it did, are exactly those that were open. They are
   * after an orderly end; after a crash Chromium's own record may be half a minute old.
   */
  readonly trustRestored: boolean;
  readonly viewport: Viewport;
  /** Pages of files are not opened again, and closed where Chromium itself brought them back. */
  readonly webOnly: boolean;
}

/**
 * Knows which pages a launched browser has open, so that they can be opened again in the next one. What Chromium
 * restores itself is better where it is right, since it has history and session storage; not every version does.
 */
export class PageKeeper {
  /** Address by target id, in the order the tabs were opened. */
  readonly #pages = new Map<string, string>();
  readonly #closing = new Map<string, NodeJS.Timeout>();
  readonly #changed: (urls: readonly string[]) => void;
  #connection: CdpConnection | undefined;
  /** The profile's own browser context: pages of an agent's throw-away contexts are not opened again in it. */
  #contextId: string | undefined;

  constructor(changed: (urls: readonly string[]) => void = () => {}) {
    this.#changed = changed;
  }

  get urls(): string[] {
    return [...this.#pages.values()].filter(isRestorable).slice(-MAX_RESTORED_TABS);
  }

  /** Gives the fresh browser its pages and its viewport, and follows its pages from then on. */
  async start(endpoint: string, opening: Opening, signal: AbortSignal): Promise<void> {
    this.stop();
    this.#pages.clear();
    this.#contextId = undefined;
    const connection = await CdpConnection.connect(endpoint, signal);
    this.#connection = connection;
    const { browser } = connection;
    let onPage: () => void = () => {};
    const firstPage = new Promise<void>((resolve) => (onPage = resolve));
    const destroyed = new Map<string, () => void>();
    browser.on("Target.targetCreated", ({ targetInfo }) => {
      if (targetInfo.type === "page") this.#contextId ??= targetInfo.browserContextId;
      if (this.#note(targetInfo)) onPage();
    });
    browser.on("Target.targetInfoChanged", ({ targetInfo }) => this.#note(targetInfo));
    browser.on("Target.targetDestroyed", ({ targetId }) => {
      destroyed.get(targetId)?.();
      this.#closes(targetId);
    });
    void connection.closed.then(() => this.#connection === connection && this.stop());
    await browser.send("Target.setDiscoverTargets", { discover: true });
    await Promise.race([firstPage, connection.closed]);
    const close = async (targetId: string): Promise<void> => {
      const gone = new Promise<void>((resolve) => destroyed.set(targetId, resolve));
      await browser.send("Target.closeTarget", { targetId });
      await Promise.race([gone, connection.closed]);
      this.#pages.delete(targetId);
    };
    const present = new Map(this.#pages);
    await fitWindows(connection, [...present.keys()], opening.viewport);
    await arrange(connection, present, opening, close);
    this.#changed(this.urls);
  }

  /** Asks the browser to end, which saves its profile; a signal would not. Answers whether it could be asked. */
  endBrowser(): boolean {
    const connection = this.#connection;
    if (!connection) return false;
    // From here on pages that go away were not closed by anybody.
    this.#connection = undefined;
    this.stop();
    connection.browser.post("Browser.close");
    void connection.closed.then(() => connection.close());
    return true;
  }

  /** Stops following; what was open is still known. */
  stop(): void {
    for (const timer of this.#closing.values()) clearTimeout(timer);
    this.#closing.clear();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #note(info: Protocol.Target.TargetInfo): boolean {
    if (info.type !== "page" || info.url === "" || info.browserContextId !== this.#contextId) return false;
    if (this.#pages.get(info.targetId) === info.url) return true;
    this.#pages.set(info.targetId, info.url);
    this.#changed(this.urls);
    return true;
  }

  #closes(targetId: string): void {
    if (!this.#connection || !this.#pages.has(targetId)) return;
    const close = (): void => {
      this.#closing.delete(targetId);
      this.#pages.delete(targetId);
      this.#changed(this.urls);
    };
    this.#closing.set(targetId, setTimeout(close, CLOSED_AFTER_MS).unref());
  }
}

/** --window-size counts the browser's own bars, which headless Chromium has too, and is not kept by a restored window. */
async function fitWindows(
  { browser }: CdpConnection,
  targetIds: readonly string[],
  viewport: Viewport,
): Promise<void> {
  const windows = new Set<number>();
  for (const targetId of targetIds) {
    const { windowId } = await browser.send("Browser.getWindowForTarget", { targetId });
    if (windows.has(windowId)) continue;
    windows.add(windowId);
    // Older ones lack the command.
    await browser.send("Browser.setContentsSize", { windowId, ...viewport }).catch(() => undefined);
  }
}

/** Makes the wanted pages of those that are there, with as few new ones as possible. */
async function arrange(
  connection: CdpConnection,
  present: ReadonlyMap<string, string>,
  { urls, trustRestored, webOnly }: Opening,
  close: (targetId: string) => Promise<void>,
): Promise<void> {
  const { browser } = connection;
  const mayStay = (url: string): boolean => isRestorable(url) && !(webOnly && /^file:/i.test(url));
  const restored = [...present].filter(([, url]) => mayStay(url));
  if (restored.length > 0 && (trustRestored || !urls)) {
    for (const [targetId, url] of present) if (isRestorable(url) && !mayStay(url)) await close(targetId);
    return;
  }
  const missing: string[] = [];
  for (const url of (urls ?? []).filter(mayStay)) {
    const found = restored.findIndex(([, other]) => other === url);
    if (found === -1) missing.push(url);
    else restored.splice(found, 1);
  }
  for (const url of missing) {
    const { origin } = new URL(url);
    const found = restored.findIndex(([, other]) => new URL(other).origin === origin);
    const [kin] = found === -1 ? [] : restored.splice(found, 1);
    // An older state of the same page, perhaps: its session storage may hold half a login.
    if (kin) {
      const session = await connection.attach(kin[0]);
      session.post("Page.navigate", { url });
    } else await browser.send("Target.createTarget", { url });
  }
  const blanks = [...present].filter(([, url]) => !mayStay(url));
  const opened = (urls ?? []).some(mayStay);
  if (!opened && !blanks.some(([, url]) => url === "about:blank")) {
    await browser.send("Target.createTarget", { url: "about:blank" });
  } else if (!opened) {
    blanks.splice(
      blanks.findIndex(([, url]) => url === "about:blank"),
      1,
    );
  }
  for (const [targetId] of [...restored, ...blanks]) await close(targetId);
}

function isRestorable(url: string): boolean {
  return url.length <= MAX_URL_LENGTH && /^(https?|data|file):/i.test(url) && URL.canParse(url);
}
