import { BatonError } from "../../protocol/errors.ts";
import type { Dialog } from "../../protocol/preview.ts";
import { BrowserError, type LinkTab } from "./browser.ts";
import { CdpError, type CdpSession } from "./cdp-connection.ts";

/** A page chooses its title and address and every viewer gets them: longer ones are cut. */
const MAX_TITLE_LENGTH = 256;
const MAX_URL_LENGTH = 2_048;

/** One page target, as this node's connection sees it. */
export class PageTab {
  readonly tabId: string;
  readonly session: CdpSession;
  readonly openerId: string | undefined;
  title = "";
  url = "";
  loading = false;
  canGoBack = false;
  canGoForward = false;
  dialog: Dialog | null = null;
  /** The frame that opened it. */
  dialogFrameId: string | undefined;
  /** Grows at every interruption, so that an operation of several steps can see that it was cut off. */
  interruptions = 0;
  readonly #unanswered = new Set<() => void>();

  constructor(tabId: string, session: CdpSession, openerId: string | undefined) {
    this.tabId = tabId;
    this.session = session;
    this.openerId = openerId;
  }

  /** Commands that were sent and are not settled yet. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /**
   * Settles when `answer` does, or when it never will: the tab closed or crashed, the connection went, or a dialog
   * blocks the page. Rejects with `BrowserError` when Chromium refused the command.
   */
  track(answer: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#unanswered.delete(settle);
        resolve();
      };
      this.#unanswered.add(settle);
      answer.then(settle, (error: unknown) => {
        this.#unanswered.delete(settle);
        if (neverWill(error)) resolve();
        else reject(refused(error));
      });
      // The page answers nothing until the dialog is closed; what is sent now waits in Chromium meanwhile.
      if (this.dialog) settle();
    });
  }

  /** Counts everything unanswered as handled. */
  interrupt(): void {
    this.interruptions += 1;
    for (const settle of this.#unanswered) settle();
  }

  toTab(active: boolean): LinkTab {
    return {
      tabId: this.tabId,
      title: this.title.slice(0, MAX_TITLE_LENGTH),
      url: this.url.slice(0, MAX_URL_LENGTH),
      active,
      canGoBack: this.canGoBack,
      canGoForward: this.canGoForward,
      loading: this.loading,
    };
  }
}

function neverWill(error: unknown): boolean {
  return error instanceof CdpError && (error.reason === "closed" || error.reason === "crashed");
}

/** Chromium did not carry a command out. */
export function refused(error: unknown): BrowserError | BatonError {
  if (error instanceof BrowserError || error instanceof BatonError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new BrowserError("browser_unavailable", `The browser refused the input (${detail}); try again`, {
    cause: error,
  });
}
