import type { Entry } from "./history.ts";

/** What the topology promises, and so what the checker may demand. */
export interface Guarantees {
  /** An acknowledged change survives every fault of the run. Without it, losses are counted, not failures. */
  readonly durable: boolean;
}

export interface Violation {
  /** The rule of PROTOCOL.md that does not hold. */
  readonly rule: string;
  readonly what: string;
  /** The entries that show it, in their order. */
  readonly excerpt: readonly Entry[];
}

/**
 * How far two processes' readings of the one clock may lie apart, ms: both are cut to whole milliseconds, and what is
 * compared happens beside the reading, not in it.
 */
export const CLOCK_MS = 5;

export function violation(rule: string, what: string, ...excerpt: readonly (Entry | undefined)[]): Violation {
  return { rule, what, excerpt: excerpt.filter((entry) => entry !== undefined) };
}

/** Equal as JSON, whatever the order of the fields. */
export function alike(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    field !== null && typeof field === "object" && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}
