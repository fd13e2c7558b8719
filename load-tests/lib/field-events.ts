/** The events of the field's scenarios: one person after another takes the browser, as the state machine decides it. */
import { encodeDown } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { initialState, type SandboxState } from "../../src/core/state.ts";
import { announce, type Step } from "../../src/core/step.ts";
import { transition } from "../../src/core/transition.ts";

/** Nobody of that name is connected, so that no node has anything to say of them. */
const PEOPLE = 10;
const BY = { name: "support", role: "operator" } as const;

export class FieldEvents {
  #state: SandboxState;
  readonly created: Step;

  constructor(sandboxId: string) {
    const now = Date.now();
    const empty = initialState(sandboxId, null, now);
    this.created = announce(empty, empty, "sandbox.created", now);
    this.#state = this.created.state;
  }

  /** Number of the last one. */
  get seq(): number {
    return this.#state.seq;
  }

  next(): Step {
    const controller = `ops-${this.seq % PEOPLE}`;
    const step = transition(
      this.#state,
      { type: "control.take", controller, force: true, by: BY },
      Date.now(),
    );
    if (step.kind !== "changed") throw new Error(`the sample event was ${step.kind}`);
    this.#state = step.state;
    return step;
  }
}

/** What the gateway sends of an event: every contender's subscribers get this. */
export function messageOf({ events: [event] }: Step): Extract<DownMessage, { type: "event" }> {
  if (!event) throw new Error("the sample step has no event");
  return { type: "event", event };
}

export function textOf(step: Step): string {
  return encodeDown(messageOf(step));
}

/** Begins what a commit publishes in Redis. */
export function committedBeginningOf(sandboxId: string): string {
  return `{"events":[{"sandboxId":${JSON.stringify(sandboxId)},"seq":`;
}

/** Begins the text of every event; its number follows. */
export function beginningOf(sandboxId: string): string {
  return `{"type":"event","event":{"sandboxId":${JSON.stringify(sandboxId)},"seq":`;
}
