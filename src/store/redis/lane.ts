/** Keeps one connection to one endpoint: opens it, and opens another when it has gone down. */
import type { Connection } from "./connection.ts";
import { backoffMs } from "./deadline.ts";

/** A connection that lasted this long was a good one: its end is a new story. */
const STEADY_MS = 1_000;

/** Somebody waits: the next attempt comes this soon, however many have failed. */
const EAGER_MS = 100;

export interface LaneOptions {
  readonly open: () => Promise<Connection>;
  readonly onUp: () => void;
  /** There is no connection now, and why; called for every failed attempt. */
  readonly onTrouble: (reason: string) => void;
}

export class Lane {
  readonly #options: LaneOptions;
  #connection: Connection | undefined;
  #attempt: Promise<Connection> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #failedAt = 0;
  #lastError: unknown = new Error("not connected yet");
  #closed = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#try();
  }

  /** The connection that is up. */
  get current(): Connection | undefined {
    return this.#connection;
  }

  /**
   * Waits for one attempt at most: that under way, or one that this call begins when the last has been over for a
   * while. The caller has the deadline.
   */
  async get(): Promise<Connection> {
    if (this.#connection) return this.#connection;
    if (!this.#attempt && !this.#closed && performance.now() - this.#failedAt > EAGER_MS) this.#try();
    if (this.#attempt) return this.#attempt;
    throw this.#lastError;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#lastError = new Error("the store is closed");
    this.#connection?.destroy("the store is closed");
  }

  #try(): void {
    clearTimeout(this.#timer);
    const attempt = this.#options.open();
    this.#attempt = attempt;
    attempt.then(
      (connection) => {
        this.#attempt = undefined;
        if (this.#closed) return connection.destroy("the store is closed");
        this.#connection = connection;
        const upAt = performance.now();
        connection.onDown((reason) => {
          this.#connection = undefined;
          if (performance.now() - upAt > STEADY_MS) this.#failures = 0;
          this.#failed(new Error(reason));
        });
        if (connection.alive) this.#options.onUp();
      },
      (error: unknown) => {
        this.#attempt = undefined;
        this.#failed(error);
      },
    );
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#lastError = error;
    this.#failedAt = performance.now();
    this.#timer = setTimeout(() => this.#try(), backoffMs(this.#failures));
    this.#failures += 1;
    this.#options.onTrouble(error instanceof Error ? error.message : String(error));
  }
}
