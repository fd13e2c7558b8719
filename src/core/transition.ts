/** The state machine of one sandbox: `(state, command, now)` to the next state and its events. Pure, no I/O, no clock. */
import type { Command } from "./commands.ts";
import * as control from "./control.ts";
import * as gates from "./gates.ts";
import * as handoff from "./handoff.ts";
import * as resume from "./resume.ts";
import * as sightings from "./sightings.ts";
import type { SandboxState } from "./state.ts";
import { announce, changed, same, silently, type Step, type Transition } from "./step.ts";

/**
 * @param now the store's time, epoch milliseconds; never before `state.updatedAt` (an older clock is lifted to it).
 */
export function transition(state: SandboxState, command: Command, now: number): Transition {
  const at = Math.max(now, state.updatedAt);
  // A deadline that has passed is an ending that already happened: it comes before whatever is asked now, so that
  // nobody completes a handoff that the clock has ended, however late its timer fires.
  const due = applyDeadlines(state, at);
  const step = apply(due.state, command, at);
  if (step.kind === "changed") return { ...step, events: [...due.events, ...step.events] };
  if (step.kind === "same" && due.state !== state) return { kind: "changed", ...due };
  return step;
}

function apply(state: SandboxState, command: Command, now: number): Transition {
  switch (command.type) {
    case "handoff.request":
      return handoff.request(state, command, now);
    case "handoff.accept":
      return handoff.accept(state, command, now);
    case "handoff.complete":
      return handoff.complete(state, command, now);
    case "handoff.cancel":
      return handoff.cancel(state, command, now);
    case "control.take":
      return control.take(state, command, now);
    case "control.release":
      return control.release(state, command, now);
    case "control.pass":
      return control.pass(state, command, now);
    case "control.privacy":
      return control.setPrivacy(state, command, now);
    case "control.fence":
      return control.fence(state, command, now);
    case "controller.here":
      return sightings.here(state, command, now);
    case "controller.left":
      return sightings.left(state, command, now);
    case "gate.open":
      return gates.open(state, command, now);
    case "gate.close":
      return gates.close(state, command, now);
    case "gate.drained":
      return gates.drained(state, command, now);
    case "gate.renew":
      return gates.renew(state, command, now);
    case "gate.status":
      return gates.report(state, command, now);
    case "node.gone":
      return gates.nodeGone(state, command, now);
    case "resume.claim":
      return resume.claim(state, command, now);
    case "resume.answer":
      return resume.answer(state, command, now);
    case "resume.held":
      return resume.held(state, command, now);
    case "resume.away":
      return resume.away(state, command, now);
    case "browser.attach": {
      // Another browser has another `attachedAt`, also when the clock stood still in between.
      const attachedAt = Math.max(now, (state.browser?.attachedAt ?? 0) + 1);
      const browser = { source: command.source, status: "idle" as const, attachedAt, updatedAt: now };
      return changed(announce(state, { ...state, browser }, "browser.changed", now, command.by));
    }
    case "browser.endpoint": {
      if (!state.browser || state.browser.endpoint === command.endpoint) return same;
      return silently({ ...state, browser: { ...state.browser, endpoint: command.endpoint } });
    }
    case "tick":
      return same;
  }
}

const DEADLINES = [
  gates.endLease,
  handoff.expire,
  sightings.endSighting,
  control.endGrace,
  resume.endHold,
  resume.endClaim,
];

/** Applies deadlines until none is due. Each removes the deadline it acts on, so this ends. */
function applyDeadlines(state: SandboxState, now: number): Step {
  let current = state;
  const events: Step["events"][number][] = [];
  for (;;) {
    const step = DEADLINES.map((end) => end(current, now)).find(({ kind }) => kind === "changed");
    if (step?.kind !== "changed") return { state: current, events };
    current = step.state;
    events.push(...step.events);
  }
}
