/** Collects what sockets send, so that each writes once for a turn of the event loop. */
export interface Flushable {
  /** Writes what was sent; nothing when that happened meanwhile. Must not throw. */
  flush(): void;
}

export class Turn {
  #sockets: Flushable[] = [];

  /** `socket` is flushed once everything that came in with this turn has been read. */
  ends(socket: Flushable): void {
    if (this.#sockets.length === 0) setImmediate(this.#flush);
    this.#sockets.push(socket);
  }

  readonly #flush = (): void => {
    const sockets = this.#sockets;
    this.#sockets = [];
    for (const socket of sockets) socket.flush();
  };
}
