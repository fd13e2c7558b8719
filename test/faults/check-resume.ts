/** Every resume prompt was handled, and once (R1). */
import { type Entry, type EntryOf, ofKind } from "./history.ts";
import { finalLog } from "./turns.ts";
import { type Guarantees, type Violation, violation } from "./violation.ts";

export function checkResume(history: readonly Entry[], { durable }: Guarantees): Violation[] {
  const handled = new Map<string, EntryOf<"handled">[]>();
  for (const entry of ofKind(history, "handled")) {
    handled.set(entry.requestId, [...(handled.get(entry.requestId) ?? []), entry]);
  }
  const asked = new Set(
    finalLog(history).flatMap(({ type, changes }) =>
      type === "handoff.completed" && changes.resume?.status === "waiting" ? [changes.resume.requestId] : [],
    ),
  );
  /** How far a prompt got. */
  const traces = (id: string): Entry[] => [
    ...[...ofKind(history, "prompt"), ...ofKind(history, "claimed")].filter(
      ({ requestId }) => requestId === id,
    ),
    ...ofKind(history, "final").slice(0, 1),
  ];
  return [
    ...[...handled]
      .filter(([, times]) => times.length > 1)
      .map(([id, times]) =>
        violation("R1", `the prompt of ${id} was handled ${times.length} times`, ...times),
      ),
    ...[...asked]
      .filter((id) => !handled.has(id))
      .map((id) => violation("R1", `the prompt of ${id} was never handled`, ...traces(id))),
    ...[...handled]
      .filter(([id]) => durable && !asked.has(id))
      .map(([id, times]) => violation("R1", `a prompt of ${id} was handled that no handoff left`, ...times)),
  ];
}
