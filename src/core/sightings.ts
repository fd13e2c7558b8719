/** Where the controller has a connection, as nodes vouch for it: a person whom no node sees any more is away (H5). */
import type { CommandOf, Seen } from "./commands.ts";
import type { Sighting, SandboxState } from "./state.ts";
import { announce, changed, holderOf, same, silently, type Transition } from "./step.ts";

export function here(state: SandboxState, command: CommandOf<"controller.here">, now: number): Transition {
  if (!isController(state, command.controller)) return same;
  const after = sighted(state, command, now);
  if (state.control.graceUntil === undefined) return silently(after);
  const { graceUntil: _, ...control } = state.control;
  return changed(announce(state, { ...after, control }, "control.back", now, command.by));
}

export function left(state: SandboxState, command: CommandOf<"controller.left">, now: number): Transition {
  if (!isController(state, command.controller)) return same;
  return without(state, command.nodeId, command.graceMs, now, command.by);
}

/** A node stopped vouching: it was killed, or cut off. */
export function endSighting(state: SandboxState, now: number): Transition {
  const ended = Object.entries(state.seen).find(([, { until }]) => until <= now);
  return ended === undefined ? same : without(state, ended[0], ended[1].graceMs, now);
}

/** Notes that a node sees the controller. */
export function sighted(state: SandboxState, seen: Seen | undefined, now: number): SandboxState {
  if (seen === undefined) return state;
  const sighting: Sighting = { until: now + seen.leaseMs, graceMs: seen.graceMs };
  return { ...state, seen: { ...state.seen, [seen.nodeId]: sighting } };
}

function without(
  state: SandboxState,
  nodeId: string,
  graceMs: number,
  now: number,
  by?: CommandOf<"tick">["by"],
): Transition {
  const { [nodeId]: _, ...seen } = state.seen;
  const after = { ...state, seen };
  if (Object.keys(seen).length === 0 && state.control.graceUntil === undefined) {
    const control = { ...state.control, graceUntil: now + graceMs };
    return changed(announce(state, { ...after, control }, "control.away", now, by));
  }
  return Object.hasOwn(state.seen, nodeId) ? silently(after) : same;
}

function isController(state: SandboxState, name: string): boolean {
  const holder = holderOf(state);
  return holder.kind === "person" && holder.name === name;
}
