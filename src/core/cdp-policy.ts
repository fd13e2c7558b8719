/** Which of an agent's commands reach the browser, and when (G1, G3). */
import type { AgentPolicy } from "../../protocol/agent.ts";
import { METHODS, type Classed } from "./cdp-methods.ts";

export type CdpClass = keyof Classed;

/** A command's `params`, parsed. */
export type CdpParams = Readonly<Record<string, unknown>>;

export interface Situation {
  readonly mayDrive: boolean;
  /** Nobody but the person sees the browser. Counts only while the agent may not drive. */
  readonly private: boolean;
  readonly policy: AgentPolicy;
  /**
   * The command's target opened just now and waits for this very session: from an attachment with
   * `waitingForDebugger` until the session's `Runtime.runIfWaitingForDebugger`. Absent = false.
   */
  readonly starting?: boolean;
}

/** `inspect`: passes only if the browser refuses side effects, that is with `throwOnSideEffect`. */
export type Verdict = "pass" | "hold" | "reject" | "inspect" | "deny";

/** What passes in private: it returns nothing of the page, and a page of the person's would hang without it. */
export const PASSES_IN_PRIVATE: ReadonlySet<string> = new Set([
  // Playwright lets a popup run only after this was answered: with the id and the bounds of its window.
  "Browser.getWindowForTarget",
  "Debugger.resume",
  "Fetch.continueRequest",
  "Fetch.continueResponse",
  "Fetch.continueWithAuth",
  "Fetch.failRequest",
  "Fetch.fulfillRequest",
  "Page.screencastFrameAck",
  "Runtime.releaseObject",
  "Runtime.releaseObjectGroup",
  "Runtime.runIfWaitingForDebugger",
  "Target.detachFromTarget",
  // A tab whose client was told of it first, as Puppeteer's is, loads nothing, and its opener stands still, until the
  // tab's page is attached too. `Runtime.runIfWaitingForDebugger` alone doesn't free it.
  "Target.setAutoAttach",
]);

/**
 * Driving, but a part of how a client sets up a target that starts: the user agent, locale or viewport of its context,
 * and its scripts. Nobody has seen such a target yet, and Playwright never announces a page for which one of these was
 * refused.
 */
export const SETS_UP: ReadonlySet<string> = new Set([
  "Browser.setWindowBounds",
  "Emulation.setDeviceMetricsOverride",
  "Emulation.setGeolocationOverride",
  "Emulation.setLocaleOverride",
  "Emulation.setScriptExecutionDisabled",
  "Emulation.setTimezoneOverride",
  "Emulation.setTouchEmulationEnabled",
  "Emulation.setUserAgentOverride",
  "Network.emulateNetworkConditions",
  "Network.emulateNetworkConditionsByRule",
  "Network.overrideNetworkState",
  "Network.setBypassServiceWorker",
  "Network.setExtraHTTPHeaders",
  "Network.setUserAgentOverride",
  "Page.addScriptToEvaluateOnNewDocument",
  "Page.setBypassCSP",
  "Security.setIgnoreCertificateErrors",
]);

/** Both can be told to throw instead of changing anything. */
const INSPECTABLE: ReadonlySet<string> = new Set(["Runtime.callFunctionOn", "Runtime.evaluate"]);

/** All of these can be asked to wait for a promise of the page's, which may never settle. */
const LINGERING: ReadonlySet<string> = new Set([
  "Runtime.awaitPromise",
  "Runtime.callFunctionOn",
  "Runtime.evaluate",
  "Runtime.runScript",
]);

/** Commands whose class depends on what they ask for. */
const BY_PARAMS = new Map<string, (params: CdpParams) => CdpClass>([
  ["Debugger.resume", ({ terminateOnResume }) => (terminateOnResume ? "drive" : "plumbing")],
  // A script runs in whatever the person opens next; with `runImmediately`, in the page they look at. The clients'
  // utility worlds come with an empty script or a comment of one line.
  [
    "Page.addScriptToEvaluateOnNewDocument",
    ({ source }) =>
      typeof source === "string" && /^(?:\/\/[^\n\r\u2028\u2029]*)?$/.test(source) ? "plumbing" : "drive",
  ],
  // The page is resized for the picture and sees that.
  ["Page.captureScreenshot", ({ captureBeyondViewport }) => (captureBeyondViewport ? "drive" : "observe")],
  // Without `flatten`, events of the target arrive as strings inside of others, where a private time can't take them out.
  ["Target.attachToTarget", ({ flatten }) => (flatten === true ? "plumbing" : "deny")],
  [
    "Target.setAutoAttach",
    ({ autoAttach, flatten }) => (autoAttach === false || flatten === true ? "plumbing" : "deny"),
  ],
]);

const CLASSES: ReadonlyMap<string, CdpClass> = new Map(
  Object.entries(METHODS).flatMap(([domain, classed]) =>
    (Object.entries(classed) as [CdpClass, string][]).flatMap(([kind, names]) =>
      names.split(/\s+/).map((name): [string, CdpClass] => [`${domain}.${name}`, kind]),
    ),
  ),
);

/**
 * `method` with its domain, as `Page.navigate`. What the table doesn't have counts as driving.
 *
 * Without `params`, the class is that of the harmless form: a gate gives them for every method that `needsParams`.
 */
export function classify(method: string, params?: CdpParams): CdpClass {
  return (params && BY_PARAMS.get(method)?.(params)) ?? CLASSES.get(method) ?? "drive";
}

/** Whether the method's class depends on its parameters, so that they have to be parsed. */
export function needsParams(method: string): boolean {
  return BY_PARAMS.has(method);
}

/** What becomes of a command now. `params` as for `classify`. */
export function verdict(method: string, situation: Situation, params?: CdpParams): Verdict {
  const kind = classify(method, params);
  if (kind === "deny") return "deny";
  if (situation.mayDrive) return "pass";
  // A client sets a page up once, and never announces one for which that was refused: it waits, whatever the policy.
  const waits = situation.policy === "hold" || kind === "plumbing" || SETS_UP.has(method);
  const withheld = waits ? "hold" : "reject";
  if (situation.private) return kind === "plumbing" && PASSES_IN_PRIVATE.has(method) ? "pass" : withheld;
  if (kind === "plumbing") return "pass";
  if (situation.starting && SETS_UP.has(method)) return "pass";
  if (situation.policy !== "observe") return withheld;
  if (kind === "observe") return "pass";
  return INSPECTABLE.has(method) ? "inspect" : withheld;
}

/**
 * Whether the answer to a command may wait for the page without a bound although its effect has begun. A drain doesn't
 * wait for those.
 */
export function mayLinger(method: string): boolean {
  return LINGERING.has(method);
}
