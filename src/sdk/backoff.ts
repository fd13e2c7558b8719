import { BatonError } from "../../protocol/errors.ts";

/** Longest that a gateway's own word for when to come back is believed. */
const MAX_RETRY_AFTER_MS = 10 * 60 * 1_000;

/** How long an error asks to wait before the same is tried again, ms; 0 when it does not say. */
export function retryAfterMs(error: unknown): number {
  const asked = error instanceof BatonError ? error.details?.["retryAfterMs"] : undefined;
  return typeof asked === "number" && asked > 0 ? Math.min(asked, MAX_RETRY_AFTER_MS) : 0;
}

/** A wait of at least `waitMs`, and up to a fifth more: those who were told the same do not come back together. */
export function spread(waitMs: number): number {
  return waitMs * (1 + Math.random() / 5);
}

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

  /** `error`: why it is needed; one that says when to come back is obeyed. */
  schedule(error: unknown, action: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, Math.max(this.#backoff.nextMs(), spread(retryAfterMs(error))));
  }

  /** Nothing is repeated any more; the next `schedule` starts with a short wait. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#backoff.reset();
  }
}
