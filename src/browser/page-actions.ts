/** Input that takes Chromium several commands. Each resolves when the last one was sent, to its answer. */
import type { NavigateInput } from "../../protocol/input.ts";
import { checkNavigation } from "../targets/navigation.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import { BrowserError } from "./browser.ts";
import { CdpError } from "./cdp-connection.ts";
import type { PageTab } from "./page-tab.ts";
import { within } from "./within.ts";

/** A page that has not run a paste handler after this long is hanging; what comes after the paste must go on. */
const PASTE_TIMEOUT_MS = 2_000;
/** How often, and with what pause, a navigation is tried that meets another one. */
const MAX_ATTEMPTS = 20;
const RETRY_MS = 50;
/** Scripts of the page don't see this world, and can't replace what is called in it. */
const WORLD_NAME = "baton";

/** Wraps the answer, so that awaiting "sent" does not await it too. */
export interface Sent {
  readonly answer: Promise<unknown>;
}

/** On which terms a navigation may leave for the browser. */
export interface Leave {
  readonly mayLeave: () => boolean;
  readonly navigation: TargetPolicy | undefined;
}

/** Resolves once Chromium has begun it. @throws BatonError `target_refused`, `too_many` */
export async function navigate(tab: PageTab, event: NavigateInput, leave: Leave): Promise<Sent> {
  const { session } = tab;
  const before = tab.interruptions;
  if (event.to === "url" && leave.navigation && !leave.navigation.any) {
    await checkNavigation(leave.navigation, event.url ?? "");
    // Whoever drove when the host was looked up may not do so any more (C6).
    if (!leave.mayLeave()) throw fenced();
    if (tab.interruptions !== before) return { answer: Promise.resolve() };
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await begin();
      return { answer: Promise.resolve() };
    } catch (error) {
      if (isRefused(error, /invalid URL/i)) {
        throw new BrowserError(
          "invalid_message",
          `The browser can't open ${event.url ?? "it"}; check the address`,
        );
      }
      // Chromium takes no command while it swaps the old page for the new one.
      if (!isRefused(error, /not attached to an active page/i) || attempt === MAX_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (tab.interruptions !== before) return { answer: Promise.resolve() };
    }
  }

  async function begin(): Promise<void> {
    switch (event.to) {
      case "url":
        return begun(tab, session.send("Page.navigate", { url: event.url ?? "" }));
      case "reload":
        return begun(tab, session.send("Page.reload", {}));
      case "stop":
        return session.send("Page.stopLoading");
      case "back":
      case "forward": {
        const { currentIndex, entries } = await session.send("Page.getNavigationHistory");
        const entry = entries[currentIndex + (event.to === "back" ? -1 : 1)];
        // As with a browser's button, nothing happens at the end of the history.
        if (!entry || tab.interruptions !== before) return;
        return begun(tab, session.send("Page.navigateToHistoryEntry", { entryId: entry.id }));
      }
    }
  }
}

/**
 * Chromium answers a navigation when the server did, or when a dialog of the old page is closed. It has taken it
 * once a later command is answered, and nobody should wait for a slow server to hand the browser over.
 */
async function begun(tab: PageTab, navigation: Promise<unknown>): Promise<void> {
  // A refusal comes before this answer, so that it wins the race; that this is answered at all is enough.
  const later = tab.session.send("Page.getNavigationHistory").catch(() => undefined);
  await Promise.race([navigation, later]);
}

export function fenced(): BrowserError {
  return new BrowserError("fenced", "The input was held back until it was no longer wanted; it was dropped");
}

function isRefused(error: unknown, why: RegExp): boolean {
  return error instanceof CdpError && error.reason === "protocol" && why.test(error.message);
}

export async function paste(
  tab: PageTab,
  text: string,
  follow: (answer: Promise<unknown>) => void,
): Promise<Sent> {
  const before = tab.interruptions;
  const event = offerPaste(tab, text);
  follow(event);
  let handled: boolean;
  try {
    handled = await within(event, PASTE_TIMEOUT_MS);
  } catch (error) {
    if (tab.interruptions !== before) return { answer: Promise.resolve() };
    throw new BrowserError(
      "browser_unavailable",
      "The page did not take the paste; try again when it answers",
      {
        cause: error,
      },
    );
  }
  if (handled || tab.interruptions !== before) return { answer: Promise.resolve() };
  return { answer: tab.session.send("Input.insertText", { text }) };
}

/** Resolves to whether the page has dealt with the paste itself, or nothing more is to be done. */
async function offerPaste(tab: PageTab, text: string): Promise<boolean> {
  const before = tab.interruptions;
  const { executionContextId } = await tab.session.send("Page.createIsolatedWorld", {
    frameId: tab.tabId,
    worldName: WORLD_NAME,
  });
  // Who was told that this is over may have handed the browser to somebody else.
  if (tab.interruptions !== before) return true;
  const { result } = await tab.session.send("Runtime.callFunctionOn", {
    functionDeclaration: PASTE_FUNCTION,
    executionContextId,
    arguments: [{ value: text }],
    returnByValue: true,
    userGesture: true,
  });
  return result.value === true;
}

/** Runs in the page. An element inside an iframe gets no event, only the text: its document is out of reach. */
const PASTE_FUNCTION = `function (text) {
  let target = document.activeElement ?? document.body;
  while (target?.shadowRoot?.activeElement) target = target.shadowRoot.activeElement;
  if (!target || /^(?:IFRAME|FRAME)$/.test(target.tagName)) return false;
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true, composed: true });
  return !target.dispatchEvent(event);
}`;
