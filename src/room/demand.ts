/** Pictures that the browser has sent and waits to hear of: it sends more once it does. */

/** Chromium sends three ahead. */
const MAX_UNANSWERED = 16;

export class Demand {
  readonly #due: () => void;
  /** Let Chromium send more. It sends a few ahead, and counts each that was never answered against the next. */
  #unanswered: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** `performance.now()` that the timer waits for. */
  #at = Infinity;

  /** @param due it is time, unless whoever wanted the next picture is gone */
  constructor(due: () => void) {
    this.#due = due;
  }

  /** Nothing is asked for before somebody has taken one of them. */
  get holds(): boolean {
    return this.#unanswered.length > 0;
  }

  /** A picture has come. Beyond the bound the oldest is answered at once. */
  hold(done: () => void): void {
    this.unask();
    this.#unanswered.push(done);
    if (this.#unanswered.length > MAX_UNANSWERED) this.#unanswered.shift()?.();
  }

  /** Asks for the next at that `performance.now()`, or before, when somebody wants it earlier. */
  ask(at: number): void {
    if (at >= this.#at || !this.holds) return;
    this.unask();
    const waitMs = at - performance.now();
    if (waitMs <= 1) return this.answer();
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Infinity;
      this.#due();
    }, waitMs);
  }

  unask(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }

  answer(): void {
    this.unask();
    for (const done of this.#unanswered.splice(0)) done();
  }

  /** What came before counts no more. */
  forget(): void {
    this.unask();
    this.#unanswered = [];
  }
}
