/** One call for all that ask for it in a while. */
export class Later {
  readonly #call: () => void;
  /** `performance.now()` at which it is made. */
  #at = Number.POSITIVE_INFINITY;
  #cancel = (): void => {};

  constructor(call: () => void) {
    this.#call = call;
  }

  /** In `ms`, or before, if somebody asked for that. 0: at the end of this turn of the event loop. */
  in(ms: number): void {
    const at = performance.now() + ms;
    if (this.#at <= at) return;
    this.#cancel();
    this.#at = at;
    if (ms === 0) {
      const immediate = setImmediate(() => this.#make());
      this.#cancel = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(() => this.#make(), ms);
      this.#cancel = () => clearTimeout(timer);
    }
  }

  /** What was asked for is not made. */
  cancel(): void {
    this.#cancel();
    this.#at = Number.POSITIVE_INFINITY;
  }

  #make(): void {
    this.#at = Number.POSITIVE_INFINITY;
    this.#call();
  }
}
