/** An open socket on `ws`. There are many, and most are idle: what each keeps is counted. */
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { CloseReason } from "../../protocol/errors.ts";
import { MAX_BATCH_BYTES, SharedText, type Batch } from "./shared-text.ts";
import type { Socket, SocketHandler } from "./transport.ts";
import type { AtTurnsEnd, Turns } from "./turns.ts";
import { closeWith } from "./ws-server.ts";

/** What all sockets of a transport share. */
export interface SocketHost {
  readonly turns: Turns;
  readonly maxBufferedBytes: number;
  readonly ended: (socket: WsSocket) => void;
}

/** Knows whose it is, so that one listener serves all. */
export class OwnedWebSocket extends WebSocket {
  owner: WsSocket | undefined;
}

// `ws` says less of `this` than is known here.
function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  (this as OwnedWebSocket).owner?.received(data, isBinary);
}

function onPong(this: WebSocket): void {
  (this as OwnedWebSocket).owner?.alive();
}

function onClose(this: WebSocket): void {
  (this as OwnedWebSocket).owner?.ended();
}

/** `ws` closes with 1009, 1007 or 1002 by itself; the error event must have a listener all the same. */
function onError(): void {}

export class WsSocket implements Socket, AtTurnsEnd {
  readonly remoteAddress: string;
  readonly #ws: OwnedWebSocket;
  /** Below `ws`, which writes its own frames to it at once. */
  readonly #stream: Duplex;
  readonly #host: SocketHost;
  #handler: SocketHandler | undefined;
  /** What leaves at the end of this turn. */
  #batch: Batch | undefined;
  #missedBeats = 0;
  #frameBytes = 0;

  constructor(ws: OwnedWebSocket, stream: Duplex, remoteAddress: string, host: SocketHost) {
    this.remoteAddress = remoteAddress;
    this.#ws = ws;
    this.#stream = stream;
    this.#host = host;
    ws.owner = this;
    ws.on("close", onClose);
    ws.on("error", onError);
  }

  attach(handler: SocketHandler): void {
    this.#handler = handler;
    this.#ws.on("message", onMessage);
    this.#ws.on("pong", onPong);
  }

  send(message: string | SharedText): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    const shared = typeof message === "string" ? new SharedText(message) : message;
    if (!this.#batch) this.#host.turns.add(this);
    const batch = this.#batch?.with(shared) ?? shared.alone;
    this.#batch = batch;
    if (batch.bytes > MAX_BATCH_BYTES) this.#flush();
  }

  turnEnded(): void {
    this.#flush();
  }

  /** Writes what was sent in this turn. */
  #flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    // Past `ws`, which would frame it anew for every socket, and write head and body apart.
    this.#stream.write(batch.frames);
    if (this.#stream.writableLength - this.#frameBytes > this.#host.maxBufferedBytes)
      this.close("slow_consumer");
  }

  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    this.#flush();
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#frameBytes += bytes.byteLength;
    this.#ws.send(bytes, { binary: true }, (error) => {
      this.#frameBytes -= bytes.byteLength;
      // Node reports no error for what was under way when the connection broke.
      if (!error && this.#ws.readyState === WebSocket.OPEN) flushed();
    });
  }

  close(reason: CloseReason, detail?: string): void {
    if (this.#ws.readyState >= WebSocket.CLOSING) return;
    this.#flush();
    // It was too slow for that.
    if (this.#ws.readyState >= WebSocket.CLOSING) return;
    closeWith(this.#ws, reason, detail);
  }

  beat(): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#missedBeats >= 2) return this.close("heartbeat_timeout");
    this.#missedBeats += 1;
    this.#ws.ping();
  }

  alive(): void {
    this.#missedBeats = 0;
  }

  received(data: Buffer, isBinary: boolean): void {
    this.#missedBeats = 0;
    if (isBinary) this.#handler?.binary();
    else this.#handler?.text(data.toString("utf8"));
  }

  ended(): void {
    this.#host.ended(this);
    this.#handler?.closed();
  }
}
