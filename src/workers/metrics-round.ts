/** Asks several processes for their metrics, and takes what comes in time. */
import type { Registry } from "prom-client";
import type { ProcessMetrics } from "../ops/metrics.ts";

/** A worker that is busy for longer is left out: whoever scrapes waits for ten seconds as a rule. */
const ROUND_MS = 1_000;

export class MetricsRound {
  readonly #own: Registry;
  readonly #rounds = new Map<number, (metrics: ProcessMetrics) => void>();
  #count = 0;

  /** @param own of this process, part of every answer */
  constructor(own: Registry) {
    this.#own = own;
  }

  /** @param ask has `count` others call `answered` with the id */
  async gather(count: number, ask: (id: number) => void): Promise<readonly ProcessMetrics[]> {
    this.#count += 1;
    const id = this.#count;
    const found: ProcessMetrics[] = [];
    await new Promise<void>((resolve) => {
      if (count === 0) return resolve();
      const timer = setTimeout(resolve, ROUND_MS);
      this.#rounds.set(id, (metrics) => {
        found.push(metrics);
        if (found.length < count) return;
        clearTimeout(timer);
        resolve();
      });
      ask(id);
    });
    this.#rounds.delete(id);
    return [await this.#own.getMetricsAsJSON(), ...found];
  }

  answered(id: number, metrics: ProcessMetrics): void {
    this.#rounds.get(id)?.(metrics);
  }
}
