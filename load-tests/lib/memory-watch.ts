/** The most memory that another process occupies while something is under way, seen from outside: it does nothing for it. */
import { rssOf } from "./cpu-time.ts";
import type { Resources } from "./resources.ts";

const LOOK_MS = 10;

export interface MemoryWatch {
  /** Bytes ("resident set size"), as the system says. */
  readonly stop: () => number;
}

/** @param resources what the process ends with */
export function watchMemory(resources: Resources, pid: number): MemoryWatch {
  let most = 0;
  const look = (): void => void (most = Math.max(most, rssOf([pid])));
  look();
  const timer = setInterval(look, LOOK_MS);
  resources.onClose(() => clearInterval(timer));
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return most;
    },
  };
}
