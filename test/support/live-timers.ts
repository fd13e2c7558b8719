/** Counts the timers that are set, those included that would not keep the process alive. */
import { createHook } from "node:async_hooks";
import { onTestFinished } from "vitest";

/** From here until the test is over. Resolves to how many that were set since then are set still. */
export function countTimers(): () => Promise<number> {
  const live = new Set<number>();
  const hook = createHook({
    init(id, type) {
      if (type === "Timeout") live.add(id);
    },
    destroy(id) {
      live.delete(id);
    },
  }).enable();
  onTestFinished(() => void hook.disable());
  return async () => {
    // Node tells of ends a turn of the event loop later.
    for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    return live.size;
  };
}
