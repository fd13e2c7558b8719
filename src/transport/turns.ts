/** What a transport does at the end of a turn of the event loop, once for all its connections. */
export interface AtTurnsEnd {
  /** Everything that came in with the turn has been read. Must not throw. */
  turnEnded(): void;
}

export class Turns {
  #waiting: AtTurnsEnd[] = [];

  /** Calls `turnEnded` at the end of this turn, as often as it was asked to. */
  add(waiting: AtTurnsEnd): void {
    if (this.#waiting.push(waiting) === 1) setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const ended = this.#waiting;
    this.#waiting = [];
    for (const one of ended) one.turnEnded();
  };
}
