/** How many of something are open, by address or subject. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** Keys of which something is open: never more than there are open things. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  /** Does nothing for a key of which nothing is open. */
  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}
