/** Transitions of control outside of a handoff's own steps (C2, H5). */
import type { Privacy } from "../../protocol/control.ts";
import { GATE_LEASE_MS, type CommandOf, type Seen } from "./commands.ts";
import { returnToQueue } from "./handoff.ts";
import { sighted } from "./sightings.ts";
import { epochAfter, isOpen, type SandboxState } from "./state.ts";
import {
  addPrivacy,
  announce,
  changed,
  drainAll,
  holderOf,
  moveControl,
  refuse,
  same,
  strictest,
  withPrivacy,
  type Transition,
} from "./step.ts";

/** Stands for gates that nobody knows of; no gate has this id. */
const LOST_GATES = "lost";

export function take(state: SandboxState, command: CommandOf<"control.take">, now: number): Transition {
  const holder = holderOf(state);
  if (holder.kind === "person" && holder.name === command.controller)
    return addPrivacy(state, command.privacy, now, command.by);
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
  const after = giveTo(state, command.controller, now, command.seen, command.privacy);
  return changed(announce(state, after, "control.taken", now, command.by));
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
    const given = giveTo(state, command.to, now, command.seen);
    const { seen, graceMs } = command;
    const comes = seen !== undefined || graceMs === undefined;
    const after = comes ? given : { ...given, control: { ...given.control, graceUntil: now + graceMs } };
    return changed(announce(state, after, "control.passed", now, command.by));
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

/** Hides the page from everybody else, or shows it again (G3). */
export function setPrivacy(
  state: SandboxState,
  command: CommandOf<"control.privacy">,
  now: number,
): Transition {
  const refusal = refuseUnlessHolder(state, command.controller, "change who sees it");
  return refusal ?? withPrivacy(state, command.privacy, now, command.by);
}

/** To another person; an open handoff and what is hidden go with the browser. */
function giveTo(
  state: SandboxState,
  controller: string,
  now: number,
  seen: Seen | undefined,
  asked?: Privacy,
): SandboxState {
  const privacy = strictest(state.control.privacy, asked);
  if (!isOpen(state.handoff))
    return sighted(moveControl(state, "human", controller, now, privacy), seen, now);
  const handoff = { ...state.handoff, controller, updatedAt: now };
  return sighted({ ...moveControl(state, "shared", controller, now, privacy), handoff }, seen, now);
}

/**
 * The store came back without its last writes, `epoch` among them, which somebody already drove under. What is left
 * counts, under an epoch newer than the lost one: nothing that was let through for the lost one is mistaken for it.
 */
export function fence(state: SandboxState, command: CommandOf<"control.fence">, now: number): Transition {
  if (state.epoch >= command.epoch) return same;
  const epoch = Math.max(epochAfter(state.epoch, now), command.epoch + 1);
  const after = drainAll({ ...state, epoch }, now);
  // Gates that registered in what was lost are not known here: they have closed when a lease has run out.
  const draining = { ...after.draining, [LOST_GATES]: now + GATE_LEASE_MS };
  const control = { ...after.control, phase: "draining" as const };
  return changed(announce(state, { ...after, draining, control }, "control.fenced", now));
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

/** H5: the grace time is over; the handoff waits for the next person, a browser without one returns to the agent. */
export function endGrace(state: SandboxState, now: number): Transition {
  const { graceUntil } = state.control;
  if (graceUntil === undefined || graceUntil > now) return same;
  if (isOpen(state.handoff)) return returnToQueue(state, now);
  return changed(announce(state, moveControl(state, "ai", undefined, now), "control.released", now));
}
