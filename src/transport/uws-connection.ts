/**
 * What sockets and pipes have in common on uWebSockets.js: the native WebSocket and its end.
 *
 * The native object lives from `open` to `close`, and a call to it after that throws or ends the process. So it is held
 * here only, as `ws`, which is undefined from the moment it is dead: no subclass keeps it in a variable across a call
 * that may close it, and no callback of its is passed on. uWebSockets.js calls `close` from within `end` and `close`,
 * while the contract has its callers called one at a time: what ended is told at the end of the turn.
 */
import type { WebSocket, WebSocketBehavior } from "uWebSockets.js";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import { closeText, fitting } from "./close-text.ts";
import type { AtTurnsEnd, Turns } from "./turns.ts";

/** A stuck peer's unsent bytes are kept that long for it to learn why it is closed. */
const CLOSE_TIMEOUT_MS = 1_000;
/** More than this over its limit a message is cut off while it comes, without a code: memory for it has a bound too. */
const OVERSIZE_BYTES = 64 * 1024;

/** uWebSockets.js's own limits of a timeout in whole seconds. */
const [MIN_IDLE_S, MAX_IDLE_S] = [8, 960];

/** What uWebSockets.js keeps with a WebSocket. */
export interface UserData {
  connection: UwsConnection | undefined;
}

export type NativeSocket = WebSocket<UserData> & UserData;

/** What a connection asks of its transport. Shared by all of them. */
export interface Surroundings {
  readonly turns: Turns;
  /** The native socket is gone, and its handler has been told. */
  readonly over: (connection: UwsConnection) => void;
}

export abstract class UwsConnection<S extends Surroundings = Surroundings> implements AtTurnsEnd {
  readonly remoteAddress: string;
  protected readonly surroundings: S;
  protected ws: NativeSocket | undefined;
  #end: { readonly code: number; readonly text: string; readonly timer: NodeJS.Timeout } | undefined;
  #scheduled = false;
  #told = false;

  constructor(ws: NativeSocket, remoteAddress: string, surroundings: S) {
    this.ws = ws;
    // Before anybody can close it.
    ws.connection = this;
    this.remoteAddress = remoteAddress;
    this.surroundings = surroundings;
  }

  abstract received(message: ArrayBuffer, isBinary: boolean): void;
  abstract alive(): void;
  abstract beat(): void;
  /** Sends what waits. May close. */
  protected abstract flush(): void;
  /** Some of what uWebSockets.js held has left, or may have. */
  protected abstract settle(): void;
  protected abstract ended(): void;

  /** Neither closed nor about to be. */
  protected get open(): boolean {
    return this.ws !== undefined && this.#end === undefined;
  }

  close(reason: CloseReason, detail?: string): void {
    this.closeWith(CLOSE[reason].code, closeText(reason, detail));
  }

  /** @param code any that may be sent, WebSocket's own included */
  protected closeWith(code: number, reason: string): void {
    if (!this.open) return;
    this.flush();
    if (!this.open) return;
    const text = fitting(reason);
    if (this.isEmpty()) return this.ws?.end(code, text);
    // Ended now, it could not be cut any more: the native socket is out of reach after its `end`.
    const timer = setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS);
    this.#end = { code, text, timer };
  }

  terminate(): void {
    this.ws?.close();
  }

  /** Nothing waits to be sent. */
  protected isEmpty(): boolean {
    return this.ws?.getBufferedAmount() === 0;
  }

  /** Called by the transport: the native socket is dead from here on. */
  died(): void {
    this.ws = undefined;
    clearTimeout(this.#end?.timer);
    this.schedule();
  }

  /**
   * Called by the transport when some of what was kept has left. Nothing may be sent from here: what the system does not
   * take of that, uWebSockets.js would keep for ever, since it stops asking when it may go on.
   */
  drained(): void {
    this.schedule();
  }

  protected schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.surroundings.turns.add(this);
  }

  turnEnded(): void {
    this.#scheduled = false;
    if (this.ws) {
      this.flush();
      const end = this.#end;
      if (!end) this.settle();
      else if (this.isEmpty()) this.ws?.end(end.code, end.text);
    } else if (!this.#told) {
      this.#told = true;
      this.ended();
      this.surroundings.over(this);
    }
  }
}

/**
 * What uWebSockets.js does with WebSockets of one kind.
 *
 * @param idleS how long a peer may be silent, by every byte that comes. Heartbeats are the transport's own: this ends a
 * pipe's peer that is silent, and whoever was told goodbye and stays.
 */
export function behaviorOf(
  maxBytes: number,
  idleS: number,
  opened: (ws: NativeSocket) => void,
): WebSocketBehavior<UserData> {
  const connectionOf = (ws: WebSocket<UserData>): UwsConnection | undefined =>
    (ws as NativeSocket).connection;
  return {
    maxPayloadLength: Math.min(maxBytes + OVERSIZE_BYTES, 0x7fffffff),
    // Without bound: nothing is dropped here, the limit is enforced where it closes the socket.
    maxBackpressure: 0,
    sendPingsAutomatically: false,
    idleTimeout: Math.min(MAX_IDLE_S, Math.max(MIN_IDLE_S, Math.ceil(idleS))),
    open: (ws) => opened(ws as NativeSocket),
    message: (ws, message, isBinary) => connectionOf(ws)?.received(message, isBinary),
    pong: (ws) => connectionOf(ws)?.alive(),
    drain: (ws) => connectionOf(ws)?.drained(),
    close: (ws) => connectionOf(ws)?.died(),
  };
}
