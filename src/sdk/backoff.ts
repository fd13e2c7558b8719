/** Waits that double up to a limit, each jittered so that many clients do not come back in one moment. */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #attempt = 0;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = Math.max(minMs, maxMs);
  }

  /** The next wait, between half and all of `minMs * 2^attempt`. */
  nextMs(): number {
    const wholeMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return wholeMs * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }
}

/** One scheduled repetition of something that a gateway refused for the moment. */
export class Retry {
  readonly #backoff: Backoff;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(minMs: number, maxMs: number) {
    this.#backoff = new Backoff(minMs, maxMs);
  }

  schedule(action: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, this.#backoff.nextMs());
  }

  /** Nothing is repeated any more; the next `schedule` starts with a short wait. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#backoff.reset();
  }
}
