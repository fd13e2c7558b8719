/** What the child process and the test that reads after it agree on. */
import type { SandboxState } from "../../src/core/state.ts";

export const SANDBOXES: readonly string[] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** A deadline that the state itself tells, in an order that is not that of ids; some states have none. */
export function dueAtOf({ sandboxId, seq }: SandboxState): number | null {
  return seq % 3 === 0 ? null : 1_000_000 * (seq % 7) + SANDBOXES.indexOf(sandboxId);
}
