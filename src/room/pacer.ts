/** Calls many back at times of their own, with one timer for all of them. */
export class Pacer<T> {
  readonly #due: (items: readonly T[]) => void;
  /** By the millisecond of `performance.now()` that they wait for. */
  readonly #items = new Map<number, Set<T>>();
  readonly #times = new Map<T, number>();
  #timer: NodeJS.Timeout | undefined;
  /** What the timer waits for. */
  #next = Infinity;

  constructor(due: (items: readonly T[]) => void) {
    this.#due = due;
  }

  /** Calls back for `item` at that `performance.now()`, give or take a millisecond. One that waits already goes on to. */
  at(item: T, time: number): void {
    if (this.#times.has(item)) return;
    const millisecond = Math.floor(time);
    this.#times.set(item, millisecond);
    const others = this.#items.get(millisecond);
    if (others) others.add(item);
    else this.#items.set(millisecond, new Set([item]));
    this.#wait(millisecond);
  }

  drop(item: T): void {
    const millisecond = this.#times.get(item);
    if (millisecond === undefined) return;
    this.#times.delete(item);
    const others = this.#items.get(millisecond);
    others?.delete(item);
    if (others?.size === 0) this.#items.delete(millisecond);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#next = Infinity;
    this.#items.clear();
    this.#times.clear();
  }

  #wait(millisecond: number): void {
    if (millisecond >= this.#next) return;
    clearTimeout(this.#timer);
    this.#next = millisecond;
    this.#timer = setTimeout(() => this.#call(), millisecond - performance.now());
  }

  #call(): void {
    this.#next = Infinity;
    // Node's timers may be that much early.
    const until = performance.now() + 1;
    const due: T[] = [];
    let next = Infinity;
    for (const [millisecond, items] of this.#items) {
      if (millisecond > until) {
        next = Math.min(next, millisecond);
        continue;
      }
      this.#items.delete(millisecond);
      for (const item of items) {
        this.#times.delete(item);
        due.push(item);
      }
    }
    if (next < Infinity) this.#wait(next);
    if (due.length > 0) this.#due(due);
  }
}
