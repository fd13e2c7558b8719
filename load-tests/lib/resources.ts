/** Longest that one thing may take to end before the next one's turn. */
const CLOSE_MS = 8_000;

/** Everything that must end with a run: closed in the reverse order of its creation. */
export class Resources {
  readonly #closers: (() => Promise<void> | void)[] = [];
  #closing: Promise<void> | undefined;

  /** Call it as soon as the thing exists. What comes after `close` is closed at once. */
  onClose(closer: () => Promise<void> | void): void {
    this.#closers.push(closer);
    if (this.#closing) this.#closing = this.#closing.then(() => this.#close());
  }

  /** Resolves when all are closed; a failure of one does not spare the others. Rejects with the first failure. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const closer of this.#closers.splice(0).toReversed()) {
      try {
        await within(Promise.resolve(closer()), "closing a part of the benchmark", CLOSE_MS);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Rejects, naming `what`, when `promise` takes longer than `timeoutMs`. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(`${what} did not happen within ${timeoutMs} ms; look at what the processes printed`),
        ),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
