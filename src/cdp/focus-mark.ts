/**
 * Where the agent was in a page when it was stopped: document, focused element, selection. Text that it had under way
 * goes on there, and not wherever the person left the cursor; input for a document that is gone goes nowhere.
 */
import type { Upstream } from "./upstream.ts";

/** Objects that the gate keeps in a page; released after use. */
const GROUP = "baton";
/** A page may be slow; whoever waits for it must not be. */
const MARK_MS = 1_000;

const MARK = `(() => {
  let element = document.activeElement;
  for (;;) {
    let inner = null;
    try {
      inner = element?.shadowRoot?.activeElement ?? element?.contentDocument?.activeElement;
    } catch {}
    if (!inner) break;
    element = inner;
  }
  const value = typeof element?.value === "string" ? element.value : undefined;
  let start = null, end = null;
  try {
    start = element?.selectionStart ?? null;
    end = element?.selectionEnd ?? null;
  } catch {}
  const selection = element?.getRootNode().getSelection?.() ?? getSelection();
  const range = selection?.rangeCount ? selection.getRangeAt(0).cloneRange() : null;
  return { element, value, start, end, range };
})()`;

const RESTORE = `function () {
  const { element, value, start, end, range } = this;
  if (!element?.isConnected || !element.ownerDocument.defaultView) return false;
  if (element !== element.ownerDocument.body) element.focus({ preventScroll: true });
  else {
    document.activeElement?.blur?.();
    // What is typed goes where the selection is, also without a focus.
    document.getSelection()?.removeAllRanges();
  }
  if (value !== undefined && start !== null) {
    const all = start === 0 && end === value.length;
    try {
      if (all) element.select();
      else if (element.value === value) element.setSelectionRange(start, end);
      else element.setSelectionRange(element.value.length, element.value.length);
    } catch {}
  } else if (element.isContentEditable && range && range.startContainer.isConnected) {
    const selection = element.getRootNode().getSelection?.() ?? element.ownerDocument.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  return true;
}`;

/** Notes where the agent is. Resolves to the mark's object id, or to `undefined`: the page gives none. */
export async function markFocus(
  upstream: Upstream,
  sessionId: string | undefined,
): Promise<string | undefined> {
  const params = { expression: MARK, objectGroup: GROUP, silent: true };
  const answer = upstream.command("Runtime.evaluate", params, sessionId) as Promise<{
    result?: { objectId?: string };
    exceptionDetails?: unknown;
  }>;
  const marked = await within(answer);
  return marked?.exceptionDetails ? undefined : marked?.result?.objectId;
}

export type Return = "same" | "no-element" | "gone";

/**
 * Finds the place again. `gone`: the document is another one. `no-element`: the document is there, what had the focus
 * is not.
 * @param focus put focus and selection back as well
 */
export async function returnTo(
  upstream: Upstream,
  sessionId: string | undefined,
  mark: string,
  focus: boolean,
): Promise<Return> {
  const params = {
    objectId: mark,
    functionDeclaration: focus ? RESTORE : "function () { return true; }",
    returnByValue: true,
    silent: true,
  };
  const answer = upstream.command("Runtime.callFunctionOn", params, sessionId) as Promise<{
    result?: { value?: unknown };
  }>;
  const found = await within(answer);
  upstream.post("Runtime.releaseObjectGroup", { objectGroup: GROUP }, sessionId);
  if (!found) return "gone";
  return found.result?.value === true ? "same" : "no-element";
}

/** Undefined when it is refused or comes too late. */
async function within<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), MARK_MS)));
  try {
    return await Promise.race([answer, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
