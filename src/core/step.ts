/** The small vocabulary that the transitions are written in. */
import type { Privacy } from "../../protocol/control.ts";
import { BatonError, type ErrorCode, type ErrorDetails } from "../../protocol/errors.ts";
import type { EventActor, EventType, SandboxChanges, SandboxEvent } from "../../protocol/sandbox.ts";
import { GATE_LEASE_MS } from "./commands.ts";
import { epochAfter, publicView, type SandboxState } from "./state.ts";

export interface Step {
  readonly state: SandboxState;
  /** Empty for a change that no subscriber can see. */
  readonly events: readonly SandboxEvent[];
}
/** `same`: allowed, and nothing changes. */
export type Transition =
  | ({ readonly kind: "changed" } & Step)
  | { readonly kind: "same" }
  | { readonly kind: "refused"; readonly error: BatonError };

export const same: Transition = { kind: "same" };

export function refuse(code: ErrorCode, message: string, details?: ErrorDetails): Transition {
  return { kind: "refused", error: new BatonError(code, message, details) };
}

/** A change that subscribers do not see. */
export function silently(state: SandboxState): Transition {
  return { kind: "changed", state, events: [] };
}

/**
 * Turns `after` into the state that follows `before` with one event. The event carries those public parts that
 * differ, so that applying it to the old snapshot gives the new one (E1).
 */
export function announce(
  before: SandboxState,
  after: SandboxState,
  type: EventType,
  now: number,
  by?: EventActor,
): Step {
  const state: SandboxState = { ...after, seq: before.seq + 1, updatedAt: now };
  const old = publicView(before);
  const fresh = publicView(state);
  const changes: SandboxChanges = {
    ...(old.control !== fresh.control && { control: fresh.control }),
    ...(old.handoff !== fresh.handoff && { handoff: fresh.handoff }),
    ...(before.resumes !== state.resumes && { resume: fresh.resume }),
    ...(before.browser !== state.browser && { browser: fresh.browser }),
  };
  const event: SandboxEvent = {
    sandboxId: state.sandboxId,
    seq: state.seq,
    epoch: state.epoch,
    at: now,
    type,
    ...(by && { by }),
    changes,
  };
  return { state, events: [event] };
}

export function changed(step: Step): Transition {
  return { kind: "changed", ...step };
}

/** Who may drive: the agent, one person, or nobody. */
export type Holder =
  | { readonly kind: "agent" }
  | { readonly kind: "person"; readonly name: string }
  | { readonly kind: "nobody" };

export function holderOf(state: Pick<SandboxState, "control">): Holder {
  const { mode, controller } = state.control;
  if (mode === "ai") return { kind: "agent" };
  return controller === undefined ? { kind: "nobody" } : { kind: "person", name: controller };
}

/** Private as soon as one of them is: what was hidden or asked to be hidden stays so (G3). */
export function strictest(...asked: readonly (Privacy | undefined)[]): Privacy {
  return asked.includes("private") ? "private" : "open";
}

/**
 * Moves control (C2). A new holder means a new epoch; whoever drove before is revoked with it, and the new holder is
 * active only when every gate is drained. If nobody drove, no gate has anything under way and the grant is immediate.
 *
 * Another privacy is another epoch too, and always a drain: a gate also stops what the agent sees (G3). The agent has
 * no privacy; others keep what there is unless `privacy` says otherwise.
 */
export function moveControl(
  state: SandboxState,
  mode: SandboxState["control"]["mode"],
  controller: string | undefined,
  now: number,
  privacy: Privacy | undefined = state.control.privacy,
): SandboxState {
  const hidden = mode !== "ai" && privacy === "private";
  const next = {
    mode,
    ...(controller !== undefined && { controller }),
    ...(hidden && { privacy: "private" as const }),
  };
  const from = holderOf(state);
  const to = holderOf({ control: { ...next, phase: "active", since: now } });
  const stays =
    from.kind === to.kind && (from.kind !== "person" || to.kind !== "person" || from.name === to.name);
  const seesAlike = next.privacy === state.control.privacy;
  const { phase, since, graceUntil } = state.control;
  const away = stays && graceUntil !== undefined && { graceUntil };
  if (stays && seesAlike) return { ...state, control: { ...next, phase, since, ...away } };
  const moved: SandboxState = {
    ...state,
    epoch: epochAfter(state.epoch, now),
    control: { ...next, phase: "active", since: now, ...away },
    draining: {},
    seen: stays ? state.seen : {},
  };
  const quiet = from.kind === "nobody" && phase === "active" && seesAlike;
  return quiet ? moved : drainAll(moved, now);
}

/** Waits for every gate; with none there is nothing to wait for. */
export function drainAll(state: SandboxState, now: number): SandboxState {
  const waiting = Object.keys(state.gates);
  return {
    ...state,
    control: { ...state.control, phase: waiting.length === 0 ? "active" : "draining", since: now },
    draining: Object.fromEntries(waiting.map((gateId) => [gateId, now + GATE_LEASE_MS])),
  };
}

/** The same holder under another privacy. */
export function withPrivacy(
  state: SandboxState,
  privacy: Privacy,
  now: number,
  by: EventActor | undefined,
): Transition {
  if (privacy === (state.control.privacy ?? "open")) return same;
  const { mode, controller } = state.control;
  const after = moveControl(state, mode, controller, now, privacy);
  return changed(announce(state, after, "control.privacy", now, by));
}

/** Whoever claims what they hold already may thereby hide it, but not show it. */
export function addPrivacy(
  state: SandboxState,
  asked: Privacy | undefined,
  now: number,
  by: EventActor | undefined,
): Transition {
  return asked === "private" ? withPrivacy(state, asked, now, by) : same;
}
