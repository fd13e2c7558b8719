/** The CDP sessions of one agent, and what its commands mean for what the gate must know of them. */
import type { Command } from "./commands.ts";
import { SERVER_ERROR, type Refusal } from "./messages.ts";
import { SessionState } from "./session-state.ts";

/** How the gate knows that something came from behind the curtain. */
export interface Withheld {
  readonly requests: ReadonlySet<string>;
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
    if (method.startsWith("Fetch.")) {
      const { requestId } = given;
      return typeof requestId === "string" && session.continued.delete(requestId) ? "done" : null;
    }
    if (method.startsWith("Network.") && withheld.requests.size > 0) {
      const { requestId } = given;
      return typeof requestId === "string" && withheld.requests.has(requestId) ? OF_PRIVATE_TIME : null;
    }
    return null;
  }

  /** Notes what leaves for the browser. */
  sent({ method, session, drives, params = {} }: Command): void {
    if (drives) session.acted = true;
    if (method.startsWith("Input.")) return session.pressed.sent(method, params);
    session.suspended.sent(method, params);
    if (method.startsWith("Fetch.")) {
      if (typeof params.requestId === "string") session.unpause(params.requestId);
    } else if (method === "Runtime.runIfWaitingForDebugger") {
      session.starting = false;
    } else if (method === "Tracing.start") {
      session.tracing = true;
    } else if (method === "Tracing.end") {
      session.tracing = false;
    }
  }
}

const OF_PRIVATE_TIME: Refusal = {
  code: SERVER_ERROR,
  message: "This request was made while a person drove in private; nothing of it is shown.",
  data: { code: "private" },
};
