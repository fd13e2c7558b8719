/** Token buckets, filled when they are looked at: none needs a timer. */

/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

export interface Rate {
  /** Tokens of a full bucket: what may be taken at once. Above zero. */
  readonly capacity: number;
  /** Tokens that come back each second. Above zero. */
  readonly perSecond: number;
}

/** Sums of parts of a token are off by less. */
const ROUNDING = 1e-6;

/** In any `t` seconds no more than `capacity + perSecond * t` is taken, or `t` after one amount larger than that. */
export class Bucket {
  readonly #rate: Rate;
  readonly #now: Clock;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: Clock) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.capacity;
    this.#at = now();
  }

  /**
   * Takes `amount`, all or nothing. One larger than the bucket needs a full one, and the next wait for the rest.
   *
   * @returns 0 when it was taken, otherwise after how many ms it can be
   */
  take(amount = 1): number {
    const waitMs = this.waitMs(amount);
    if (waitMs === 0) this.#tokens -= amount;
    return waitMs;
  }

  /** What `take` would return. */
  waitMs(amount = 1): number {
    this.#fill();
    const missing = Math.min(amount, this.#rate.capacity) - this.#tokens;
    if (missing <= ROUNDING) return 0;
    return Math.max(1, Math.ceil(((missing - ROUNDING / 2) / this.#rate.perSecond) * 1_000));
  }

  /** Takes what has been used already, into debt if it must be, up to one empty bucket more. */
  charge(amount = 1): void {
    this.#fill();
    this.#tokens = Math.max(this.#tokens - amount, -this.#rate.capacity);
  }

  /** Share of the capacity that is there: 1 when nothing was taken lately, negative in debt. */
  get level(): number {
    this.#fill();
    return this.#tokens / this.#rate.capacity;
  }

  #fill(): void {
    const now = this.#now();
    const elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#rate.capacity, this.#tokens + (elapsedMs / 1_000) * this.#rate.perSecond);
  }
}
