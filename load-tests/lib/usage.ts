/** What a process under measurement uses: processor time and memory. Each answers these questions about itself. */
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How often memory is looked at while its highest is asked for. */
const LOOK_MS = 10;

export type UsageQuestion =
  /** Processor time. */
  | { readonly of: "cpu" }
  /** Memory, with the garbage collected first: what is left is what is kept. */
  | { readonly of: "memory" }
  /** What of that is in buffers, such as pictures that wait: exact where all of the memory is not. */
  | { readonly of: "buffers" }
  /** Highest memory of the time to come. */
  | { readonly of: "peak"; readonly forMs: number };

/**
 * Microseconds of all the process's threads since its start, or bytes that it occupies ("resident set size").
 * Rejects for other questions.
 */
export async function usage(question: unknown): Promise<number> {
  const asked = question as UsageQuestion;
  switch (asked.of) {
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return user + system;
    }
    case "memory":
      collectGarbage();
      return process.memoryUsage.rss();
    case "buffers":
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    case "peak":
      return peak(asked.forMs);
  }
}

async function peak(forMs: number): Promise<number> {
  const until = performance.now() + forMs;
  let most = process.memoryUsage.rss();
  while (performance.now() < until) {
    await delay(LOOK_MS);
    most = Math.max(most, process.memoryUsage.rss());
  }
  return most;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What the first round finalizes is free after the second.
  collect();
  collect();
}
