/** Which event of the log each acknowledged call is. */
import type { EventType, SandboxEvent } from "../../protocol/sandbox.ts";
import { type CallOp, type Entry, type EntryOf, ofKind } from "./history.ts";
import { finalLog, turnsOf } from "./turns.ts";
import { alike } from "./violation.ts";

/** The store's clock may be this far from the caller's, ms: both are this machine's, read beside the commit. */
const WINDOW_MS = 50;

export interface Acknowledged {
  readonly call: EntryOf<"call">;
  readonly answered: EntryOf<"answered">;
  /** One, when all is well. */
  readonly events: readonly SandboxEvent[];
  /** A claim of what the caller held already: right, and no event. */
  readonly needless: boolean;
}

const EVENTS: Readonly<Record<CallOp, readonly EventType[]>> = {
  request: ["handoff.requested"],
  accept: ["handoff.accepted"],
  complete: ["handoff.completed"],
  cancel: ["handoff.cancelled"],
  take: ["control.taken"],
  // With a handoff open it is the handoff that goes back.
  release: ["control.released", "handoff.returned"],
  pass: ["control.passed"],
};

export function acknowledgedCalls(history: readonly Entry[]): Acknowledged[] {
  const log = finalLog(history);
  const turns = turnsOf(history);
  const answers = new Map(ofKind(history, "answered").map((entry) => [entry.call, entry]));
  return ofKind(history, "call").flatMap((call) => {
    const answered = answers.get(call.call);
    if (!answered) return [];
    const events = log.filter((event) => EVENTS[call.op].includes(event.type) && isOf(event, call, answered));
    const needless =
      events.length === 0 &&
      (call.op === "accept" || call.op === "take") &&
      turns.some(
        ({ holder, from, until }) =>
          holder === call.actor && from <= answered.at + WINDOW_MS && until >= call.at - WINDOW_MS,
      );
    return [{ call, answered, events, needless }];
  });
}

function isOf(event: SandboxEvent, call: EntryOf<"call">, answered: EntryOf<"answered">): boolean {
  if (event.by?.name !== call.actor) return false;
  const { handoff } = event.changes;
  switch (call.op) {
    case "request":
      return handoff?.message === call.call;
    case "complete":
    case "cancel":
      return handoff?.note === call.call;
    case "accept":
      // It carries no word of the caller's; but its times are of one moment.
      return alike(handoff, answered.handoff) && during(event, call, answered);
    case "take":
    case "release":
    case "pass":
      return during(event, call, answered);
  }
}

/** An actor makes one call at a time. */
function during({ at }: SandboxEvent, call: EntryOf<"call">, answered: EntryOf<"answered">): boolean {
  return at >= call.at - WINDOW_MS && at <= answered.at + WINDOW_MS;
}
