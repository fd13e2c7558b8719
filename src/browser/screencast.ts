import type { Frame, ScreencastOptions } from "./browser.ts";
import type { CdpEvent } from "./cdp-connection.ts";
import type { BrowserLogger } from "./logger.ts";
import type { PageTab } from "./page-tab.ts";
import { decodePicture } from "./picture.ts";

/** Wait before a capture that Chromium refused is tried again. */
const RETRY_MS = 500;

type FrameEvent = CdpEvent<"Page.screencastFrame">;

/**
 * Captures the shown tab of one connected browser. Each start makes Chromium send one picture at once, also of a
 * page that does not move; after that it sends one per change, a few ahead of the acknowledgements. A capture
 * survives navigations and crashes of its tab. The page is never resized: pictures have the viewport's size (P3).
 */
export class Screencast {
  readonly #onFrame: (frame: Frame, done: () => void) => void;
  readonly #logger: BrowserLogger;
  #options: ScreencastOptions | undefined;
  #tab: PageTab | undefined;
  /** What runs now; a new object per start, so that a late acknowledgement of an earlier start is recognised. */
  #running: { readonly tab: PageTab; readonly quality: number; readonly off: () => void } | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(onFrame: (frame: Frame, done: () => void) => void, logger: BrowserLogger) {
    this.#onFrame = onFrame;
    this.#logger = logger;
  }

  setOptions(options: ScreencastOptions | undefined): void {
    this.#options = options;
    this.#reconcile();
  }

  setTab(tab: PageTab | undefined): void {
    this.#tab = tab;
    this.#reconcile();
  }

  end(): void {
    this.#options = undefined;
    this.#reconcile();
  }

  #reconcile(): void {
    const tab = this.#options ? this.#tab : undefined;
    const quality = this.#options?.quality;
    if (this.#running && this.#running.tab === tab && this.#running.quality === quality) return;
    clearTimeout(this.#retry);
    if (this.#running) {
      this.#running.off();
      // Commands of one session are carried out in order, so the start below needn't wait for this.
      this.#running.tab.session.post("Page.stopScreencast");
      this.#running = undefined;
    }
    if (!tab || quality === undefined) return;
    const off = tab.session.on("Page.screencastFrame", (event) => this.#frame(tab, event));
    const running = { tab, quality, off };
    this.#running = running;
    tab.session.send("Page.startScreencast", { format: "jpeg", quality }).catch((error: unknown) => {
      if (this.#running !== running) return;
      this.#logger.warn({ error, tabId: tab.tabId }, "the browser refused to capture the tab; trying again");
      off();
      // A tab that crashed meanwhile may have kept the capture, and would refuse a second one.
      tab.session.post("Page.stopScreencast");
      this.#running = undefined;
      // A session that is gone takes its tab along, and the next tab starts anew.
      if (!tab.session.closed) this.#retry = setTimeout(() => this.#reconcile(), RETRY_MS).unref();
    });
  }

  #frame(tab: PageTab, { data, metadata, sessionId }: FrameEvent): void {
    if (typeof data !== "string" && !Buffer.isBuffer(data)) throw new TypeError("a frame has no picture");
    this.#onFrame(
      {
        decode: (headroomBytes) => decodePicture(data, headroomBytes),
        viewportWidth: metadata.deviceWidth,
        viewportHeight: metadata.deviceHeight,
        capturedAt: metadata.timestamp === undefined ? Date.now() : metadata.timestamp * 1_000,
        tabId: tab.tabId,
      },
      this.#acknowledgement(tab, sessionId),
    );
  }

  /** Apart from the frame: it is kept until a viewer has a picture, and would keep the message along with it. */
  #acknowledgement(tab: PageTab, sessionId: number): () => void {
    const running = this.#running;
    let acknowledged = false;
    return () => {
      // Chromium counts acknowledgements: a second one would let it run further ahead than it should.
      if (acknowledged || running !== this.#running) return;
      acknowledged = true;
      tab.session.post("Page.screencastFrameAck", { sessionId });
    };
  }
}
