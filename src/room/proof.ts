/**
 * The store's word that a gate lives on (C3): how long it counts, and how it is asked for again. Time is this
 * process's own: the monotonic clock, and the wall clock beside it, since the first one stands still while a machine
 * sleeps.
 */
import { BatonError } from "../../protocol/errors.ts";
import { GATE_PROOF_MS } from "../core/commands.ts";

/** Inputs that wait for the store's word at a time; more are refused. */
const MAX_WAITING = 256;

export class Proof {
  readonly #ask: () => Promise<void>;
  #until = -Infinity;
  #untilByWall = -Infinity;
  /** Grows with each doubt: an answer to an older question settles nothing. */
  #doubts = 0;
  #asking: Promise<void> | null = null;
  #waiting = 0;

  /** @param ask resolves once the store confirmed what the gate knows; rejects with `BatonError` */
  constructor(ask: () => Promise<void>) {
    this.#ask = ask;
  }

  get valid(): boolean {
    return performance.now() < this.#until && Date.now() < this.#untilByWall;
  }

  /** Counts from before the question: whatever delayed the answer, the proof is no younger than that. */
  start({ monotonic, wall }: Moment): void {
    this.#until = monotonic + GATE_PROOF_MS;
    this.#untilByWall = wall + GATE_PROOF_MS;
  }

  /** The store's word counts no more until it is given again. */
  doubt(): void {
    this.#until = -Infinity;
    this.#doubts += 1;
  }

  /** Asks again in good time while it is used. */
  keep(): void {
    if (this.#until - performance.now() < GATE_PROOF_MS / 2) this.#renew().catch(() => {});
  }

  /** @throws BatonError `unavailable`, `input_overflow`, `sandbox_not_found` */
  async obtain(): Promise<void> {
    if (this.#waiting >= MAX_WAITING) {
      throw new BatonError(
        "input_overflow",
        "The store has not yet confirmed who drives, and too much input waits for it. Send it again in a moment.",
      );
    }
    this.#waiting += 1;
    try {
      await this.#renew();
    } finally {
      this.#waiting -= 1;
    }
    if (!this.valid) throw unproven();
  }

  #renew(): Promise<void> {
    this.#asking ??= this.#settle().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #settle(): Promise<void> {
    for (;;) {
      const doubts = this.#doubts;
      const asked = now();
      await this.#ask();
      if (doubts !== this.#doubts) continue;
      this.start(asked);
      return;
    }
  }
}

export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

export function unproven(): BatonError {
  return new BatonError(
    "unavailable",
    "The gateway cannot reach its store, so it cannot tell who may drive: input stops until it can. Watching goes on.",
  );
}
