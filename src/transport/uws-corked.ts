import type { WebSocket } from "uWebSockets.js";
import type { SharedText } from "./shared-text.ts";

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
