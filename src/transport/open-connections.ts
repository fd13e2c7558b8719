/** Connections that are open, and their heartbeat. */

export interface Beating {
  beat(): void;
}

/** Shares of a heartbeat's time, each with its share of the connections. */
const MAX_SLOTS = 64;
/** A timer more often than this would cost more than it spares. */
const MIN_SLOT_MS = 50;

/**
 * Each connection's beat comes once in `everyMs`. Not all of them at once: ten thousand pings and their answers would
 * keep the process from everything else for a quarter of a second.
 */
export class OpenConnections<T extends Beating> {
  readonly #everyMs: number;
  readonly #slots: number;
  /** Each with the slot that it was given. */
  readonly #slotOf = new Map<T, number>();
  #given = 0;
  #slot = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param everyMs milliseconds between two beats of a connection */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
    this.#slots = Math.min(MAX_SLOTS, Math.max(1, Math.floor(everyMs / MIN_SLOT_MS)));
  }

  get size(): number {
    return this.#slotOf.size;
  }

  start(): void {
    this.#timer = setInterval(() => this.#beat(), this.#everyMs / this.#slots);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  add(connection: T): void {
    this.#slotOf.set(connection, this.#given % this.#slots);
    this.#given += 1;
  }

  delete(connection: T): void {
    this.#slotOf.delete(connection);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#slotOf.keys();
  }

  #beat(): void {
    const now = this.#slot;
    this.#slot = (now + 1) % this.#slots;
    for (const [connection, slot] of this.#slotOf) if (slot === now) connection.beat();
  }
}
