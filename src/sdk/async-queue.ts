export interface QueueOptions<T> {
  /** Most items that wait for the consumer. */
  readonly limit: number;
  /** At the limit: the oldest item goes, or the iterator throws this error and ends. */
  readonly full: "replace" | (() => Error);
  /** Called with each item as the consumer takes it. */
  taken?(item: T): void;
  /** Called once, however the queue ends. */
  stopped(): void;
}

/** A producer's items as an async iterator with a bounded memory. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #options: QueueOptions<T>;
  #items: T[] = [];
  #waiting: { resolve(result: IteratorResult<T, undefined>): void; reject(error: unknown): void }[] = [];
  #ended = false;
  #error: { value: unknown } | undefined;

  constructor(options: QueueOptions<T>) {
    this.#options = options;
  }

  push(item: T): void {
    if (this.#ended) return;
    const consumer = this.#waiting.shift();
    if (consumer) {
      consumer.resolve({ done: false, value: item });
      this.#options.taken?.(item);
      return;
    }
    if (this.#items.length >= this.#options.limit) {
      if (this.#options.full !== "replace") {
        this.#items = [];
        this.fail(this.#options.full());
        return;
      }
      this.#items.shift();
    }
    this.#items.push(item);
  }

  /** No more items; those that wait can still be taken. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const consumer of this.#waiting.splice(0)) consumer.resolve({ done: true, value: undefined });
    this.#options.stopped();
  }

  /** The same, and the consumer's next call after the last item throws `error`. */
  fail(error: unknown): void {
    if (this.#ended) return;
    const [consumer] = this.#waiting.splice(0, 1);
    if (consumer) consumer.reject(error);
    else this.#error = { value: error };
    this.end();
  }

  /** Ends and drops what waits. */
  cancel(): void {
    this.#items = [];
    this.#error = undefined;
    this.end();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      this.#options.taken?.(value);
      return Promise.resolve({ done: false, value });
    }
    if (this.#error) {
      const { value } = this.#error;
      this.#error = undefined;
      return Promise.reject(value);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.cancel();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Ends the queue at the signal, and stops listening to it when the queue ended before. */
export function endAt(signal: AbortSignal | undefined, end: () => void): () => void {
  if (!signal) return () => {};
  if (signal.aborted) {
    end();
    return () => {};
  }
  signal.addEventListener("abort", end, { once: true });
  return () => signal.removeEventListener("abort", end);
}
