/** Transitions of control outside of a handoff's own steps, and the drain that ends each of them (C2, H5). */
import type { CommandOf } from "./commands.ts";
import { returnToQueue } from "./handoff.ts";
import { isOpen, type SandboxState } from "./state.ts";
import { announce, changed, holderOf, moveControl, refuse, same, silently, type Transition } from "./step.ts";

export function take(state: SandboxState, command: CommandOf<"control.take">, now: number): Transition {
  const holder = holderOf(state);
  if (holder.kind === "person" && holder.name === command.controller) return same;
  if (holder.kind === "person" && !command.force) {
    return refuse(
      "already_controlled",
      `${holder.name} holds this browser. Ask them to pass it, or take it with \`force\`.`,
      { controller: holder.name },
    );
  }
  if (isOpen(state.handoff) && state.handoff.status === "pending") {
    return refuse(
      "handoff_in_progress",
      "A handoff is waiting for somebody. Accept it instead of taking control.",
      { handoff: state.handoff },
    );
  }
  return changed(announce(state, giveTo(state, command.controller, now), "control.taken", now, command.by));
}

export function release(state: SandboxState, command: CommandOf<"control.release">, now: number): Transition {
  const refusal = refuseUnlessHolder(state, command.controller, "give it back");
  if (refusal) return refusal;
  if (isOpen(state.handoff)) return returnToQueue(state, now, command.by);
  return changed(
    announce(state, moveControl(state, "ai", undefined, now), "control.released", now, command.by),
  );
}

export function pass(state: SandboxState, command: CommandOf<"control.pass">, now: number): Transition {
  const refusal = refuseUnlessHolder(state, command.controller, "pass it on");
  if (refusal) return refusal;
  if (command.to === command.controller) return same;
  if (command.to !== "ai") {
    return changed(announce(state, giveTo(state, command.to, now), "control.passed", now, command.by));
  }
  if (isOpen(state.handoff)) {
    return refuse(
      "handoff_in_progress",
      "The handoff is open. Complete or cancel it to return control to the agent.",
      { handoff: state.handoff },
    );
  }
  return changed(
    announce(state, moveControl(state, "ai", undefined, now), "control.passed", now, command.by),
  );
}

/** To another person; an open handoff goes with the browser. */
function giveTo(state: SandboxState, controller: string, now: number): SandboxState {
  if (!isOpen(state.handoff)) return moveControl(state, "human", controller, now);
  const handoff = { ...state.handoff, controller, updatedAt: now };
  return { ...moveControl(state, "shared", controller, now), handoff };
}

function refuseUnlessHolder(state: SandboxState, controller: string, what: string): Transition | null {
  const holder = holderOf(state);
  if (holder.kind === "person" && holder.name === controller) return null;
  const name = holder.kind === "person" ? holder.name : holder.kind === "agent" ? "ai" : undefined;
  const who = holder.kind === "person" ? holder.name : holder.kind === "agent" ? "The agent" : "Nobody";
  return refuse(
    "not_controller",
    `${who} holds this browser, so ${controller} cannot ${what}. Take control or accept the handoff first.`,
    {
      ...(name !== undefined && { controller: name }),
    },
  );
}

export function away(state: SandboxState, command: CommandOf<"controller.away">, now: number): Transition {
  const holder = holderOf(state);
  if (
    holder.kind !== "person" ||
    holder.name !== command.controller ||
    state.control.graceUntil !== undefined
  )
    return same;
  const after = { ...state, control: { ...state.control, graceUntil: now + command.graceMs } };
  return changed(announce(state, after, "control.away", now, command.by));
}

export function back(state: SandboxState, command: CommandOf<"controller.back">, now: number): Transition {
  const holder = holderOf(state);
  if (
    holder.kind !== "person" ||
    holder.name !== command.controller ||
    state.control.graceUntil === undefined
  )
    return same;
  const { graceUntil: _, ...control } = state.control;
  return changed(announce(state, { ...state, control }, "control.back", now, command.by));
}

/** H5: the grace time is over; the handoff waits for the next person, a browser without one returns to the agent. */
export function endGrace(state: SandboxState, now: number): Transition {
  const { graceUntil } = state.control;
  if (graceUntil === undefined || graceUntil > now) return same;
  if (isOpen(state.handoff)) return returnToQueue(state, now);
  return changed(announce(state, moveControl(state, "ai", undefined, now), "control.released", now));
}

export function openGate(state: SandboxState, command: CommandOf<"gate.open">): Transition {
  if (state.gates.includes(command.gateId)) return same;
  return silently({ ...state, gates: [...state.gates, command.gateId] });
}

export function closeGate(state: SandboxState, command: CommandOf<"gate.close">, now: number): Transition {
  if (!state.gates.includes(command.gateId)) return same;
  const gates = state.gates.filter((gateId) => gateId !== command.gateId);
  return withoutGate({ ...state, gates }, command.gateId, now);
}

/** C2: the last acknowledgement makes the new holder active. One for an older epoch proves nothing and is ignored. */
export function drained(state: SandboxState, command: CommandOf<"gate.drained">, now: number): Transition {
  if (command.epoch !== state.epoch || !Object.hasOwn(state.draining, command.gateId)) return same;
  return withoutGate(state, command.gateId, now);
}

export function renew(state: SandboxState, command: CommandOf<"gate.renew">, now: number): Transition {
  if (command.epoch !== state.epoch || !Object.hasOwn(state.draining, command.gateId)) return same;
  return silently({ ...state, draining: { ...state.draining, [command.gateId]: now + command.leaseMs } });
}

/** The lease of a silent gate ran out: it has closed by its own clock (C3). */
export function endLeases(state: SandboxState, now: number): Transition {
  const expired = Object.keys(state.draining).find((gateId) => (state.draining[gateId] ?? 0) <= now);
  return expired === undefined ? same : withoutGate(state, expired, now);
}

function withoutGate(state: SandboxState, gateId: string, now: number): Transition {
  if (!Object.hasOwn(state.draining, gateId)) return silently(state);
  const { [gateId]: _, ...draining } = state.draining;
  const after = { ...state, draining };
  if (Object.keys(draining).length > 0) return silently(after);
  return changed(
    announce(state, { ...after, control: { ...state.control, phase: "active" } }, "control.active", now),
  );
}
