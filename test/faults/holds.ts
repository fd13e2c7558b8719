/** When a person surely held the browser: from the answer of their claim until somebody asked for the next change. */
import { acknowledgedCalls } from "./acknowledged.ts";
import { type CallOp, type Entry, type EntryOf, ofKind } from "./history.ts";
import { turnsOf } from "./turns.ts";

export interface Hold {
  readonly holder: string;
  readonly epoch: number;
  readonly answered: EntryOf<"answered">;
  readonly until: number;
  /** The call that may have ended it, if it was one. */
  readonly end: Entry | undefined;
}

const CLAIMS: ReadonlySet<CallOp> = new Set(["accept", "take"]);

export function holdsOf(history: readonly Entry[]): Hold[] {
  const turns = turnsOf(history);
  const calls = ofKind(history, "call");
  return acknowledgedCalls(history).flatMap(({ call, answered, events: [event] }) => {
    if (!CLAIMS.has(call.op) || !event) return [];
    const holder = call.actor;
    const end = calls.find((next) => next.at >= answered.at && endsHoldOf(next, holder));
    // Deadlines, and calls made before the claim was answered, are in the log only.
    const turn = turns.find(({ epoch }) => epoch === event.epoch);
    const until = Math.min(turn?.until ?? Infinity, end?.at ?? Infinity);
    return [{ holder, epoch: event.epoch, answered, until, end }];
  });
}

/** Whether this call may take the browser from its holder. */
function endsHoldOf({ op, actor }: EntryOf<"call">, holder: string): boolean {
  switch (op) {
    case "cancel":
      return true;
    // By force, which the holder need not do.
    case "take":
      return actor !== holder;
    case "complete":
    case "release":
    case "pass":
      return actor === holder;
    case "request":
    case "accept":
      return false;
  }
}
