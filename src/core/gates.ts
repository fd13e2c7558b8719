/** The gates to a browser: which there are, what they see of it, and the drain that waits for them (C2, C3). */
import type { PreviewStatus } from "../../protocol/preview.ts";
import type { CommandOf } from "./commands.ts";
import type { GateRecord, SandboxState } from "./state.ts";
import { announce, changed, same, silently, type Transition } from "./step.ts";

export function open(state: SandboxState, command: CommandOf<"gate.open">, now: number): Transition {
  const { gateId, nodeId, attachedAt } = command;
  if (Object.hasOwn(state.gates, gateId)) return same;
  return settle(state, { ...state.gates, [gateId]: { nodeId, attachedAt } }, state.draining, now);
}

export function close(state: SandboxState, command: CommandOf<"gate.close">, now: number): Transition {
  if (!Object.hasOwn(state.gates, command.gateId)) return same;
  const { [command.gateId]: _, ...gates } = state.gates;
  return settle(state, gates, without(state.draining, command.gateId), now);
}

/** C2: the last acknowledgement makes the new holder active. One for an older epoch proves nothing and is ignored. */
export function drained(state: SandboxState, command: CommandOf<"gate.drained">, now: number): Transition {
  if (!isAwaited(state, command)) return same;
  return settle(state, state.gates, without(state.draining, command.gateId), now);
}

export function renew(state: SandboxState, command: CommandOf<"gate.renew">, now: number): Transition {
  if (!isAwaited(state, command)) return same;
  return silently({ ...state, draining: { ...state.draining, [command.gateId]: now + command.leaseMs } });
}

/**
 * The lease of a silent gate ran out: it has closed by its own clock (C3). It is not waited for again: should it
 * wake up, it finds that it is not registered, and registers before it lets anything through.
 */
export function endLease(state: SandboxState, now: number): Transition {
  const expired = Object.keys(state.draining).find((gateId) => (state.draining[gateId] ?? 0) <= now);
  if (expired === undefined) return same;
  return settle(state, without(state.gates, expired), without(state.draining, expired), now);
}

export function report(state: SandboxState, command: CommandOf<"gate.status">, now: number): Transition {
  const gate = Object.hasOwn(state.gates, command.gateId) ? state.gates[command.gateId] : undefined;
  if (!gate || gate.status === command.status) return same;
  const gates = { ...state.gates, [command.gateId]: { ...gate, status: command.status } };
  return settle(state, gates, state.draining, now);
}

export function nodeGone(state: SandboxState, command: CommandOf<"node.gone">, now: number): Transition {
  const entries = Object.entries(state.gates);
  const of = ({ nodeId, status }: GateRecord): boolean => nodeId === command.nodeId && status !== undefined;
  if (!entries.some(([, gate]) => of(gate))) return same;
  const blind = (gate: GateRecord): GateRecord => {
    const { status: _, ...rest } = gate;
    return rest;
  };
  const gates = Object.fromEntries(entries.map(([id, gate]) => [id, of(gate) ? blind(gate) : gate]));
  return settle(state, gates, state.draining, now);
}

function isAwaited(
  state: SandboxState,
  command: { readonly gateId: string; readonly epoch: number },
): boolean {
  return command.epoch === state.epoch && Object.hasOwn(state.draining, command.gateId);
}

function settle(
  state: SandboxState,
  gates: SandboxState["gates"],
  draining: SandboxState["draining"],
  now: number,
): Transition {
  const after = { ...state, gates, draining, browser: seenThrough(gates, state.browser, now) };
  if (state.control.phase === "draining" && Object.keys(draining).length === 0) {
    const control = { ...state.control, phase: "active" as const };
    return changed(announce(state, { ...after, control }, "control.active", now));
  }
  if (after.browser !== state.browser) return changed(announce(state, after, "browser.changed", now));
  return silently(after);
}

/** Best first: a browser that one node sees live is live. */
const BEST: readonly PreviewStatus[] = ["live", "reconnecting", "connecting", "gone", "idle"];

function seenThrough(
  gates: SandboxState["gates"],
  browser: SandboxState["browser"],
  now: number,
): SandboxState["browser"] {
  if (!browser) return browser;
  const reported = Object.values(gates)
    .filter(({ attachedAt }) => attachedAt === browser.attachedAt)
    .map(({ status }) => status);
  const status = BEST.find((each) => reported.includes(each)) ?? "idle";
  return status === browser.status ? browser : { ...browser, status, updatedAt: now };
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  const { [key]: _, ...rest } = record;
  return rest;
}
