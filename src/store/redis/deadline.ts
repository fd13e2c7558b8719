/** Bounded waits on the monotonic clock. */

export class Deadline {
  readonly #at: number;

  constructor(ms: number) {
    this.#at = performance.now() + ms;
  }

  get leftMs(): number {
    return Math.max(0, this.#at - performance.now());
  }

  /**
   * Settles as `promise` does, or rejects with `late()`, which is called for that alone. When the deadline passes, answers that have already arrived
   * are looked at first: a process that was stopped for a while finds the timer due before the socket is read.
   */
  async race<T>(promise: Promise<T>, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const timer = setTimeout(() => setImmediate(() => settled || reject(late())), this.leftMs);
      const settle = (): void => {
        settled = true;
        clearTimeout(timer);
      };
      promise.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }
}

/** Between half and all of a time that doubles with each failure, so that many nodes don't come back as one. */
export function backoffMs(failures: number): number {
  return Math.min(1_000, 50 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}
