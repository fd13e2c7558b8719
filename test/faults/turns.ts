/** Whose turn it was, and when, as the log says. */
import { applyEvent, type Sandbox, type SandboxEvent } from "../../protocol/sandbox.ts";
import { type Entry, ofKind } from "./history.ts";

export interface Turn {
  readonly epoch: number;
  /** `ai`, a person's name, or nobody. */
  readonly holder: string | undefined;
  /** When the change of control was decided. */
  readonly from: number;
  /** When the holder's input could first pass; never, if control moved on before. */
  readonly activeFrom: number | undefined;
  /** When control was moved on. */
  readonly until: number;
  /** When the holder's input could last pass: the end of the drain that followed. */
  readonly activeUntil: number;
}

/** The log that the nodes agree on at the end, from the event after the creation on. */
export function finalLog(history: readonly Entry[]): readonly SandboxEvent[] {
  const [created] = ofKind(history, "created");
  const log = ofKind(history, "final")[0]?.log ?? [];
  return log.filter(({ seq }) => seq > (created?.sandbox.seq ?? 0));
}

export function holderOf({ control }: Pick<Sandbox, "control">): string | undefined {
  return control.mode === "ai" ? "ai" : control.controller;
}

export function turnsOf(history: readonly Entry[]): Turn[] {
  const [created] = ofKind(history, "created");
  if (!created) return [];
  let state = created.sandbox;
  const turns: Turn[] = [open(state, state.updatedAt)];
  for (const event of finalLog(history)) {
    const before = state;
    state = applyEvent(state, event);
    const turn = turns.at(-1);
    if (!turn) break;
    if (state.epoch !== before.epoch) {
      turns[turns.length - 1] = { ...turn, until: event.at };
      turns.push(open(state, event.at));
    } else if (before.control.phase === "draining" && state.control.phase === "active") {
      turns[turns.length - 1] = { ...turn, activeFrom: event.at };
    }
  }
  return turns.map((turn, index) => ({ ...turn, activeUntil: nextActive(turns, index) }));
}

function open(state: Sandbox, at: number): Turn {
  return {
    epoch: state.epoch,
    holder: holderOf(state),
    from: at,
    activeFrom: state.control.phase === "active" ? at : undefined,
    until: Infinity,
    activeUntil: Infinity,
  };
}

/** A drain that control moves on from goes on into the next turn: the first active one ends it. */
function nextActive(turns: readonly Turn[], index: number): number {
  return turns.slice(index + 1).find(({ activeFrom }) => activeFrom !== undefined)?.activeFrom ?? Infinity;
}
