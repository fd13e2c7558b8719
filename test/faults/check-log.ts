/** The log itself, and what became of every acknowledged call (E1, H1 to H3, H6). */
import type { HandoffStatus } from "../../protocol/handoff.ts";
import { applyEvent, type Sandbox, type SandboxEvent } from "../../protocol/sandbox.ts";
import { acknowledgedCalls } from "./acknowledged.ts";
import { type Entry, type EntryOf, ofKind } from "./history.ts";
import { finalLog, holderOf } from "./turns.ts";
import { alike, type Guarantees, type Violation, violation } from "./violation.ts";

/** What a handoff may become. */
const STEPS: Readonly<Record<HandoffStatus, readonly HandoffStatus[]>> = {
  pending: ["pending", "accepted", "cancelled", "expired"],
  accepted: ["accepted", "pending", "completed", "cancelled", "expired"],
  completed: ["completed"],
  cancelled: ["cancelled"],
  expired: ["expired"],
};

export function checkLog(history: readonly Entry[], guarantees: Guarantees): Violation[] {
  const [created] = ofKind(history, "created");
  const finals = ofKind(history, "final");
  const [final] = finals;
  if (!created || !final) {
    return [violation("E1", "the run did not get as far as reading the log", created, final)];
  }
  return [
    ...walk(created, final, finalLog(history)),
    ...finals
      .slice(1)
      .filter((other) => !alike(other.sandbox, final.sandbox) || !alike(other.log, final.log))
      .map((other) => violation("E1", `nodes ${final.node} and ${other.node} do not agree`, final, other)),
    ...repeatedCalls(history),
    ...(guarantees.durable ? lostCalls(history).map(asViolation) : []),
  ];
}

/** Applies event after event to the state that was created, up to the final one. */
function walk(
  created: EntryOf<"created">,
  final: EntryOf<"final">,
  log: readonly SandboxEvent[],
): Violation[] {
  const violations: Violation[] = [];
  const found = (rule: string, what: string): void =>
    void violations.push(violation(rule, what, created, final));
  let state = created.sandbox;
  for (const event of log) {
    const before = state;
    state = applyEvent(state, event);
    if (event.seq !== before.seq + 1)
      found("E1", `event ${before.seq} is followed by ${event.seq} in the log`);
    const moved = holderOf(before) !== holderOf(state);
    if (event.epoch < before.epoch || (moved && event.epoch === before.epoch)) {
      found("C1", `event ${event.seq} (${event.type}) has epoch ${event.epoch} after ${before.epoch}`);
    }
    const step = handoffStep(before, state, event);
    if (step !== undefined) found("H1", `event ${event.seq} (${event.type}): ${step}`);
  }
  if (!alike(state, final.sandbox))
    found("E1", "the log, applied to the created state, is not the final state");
  return violations;
}

/** What is wrong about how the handoff changed, if anything is. */
function handoffStep(
  { handoff: before }: Sandbox,
  { handoff: after }: Sandbox,
  { type }: SandboxEvent,
): string | undefined {
  if (!after) return before ? "the handoff is gone" : undefined;
  if (before?.requestId !== after.requestId) {
    const open = before?.status === "pending" || before?.status === "accepted";
    return open
      ? `handoff ${after.requestId} replaces ${before.requestId}, which is ${before.status}`
      : undefined;
  }
  if (type === "handoff.accepted" && before.status !== "pending") {
    return `handoff ${after.requestId} was accepted while it was ${before.status}`;
  }
  return STEPS[before.status].includes(after.status)
    ? undefined
    : `handoff ${after.requestId} goes from ${before.status} to ${after.status}`;
}

/** Acknowledged calls that the log does not hold (H6). Empty where the store promises that. */
export function lostCalls(history: readonly Entry[]): EntryOf<"answered">[] {
  return acknowledgedCalls(history)
    .filter(({ events, needless }) => events.length === 0 && !needless)
    .map(({ answered }) => answered);
}

function asViolation(answered: EntryOf<"answered">): Violation {
  return violation("H6", `${answered.call} was acknowledged and is not in the log`, answered);
}

/** H6: a call is done once, however often it was sent. */
function repeatedCalls(history: readonly Entry[]): Violation[] {
  return acknowledgedCalls(history)
    .filter(({ events }) => events.length > 1)
    .map(({ call, answered, events }) =>
      violation(
        "H6",
        `${call.call} is in the log ${events.length} times: ${events.map(({ seq }) => seq).join(", ")}`,
        call,
        answered,
      ),
    );
}
