/** How often a connection is measured, at most. */
const PING_INTERVAL_MS = 5_000;

export interface HeartbeatOptions {
  /** As in `welcome`. */
  readonly heartbeatMs: number;
  ping(): void;
  /** Nothing came for two heartbeats although it was asked for. */
  dead(): void;
}

/** Pings, and finds out that nobody answers: a page sees neither the gateway's own pings nor a half-open connection. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #intervalMs: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #heardAt = performance.now();
  #tickedAt = performance.now();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(PING_INTERVAL_MS, options.heartbeatMs);
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs);
    options.ping();
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    // A hidden tab, a suspended machine or a busy loop ticks late: then the silence is ours, and proves nothing.
    const onTime = now - this.#tickedAt < 2 * this.#intervalMs;
    this.#tickedAt = now;
    if (onTime && now - this.#heardAt > 2 * this.#options.heartbeatMs) this.#options.dead();
    else this.#options.ping();
  }
}
