/**
 * What the agent's client must learn, after a private takeover, to know the browser again: which targets, frames and
 * script contexts came and went. What came and went within that time cancels out, and of several addresses of a frame
 * only the last is kept: the page that the person left, not the way there (G3).
 */
import { eventMessage } from "./messages.ts";

interface Kept {
  readonly sessionId: string | undefined;
  readonly method: string;
  readonly params: Record<string, unknown>;
}

/** More than pages have; a client that missed so much connects anew. */
const MAX_KEPT = 10_000;
/** Of requests that the client was told of before: how they ended. */
const MAX_ENDINGS = 5_000;

export interface TargetInfo {
  readonly targetId: string;
  readonly [key: string]: unknown;
}

export class KeptEvents {
  #kept: Kept[] = [];
  #endings = 0;
  #overflowed = false;

  /** Too much has changed to be told. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Takes one event of the private time; what is of no structural use is dropped. */
  take(method: string, params: Record<string, unknown>, sessionId: string | undefined): void {
    const keep = KEEPERS[method];
    if (!keep) return;
    keep(this, params, sessionId);
    if (this.#kept.length > MAX_KEPT) {
      this.#overflowed = true;
      this.#kept = [];
    }
  }

  /** @param infos the targets as they are now: what they were called meanwhile is nobody's business */
  messages(infos: ReadonlyMap<string, TargetInfo>): Buffer[] {
    return this.#kept.map(({ method, params, sessionId }) => {
      const info = params.targetInfo as TargetInfo | undefined;
      const now = info && infos.get(info.targetId);
      const told = info ? { ...params, targetInfo: now ?? { ...info, url: "", title: "" } } : params;
      return eventMessage(method, told, sessionId);
    });
  }

  push(method: string, params: Record<string, unknown>, sessionId: string | undefined): void {
    if (!this.#overflowed) this.#kept.push({ method, params, sessionId });
  }

  /** Removes what satisfies `is`; says whether anything did. */
  drop(is: (kept: Kept) => boolean): boolean {
    const before = this.#kept.length;
    this.#kept = this.#kept.filter((kept) => !is(kept));
    return this.#kept.length < before;
  }

  /** The oldest that satisfies `is`. */
  find(is: (kept: Kept) => boolean): Kept | undefined {
    return this.#kept.find(is);
  }

  /** What happened in a session, and in those that were attached through it. */
  dropSession(session: unknown): void {
    const inside = this.#kept.filter(({ sessionId }) => sessionId === session);
    this.drop(({ sessionId }) => sessionId === session);
    for (const { method, params } of inside)
      if (method === "Target.attachedToTarget") this.dropSession(params.sessionId);
  }

  /**
   * A frame that navigates has none of its frames any more; Chromium does not always say so.
   * @param main all others of its session are below it
   */
  dropBelow(frame: unknown, sessionId: string | undefined, main: boolean): void {
    const ofPage = (kept: Kept): boolean => kept.sessionId === sessionId && kept.method.startsWith("Page.");
    if (main) {
      this.drop((kept) => ofPage(kept) && ![undefined, frame].includes(frameOf(kept.params)));
      return;
    }
    const children = new Set(
      this.#kept
        .filter((kept) => ofPage(kept) && parentOf(kept.params) === frame)
        .map(({ params }) => frameOf(params)),
    );
    for (const child of children) {
      this.dropBelow(child, sessionId, false);
      this.drop((kept) => ofPage(kept) && frameOf(kept.params) === child);
    }
  }

  /** How a request ended that the client knows of. */
  ending(method: string, params: Record<string, unknown>, sessionId: string | undefined): void {
    this.#endings += 1;
    if (this.#endings > MAX_ENDINGS) return;
    const { requestId, timestamp, encodedDataLength, type, errorText, canceled } = params;
    const told = { requestId, timestamp, encodedDataLength, type, errorText, canceled };
    this.push(method, JSON.parse(JSON.stringify(told)) as Record<string, unknown>, sessionId);
  }
}

type Keeper = (events: KeptEvents, params: Record<string, unknown>, sessionId: string | undefined) => void;

const targetOf = (params: Record<string, unknown>): unknown =>
  (params.targetInfo as TargetInfo | undefined)?.targetId;
const frameOf = (params: Record<string, unknown>): unknown =>
  params.frameId ?? (params.frame as { id?: unknown } | undefined)?.id;
const parentOf = (params: Record<string, unknown>): unknown =>
  params.parentFrameId ?? (params.frame as { parentId?: unknown } | undefined)?.parentId;
const contextOf = (params: Record<string, unknown>): unknown =>
  (params.context as { id?: unknown } | undefined)?.id ?? params.executionContextId;

/** Of one frame: the newest of its kind. */
const newestOfFrame =
  (method: string): Keeper =>
  (events, params, sessionId) => {
    const frame = frameOf(params);
    const name = params.name;
    events.drop(
      (kept) =>
        kept.method === method &&
        kept.sessionId === sessionId &&
        frameOf(kept.params) === frame &&
        kept.params.name === name,
    );
    events.push(method, params, sessionId);
  };

const newestOfSession =
  (method: string): Keeper =>
  (events, params, sessionId) => {
    events.drop((kept) => kept.method === method && kept.sessionId === sessionId);
    events.push(method, params, sessionId);
  };

/** Whether a frame is there, and in which process. */
const STRUCTURE: ReadonlySet<string> = new Set(["Page.frameAttached", "Page.frameDetached"]);

const ofFrame = [
  "Page.frameNavigated",
  "Page.navigatedWithinDocument",
  "Page.frameStartedLoading",
  "Page.frameStoppedLoading",
  "Page.lifecycleEvent",
];

const KEEPERS: Readonly<Record<string, Keeper>> = {
  "Target.attachedToTarget": (events, params, sessionId) =>
    events.push("Target.attachedToTarget", params, sessionId),
  "Target.detachedFromTarget": (events, params, sessionId) => {
    const session = params.sessionId;
    const attached = (kept: Kept): boolean =>
      kept.method === "Target.attachedToTarget" && kept.params.sessionId === session;
    const known = !events.drop(attached);
    events.dropSession(session);
    if (known) events.push("Target.detachedFromTarget", params, sessionId);
  },
  "Target.targetCreated": (events, params, sessionId) =>
    events.push("Target.targetCreated", params, sessionId),
  "Target.targetDestroyed": (events, params, sessionId) => {
    const target = params.targetId;
    const created = (kept: Kept): boolean =>
      kept.method === "Target.targetCreated" && targetOf(kept.params) === target;
    const known = !events.drop(created);
    events.drop((kept) => kept.method === "Target.targetInfoChanged" && targetOf(kept.params) === target);
    events.drop((kept) => kept.method === "Target.targetCrashed" && kept.params.targetId === target);
    if (known) events.push("Target.targetDestroyed", params, sessionId);
  },
  "Target.targetInfoChanged": (events, params, sessionId) => {
    const target = targetOf(params);
    events.drop((kept) => kept.method === "Target.targetInfoChanged" && targetOf(kept.params) === target);
    events.push("Target.targetInfoChanged", params, sessionId);
  },
  "Target.targetCrashed": (events, params, sessionId) =>
    events.push("Target.targetCrashed", params, sessionId),
  "Inspector.targetCrashed": newestOfSession("Inspector.targetCrashed"),
  "Inspector.targetReloadedAfterCrash": newestOfSession("Inspector.targetReloadedAfterCrash"),
  "DOM.documentUpdated": newestOfSession("DOM.documentUpdated"),

  "Page.frameAttached": (events, params, sessionId) => events.push("Page.frameAttached", params, sessionId),
  "Page.frameDetached": (events, params, sessionId) => {
    const frame = frameOf(params);
    const about = (kept: Kept): boolean =>
      kept.sessionId === sessionId && kept.method.startsWith("Page.") && frameOf(kept.params) === frame;
    // It moved to another process, and has a target of its own now: it is still there.
    if (params.reason === "swap") {
      events.drop((kept) => about(kept) && !STRUCTURE.has(kept.method));
      return events.push("Page.frameDetached", params, sessionId);
    }
    const first = events.find((kept) => about(kept) && STRUCTURE.has(kept.method));
    // The client knew it in another process, before it came back into this one.
    const returned = events.find(
      (kept) => kept.method === "Target.detachedFromTarget" && kept.params.targetId === frame,
    );
    events.drop(about);
    if (first?.method !== "Page.frameAttached" || returned)
      events.push("Page.frameDetached", params, sessionId);
  },
  "Page.frameNavigated": (events, params, sessionId) => {
    const frame = frameOf(params);
    events.dropBelow(frame, sessionId, parentOf(params) === undefined);
    const before = (kept: Kept): boolean =>
      kept.sessionId === sessionId && ofFrame.includes(kept.method) && frameOf(kept.params) === frame;
    events.drop(before);
    events.push("Page.frameNavigated", params, sessionId);
  },
  "Page.navigatedWithinDocument": newestOfFrame("Page.navigatedWithinDocument"),
  "Page.frameStartedLoading": newestOfFrame("Page.frameStartedLoading"),
  "Page.frameStoppedLoading": newestOfFrame("Page.frameStoppedLoading"),
  "Page.lifecycleEvent": newestOfFrame("Page.lifecycleEvent"),
  "Page.domContentEventFired": newestOfSession("Page.domContentEventFired"),
  "Page.loadEventFired": newestOfSession("Page.loadEventFired"),

  "Runtime.executionContextCreated": (events, params, sessionId) =>
    events.push("Runtime.executionContextCreated", params, sessionId),
  "Runtime.executionContextDestroyed": (events, params, sessionId) => {
    const context = contextOf(params);
    const created = (kept: Kept): boolean =>
      kept.sessionId === sessionId &&
      kept.method === "Runtime.executionContextCreated" &&
      contextOf(kept.params) === context;
    if (!events.drop(created)) events.push("Runtime.executionContextDestroyed", params, sessionId);
  },
  "Runtime.executionContextsCleared": (events, params, sessionId) => {
    events.drop((kept) => kept.sessionId === sessionId && kept.method.startsWith("Runtime."));
    events.push("Runtime.executionContextsCleared", params, sessionId);
  },
};
