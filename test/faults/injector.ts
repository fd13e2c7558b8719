/** Inflicts the planned faults, and lifts every one of them in the end. */
import { setTimeout as pause } from "node:timers/promises";
import type { History } from "./history.ts";
import type { Hazard, Strike } from "./schedule.ts";

export async function inflict(
  strikes: readonly Strike<Hazard>[],
  durationMs: number,
  history: History,
): Promise<void> {
  const startedAt = performance.now();
  const over = AbortSignal.timeout(durationMs);
  /** The newest strike on each part: the next one waits until it is lifted. */
  const parts = new Map<string, Promise<void>>();
  for (const strike of strikes) {
    const { target } = strike.hazard;
    parts.set(target, one(strike, parts.get(target) ?? Promise.resolve()));
  }
  await until(durationMs);
  await Promise.all(parts.values());

  async function one({ hazard, atMs, forMs }: Strike<Hazard>, before: Promise<void>): Promise<void> {
    const { fault, target } = hazard;
    await Promise.all([until(atMs), before]);
    if (over.aborted) return;
    history.add({ kind: "fault", fault, target, forMs });
    const failed = (error: unknown): void =>
      history.add({ kind: "note", text: `${fault} (${target}) failed: ${String(error)}` });
    await hazard.begin().catch(failed);
    // What would last longer than the run is lifted at its end.
    await pause(forMs, undefined, { signal: over }).catch(() => {});
    await hazard.end().catch(failed);
    history.add({ kind: "healed", fault, target });
  }

  /** The schedule's own time; nothing is waited for. */
  async function until(atMs: number): Promise<void> {
    await pause(Math.max(0, startedAt + atMs - performance.now()));
  }
}
