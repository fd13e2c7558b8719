/**
 * Between a browser and one agent while a person drives in private (G3). Nothing of that time passes, then or later;
 * the page must not notice.
 */
import { KeptEvents, type TargetInfo } from "./kept-events.ts";
import { ShownRequests } from "./shown-requests.ts";

/** Requests of the private time that are remembered, so that nothing of them passes later. */
const MAX_REQUESTS = 50_000;

/** What the gate answers in the client's place. */
export interface Answer {
  readonly method: string;
  readonly params: object;
  readonly session?: string;
}

export class Curtain {
  readonly #kept = new KeptEvents();
  /** Requests that were begun behind the curtain. */
  readonly #requests: Set<string>;
  readonly #shown: Pick<ShownRequests, "has">;
  #overflowed = false;

  /**
   * @param requests those of earlier private times
   * @param shown those that the client knows of: it may hear how they end, and nothing else
   */
  constructor(requests: Set<string> = new Set(), shown: Pick<ShownRequests, "has"> = new ShownRequests()) {
    this.#requests = requests;
    this.#shown = shown;
  }

  /** The client missed more than it can be told: it must connect anew. */
  get overflowed(): boolean {
    return this.#overflowed || this.#kept.overflowed;
  }

  get requests(): Set<string> {
    return this.#requests;
  }

  /** Takes one event. What it returns is to be sent, to the same session if it names none: the page waits for it. */
  take(method: string, params: Record<string, unknown>, sessionId: string | undefined): Answer[] {
    if (method.startsWith("Network.")) {
      this.#network(method, params, sessionId);
      return [];
    }
    if (method.endsWith(".downloadWillBegin") && typeof params.guid === "string") this.#begun(params.guid);
    this.#kept.take(method, params, sessionId);
    switch (method) {
      case "Target.attachedToTarget":
        return beginning(params);
      case "Fetch.requestPaused":
        return [{ method: "Fetch.continueRequest", params: { requestId: params.requestId } }];
      case "Fetch.authRequired":
        return [
          {
            method: "Fetch.continueWithAuth",
            params: { requestId: params.requestId, authChallengeResponse: { response: "Default" } },
          },
        ];
      case "Page.screencastFrame":
        return [{ method: "Page.screencastFrameAck", params: { sessionId: params.sessionId } }];
      case "Debugger.paused":
        return [{ method: "Debugger.resume", params: {} }];
      default:
        return [];
    }
  }

  /** What the client is told when it may look again. */
  lift(infos: readonly TargetInfo[]): Buffer[] {
    return this.#kept.messages(new Map(infos.map((info) => [info.targetId, info])));
  }

  #network(method: string, params: Record<string, unknown>, sessionId: string | undefined): void {
    const id = params.requestId;
    if (typeof id !== "string") return;
    const ends = method === "Network.loadingFinished" || method === "Network.loadingFailed";
    if (ends && this.#shown.has(id)) this.#kept.ending(method, params, sessionId);
    else if (!ends) this.#begun(id);
  }

  #begun(id: string): void {
    if (this.#requests.has(id)) return;
    if (this.#requests.size >= MAX_REQUESTS) this.#overflowed = true;
    else this.#requests.add(id);
  }
}

/** Lets a target begin that waits for a client which is not told of it yet. */
export function beginning({ sessionId, targetInfo, waitingForDebugger }: Record<string, unknown>): Answer[] {
  if (waitingForDebugger !== true) return [];
  const session = String(sessionId);
  const run = { method: "Runtime.runIfWaitingForDebugger", params: {}, session };
  if ((targetInfo as { type?: unknown } | undefined)?.type !== "tab") return [run];
  // A tab stands still, and its opener with it, until its page is attached too.
  const attach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true };
  return [{ method: "Target.setAutoAttach", params: attach, session }, run];
}
