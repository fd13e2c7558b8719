/** What followers were told of sandboxes, held against the rules: E1, E2, and the states that control may be in. */
import type { Position } from "../../protocol/ids.ts";
import { applyEvent, type Sandbox, type SandboxEvent } from "../../protocol/sandbox.ts";
import { shown, Violation } from "./violation.ts";

/** Why a state is none that a sandbox can be in; undefined if it is one. */
export function illegal({ control, handoff }: Sandbox): string | undefined {
  const open = handoff?.status === "pending" || handoff?.status === "accepted";
  const { mode, controller, privacy } = control;
  if (mode === "ai" && (controller !== undefined || privacy !== undefined || open))
    return "the agent drives, and somebody holds the browser";
  if (mode === "human" && (controller === undefined || open)) return "a person drives whom nobody knows";
  if (mode === "shared" && !open) return "control is shared without a handoff";
  if (handoff?.status === "pending" && controller !== undefined) return "a pending handoff has a controller";
  if (handoff?.status === "accepted" && (controller === undefined || handoff.controller !== controller))
    return "control and the handoff name different people";
  return undefined;
}

interface Told {
  readonly event: SandboxEvent;
  readonly text: string;
}

/** The one history of each sandbox, as all followers together have seen it. */
export class Histories {
  readonly #events = new Map<string, Map<number, Told>>();
  /** Types of all events. */
  readonly types = new Set<string>();

  /** Every follower must be told the same. */
  saw(event: SandboxEvent): void {
    const { sandboxId, seq, type } = event;
    this.types.add(type);
    const events = this.#events.get(sandboxId) ?? new Map<number, Told>();
    this.#events.set(sandboxId, events);
    const before = events.get(seq);
    if (before?.event === event) return;
    const text = JSON.stringify(event);
    if (before === undefined) events.set(seq, { event, text });
    else if (before.text !== text)
      throw new Violation(
        `E1: two followers were told different things: ${shown(before.text)} and ${shown(text)}`,
      );
  }

  /** A sandbox that is made anew begins anew. */
  removed(sandboxId: string): void {
    this.#events.delete(sandboxId);
  }
}

/** One follower of one sandbox. */
export class Following {
  sandbox: Sandbox | undefined;
  #position: Position | undefined;

  /** @param position the last event that the snapshot holds. Undefined: whichever comes first is the first. */
  constructor(position?: Position, snapshot?: Sandbox) {
    this.#position = position;
    this.sandbox = snapshot;
    if (snapshot) this.#check(snapshot);
  }

  event(event: SandboxEvent): void {
    const { epoch, seq } = this.#position ?? { epoch: 0, seq: event.seq - 1 };
    if (event.seq !== seq + 1) throw new Violation(`E2: after event ${seq} came ${event.seq}`);
    if (event.epoch < epoch) throw new Violation(`C1: after epoch ${epoch} came ${event.epoch}`);
    this.#position = { epoch: event.epoch, seq: event.seq };
    if (!this.sandbox) return;
    this.sandbox = applyEvent(this.sandbox, event);
    this.#check(this.sandbox);
  }

  #check(sandbox: Sandbox): void {
    const why = illegal(sandbox);
    if (why !== undefined)
      throw new Violation(
        `${why}: ${JSON.stringify({ control: sandbox.control, handoff: sandbox.handoff })}`,
      );
  }
}
