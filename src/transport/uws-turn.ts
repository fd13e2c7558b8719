/** What a transport on uWebSockets.js does at the end of a turn of the event loop, once for all its connections. */
import type { WebSocket } from "uWebSockets.js";
import type { SharedText } from "./shared-text.ts";

export interface AtTurnsEnd {
  turnEnded(): void;
}

export class Turns {
  #waiting: AtTurnsEnd[] = [];

  /** Calls `turnEnded` once at the end of this turn. The caller sees to it that it asks once. */
  add(waiting: AtTurnsEnd): void {
    if (this.#waiting.push(waiting) === 1) setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const ended = this.#waiting;
    this.#waiting = [];
    for (const one of ended) one.turnEnded();
  };
}

/** Sends several messages in one write. One closure for all sockets: `cork` takes a function without arguments. */
export class CorkedSends<T> {
  #ws: WebSocket<T> | undefined;
  #messages: readonly SharedText[] = [];

  send(ws: WebSocket<T>, messages: readonly SharedText[]): void {
    this.#ws = ws;
    this.#messages = messages;
    ws.cork(this.#write);
    this.#ws = undefined;
    this.#messages = [];
  }

  readonly #write = (): void => {
    for (const { payload } of this.#messages) this.#ws?.send(payload, false);
  };
}
