import type { Handoff } from "../../protocol/handoff.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";

/** An event that did not come by then is not coming; the gateway's own checks decide. */
export const FENCE_MAX_MS = 2_000;

export type Predicate = (sandbox: Sandbox) => boolean;

/**
 * What answered calls changed and the state does not show yet: an answer may overtake the event of its change. A
 * wait that read the state in between would find the turn it has just given away.
 */
export class Fences {
  readonly #open = new Map<Predicate, ReturnType<typeof setTimeout>>();
  readonly #cleared: () => void;

  /** `cleared` is called when the last one gave up waiting. */
  constructor(cleared: () => void) {
    this.#cleared = cleared;
  }

  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  add(shown: Predicate): void {
    const timer = setTimeout(() => {
      this.#open.delete(shown);
      if (!this.isOpen) this.#cleared();
    }, FENCE_MAX_MS);
    this.#open.set(shown, timer);
  }

  check(sandbox: Sandbox): void {
    for (const [shown, timer] of this.#open) {
      if (!shown(sandbox)) continue;
      clearTimeout(timer);
      this.#open.delete(shown);
    }
  }

  clear(): void {
    for (const timer of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
  }
}

/** True once a state holds this version of the handoff, a later one, or a later handoff. */
export function showsHandoff(handoff: Handoff): Predicate {
  return ({ handoff: shown }) => {
    if (!shown) return false;
    if (shown.requestId !== handoff.requestId) return shown.requestedAt > handoff.requestedAt;
    return (
      shown.updatedAt > handoff.updatedAt ||
      (shown.updatedAt === handoff.updatedAt && shown.status === handoff.status)
    );
  };
}
