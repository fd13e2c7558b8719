import type { Protocol } from "devtools-protocol";
import { CdpConnection } from "./cdp-connection.ts";

/** Tabs that are opened again after a crash; of more, the oldest are not. */
const MAX_RESTORED_TABS = 20;
/** A page can make its address megabytes long; such a one is not opened again. */
const MAX_URL_LENGTH = 32_768;

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

/**
 * Remembers which pages a launched browser has open, so that they can be opened again in the next one. Chromium's
 * own session restore does nothing when it runs headless.
 */
export class PageKeeper {
  /** Address by target id, in the order the tabs were opened. */
  readonly #pages = new Map<string, string>();
  #connection: CdpConnection | undefined;
  /** The profile's own browser context: pages of an agent's throw-away contexts are not opened again in it. */
  #contextId: string | undefined;

  get urls(): string[] {
    return [...this.#pages.values()].filter(isRestorable).slice(-MAX_RESTORED_TABS);
  }

  /** Gives the fresh browser its viewport, opens `urls` in place of its blank page, and follows its pages from then on. */
  async start(
    endpoint: string,
    urls: readonly string[],
    viewport: Viewport,
    signal: AbortSignal,
  ): Promise<void> {
    this.stop();
    const connection = await CdpConnection.connect(endpoint, signal);
    this.#connection = connection;
    const { browser } = connection;
    const { targetInfos } = await browser.send("Target.getTargets", {});
    const blank = targetInfos.find(({ type }) => type === "page");
    this.#contextId = blank?.browserContextId;
    if (blank) {
      const { targetId } = blank;
      const { windowId } = await browser.send("Browser.getWindowForTarget", { targetId });
      // --window-size counts the browser's own bars, which headless Chromium has too. Older ones lack the command.
      await browser.send("Browser.setContentsSize", { windowId, ...viewport }).catch(() => undefined);
    }
    this.#pages.clear();
    let onBlankClosed: () => void = () => {};
    const blankClosed = new Promise<void>((resolve) => (onBlankClosed = resolve));
    browser.on("Target.targetCreated", ({ targetInfo }) => this.#note(targetInfo));
    browser.on("Target.targetInfoChanged", ({ targetInfo }) => this.#note(targetInfo));
    browser.on("Target.targetDestroyed", ({ targetId }) => {
      this.#pages.delete(targetId);
      if (targetId === blank?.targetId) onBlankClosed();
    });
    await browser.send("Target.setDiscoverTargets", { discover: true });
    for (const url of urls) await browser.send("Target.createTarget", { url });
    if (blank && urls.length > 0) {
      await browser.send("Target.closeTarget", { targetId: blank.targetId });
      await Promise.race([blankClosed, connection.closed]);
    }
  }

  /** Stops following; what was open is still known. */
  stop(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #note(info: Protocol.Target.TargetInfo): void {
    if (info.type !== "page" || info.url === "" || info.browserContextId !== this.#contextId) return;
    this.#pages.set(info.targetId, info.url);
  }
}

function isRestorable(url: string): boolean {
  return /^https?:/i.test(url) && url.length <= MAX_URL_LENGTH;
}
