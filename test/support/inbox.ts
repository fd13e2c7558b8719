/** Things that arrive, handed out in order to whoever waits for them. A wait that is not fulfilled says what came. */

/** Longest a test waits for one event; far beyond what it takes on a busy machine. */
export const WAIT_MS = 8_000;

/** Rejects with `what` when `promise` takes too long. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = WAIT_MS): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs);
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error(`${what} did not happen in ${timeoutMs} ms`)), {
        once: true,
      });
    }),
  ]);
}

interface Taker<T> {
  readonly wants: (item: T) => boolean;
  readonly resolve: (item: T) => void;
  readonly reject: (error: Error) => void;
}

export class Inbox<T> {
  /** Everything that ever arrived, taken or not. */
  readonly all: T[] = [];
  readonly #items: T[] = [];
  readonly #takers = new Set<Taker<T>>();
  #ended: string | undefined;

  put(item: T): void {
    this.all.push(item);
    for (const taker of this.#takers) {
      if (!taker.wants(item)) continue;
      this.#takers.delete(taker);
      return taker.resolve(item);
    }
    this.#items.push(item);
  }

  /** Nothing more will arrive: whoever waits is told why. */
  end(why: string): void {
    this.#ended ??= why;
    for (const taker of this.#takers) taker.reject(new Error(why));
    this.#takers.clear();
  }

  /** The oldest item that `wants` accepts and nobody has taken. */
  async take(
    what: string,
    wants: (item: T) => boolean = () => true,
    timeoutMs: number = WAIT_MS,
  ): Promise<T> {
    const index = this.#items.findIndex(wants);
    if (index >= 0) return this.#items.splice(index, 1)[0] as T;
    if (this.#ended !== undefined) throw new Error(`no ${what}: ${this.#ended}`);
    let taker: Taker<T> | undefined;
    const arrived = new Promise<T>((resolve, reject) => {
      taker = { wants, resolve, reject };
      this.#takers.add(taker);
    });
    try {
      return await within(arrived, `the arrival of ${what}`, timeoutMs);
    } finally {
      if (taker) this.#takers.delete(taker);
    }
  }
}
