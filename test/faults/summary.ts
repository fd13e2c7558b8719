/** What a run amounted to, and whether that was enough to prove anything. */
import { lostCalls } from "./check-log.ts";
import { type Entry, ofKind } from "./history.ts";
import { finalLog } from "./turns.ts";

export interface Summary {
  readonly runs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly handoffs: number;
  readonly claims: number;
  readonly reached: number;
  readonly refused: number;
  /** Acknowledged calls that the log does not hold; without durability they are counted only. */
  readonly lost: number;
  /** Longest time in which nobody's call or input was answered as done, ms. */
  readonly unavailableMs: number;
}

export function summarize(history: readonly Entry[]): Summary {
  const faults: Record<string, number> = {};
  for (const { fault } of ofKind(history, "fault")) faults[fault] = (faults[fault] ?? 0) + 1;
  const log = finalLog(history);
  const answers = history.filter(({ kind }) => kind === "answered" || kind === "input.done");
  const gaps = answers.slice(1).map(({ at }, index) => at - (answers[index]?.at ?? at));
  return {
    runs: 1,
    faults,
    handoffs: log.filter(({ type }) => type === "handoff.completed").length,
    claims: log.filter(({ type }) => type === "handoff.accepted" || type === "control.taken").length,
    reached: ofKind(history, "page").length,
    refused: ofKind(history, "input.refused").length,
    lost: lostCalls(history).length,
    unavailableMs: Math.max(0, ...gaps),
  };
}

export function together(a: Summary, b: Summary): Summary {
  const faults = { ...a.faults };
  for (const [fault, count] of Object.entries(b.faults)) faults[fault] = (faults[fault] ?? 0) + count;
  return {
    runs: a.runs + b.runs,
    faults,
    handoffs: a.handoffs + b.handoffs,
    claims: a.claims + b.claims,
    reached: a.reached + b.reached,
    refused: a.refused + b.refused,
    lost: a.lost + b.lost,
    unavailableMs: Math.max(a.unavailableMs, b.unavailableMs),
  };
}

/** Least work per minute of faults that makes a run worth its name. */
const LEAST_PER_MINUTE = { handoffs: 2, claims: 4, reached: 60, refused: 100 } as const;

/** What there was too little of; a run that did nothing proves nothing. */
export function shortcomings(summary: Summary, durationMs: number): string[] {
  const least = Object.entries(LEAST_PER_MINUTE).flatMap(([what, perMinute]) => {
    const wanted = Math.ceil((perMinute * durationMs) / 60_000);
    const got = summary[what as keyof typeof LEAST_PER_MINUTE];
    return got < wanted ? [`${what}: ${got} of at least ${wanted}`] : [];
  });
  return Object.keys(summary.faults).length === 0 ? [...least, "no fault struck"] : least;
}
