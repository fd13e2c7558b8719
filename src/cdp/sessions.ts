/** The CDP sessions of one agent, and what its commands mean for what the gate must know of them. */
import type { Command } from "./commands.ts";
import { INVALID_PARAMS, SERVER_ERROR, type Refusal } from "./messages.ts";
import { SessionState } from "./session-state.ts";

/** How the gate knows that something came from behind the curtain. */
export interface Withheld {
  readonly requests: ReadonlySet<string>;
  /** A person has driven in private here. */
  readonly wasPrivate: boolean;
}

export class Sessions {
  readonly #root: SessionState;
  readonly #attached = new Map<string, SessionState>();

  constructor(type: string, targetId?: string) {
    this.#root = new SessionState(undefined, type, targetId);
  }

  get(id: string | undefined): SessionState | undefined {
    return id === undefined ? this.#root : this.#attached.get(id);
  }

  get size(): number {
    return this.#attached.size;
  }

  all(): SessionState[] {
    return [this.#root, ...this.#attached.values()];
  }

  ofTarget(targetId: string | undefined): SessionState[] {
    return targetId === undefined ? [] : this.all().filter((session) => session.targetId === targetId);
  }

  /** @param starting its target waits for this client */
  add(id: string, type: string, targetId: string, starting: boolean): void {
    const session = new SessionState(id, type, targetId);
    session.starting = starting;
    this.#attached.set(id, session);
  }

  remove(id: string): SessionState | undefined {
    const session = this.#attached.get(id);
    this.#attached.delete(id);
    session?.end();
    return session;
  }

  /**
   * What the gate answers itself: `done` for what has happened already, a refusal for what would lead around it, and
   * null for the rest.
   */
  answerFor({ method, session, params }: Command, withheld: Withheld): Refusal | "done" | null {
    const given = params ?? {};
    if (method.startsWith("Input.")) return session.pressed.isLifted(method, params) ? "done" : null;
    if (method.startsWith("Fetch.") && typeof given.requestId === "string") {
      const { requestId } = given;
      if (session.continued.delete(requestId)) return "done";
      // Ids can be guessed, and the page's requests are everybody's.
      return session.paused.has(requestId) ? null : NOT_PAUSED;
    }
    if (withheld.wasPrivate && REPLAYS.has(method)) return "done";
    if (withheld.wasPrivate && method === "HeapProfiler.takeHeapSnapshot") return OF_PRIVATE_TIME;
    if (method.startsWith("Network.") && withheld.requests.size > 0) {
      const { requestId } = given;
      return typeof requestId === "string" && withheld.requests.has(requestId) ? OF_PRIVATE_TIME : null;
    }
    return null;
  }

  /** The sessions that a command gives up while something that they sent is under way, or held down. */
  endedBy({ method, params = {} }: Command): SessionState[] {
    const isBusy = ({ outstanding, pressed }: SessionState): boolean =>
      pressed.holds || [...outstanding.values()].some(({ drives }) => drives);
    if (method === "Target.setAutoAttach" && params.autoAttach === false) return this.all().filter(isBusy);
    if (method !== "Target.detachFromTarget") return [];
    const { sessionId, targetId } = params;
    return this.all().filter(
      (session) =>
        (session.id === sessionId || (session.targetId === targetId && !sessionId)) && isBusy(session),
    );
  }

  /** Notes what leaves for the browser. */
  sent({ method, session, params = {} }: Command): void {
    session.suspended.sent(method, params);
    if (method.startsWith("Input.")) {
      session.pressed.sent(method, params);
    } else if (SETTLES.has(method)) {
      session.unpause(String(params.requestId));
    } else if (method === "Fetch.enable") {
      session.intercepts = params;
    } else if (method === "Fetch.disable") {
      session.intercepts = null;
    } else if (method === "Runtime.runIfWaitingForDebugger") {
      session.starting = false;
    }
    const ends = RECORDERS.get(method);
    if (ends !== undefined) session.recorders.set(ends, ends);
    else session.recorders.delete(method);
  }
}

/** What records from its beginning to its end, whoever drives meanwhile. */
const RECORDERS: ReadonlyMap<string, string> = new Map([
  ["Tracing.start", "Tracing.end"],
  ["Profiler.start", "Profiler.stop"],
  ["Profiler.startPreciseCoverage", "Profiler.stopPreciseCoverage"],
  ["HeapProfiler.startSampling", "HeapProfiler.stopSampling"],
  ["HeapProfiler.startTrackingHeapObjects", "HeapProfiler.stopTrackingHeapObjects"],
  ["CSS.startRuleUsageTracking", "CSS.stopRuleUsageTracking"],
]);

/** What lets a paused request go on. */
const SETTLES: ReadonlySet<string> = new Set([
  "Fetch.continueRequest",
  "Fetch.continueResponse",
  "Fetch.continueWithAuth",
  "Fetch.failRequest",
  "Fetch.fulfillRequest",
]);

/** Tells again what was before; of a private time too. */
const REPLAYS: ReadonlySet<string> = new Set([
  "Audits.enable",
  "BackgroundService.startObserving",
  "Network.enableReportingApi",
]);

/** In Chromium's words. */
const NOT_PAUSED: Refusal = { code: INVALID_PARAMS, message: "Invalid InterceptionId." };

const OF_PRIVATE_TIME: Refusal = {
  code: SERVER_ERROR,
  message: "This would tell of a time in which a person drove in private; nothing of it is shown.",
  data: { code: "private" },
};
