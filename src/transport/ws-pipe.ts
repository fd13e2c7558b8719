/** Pipes on `ws`: the handshake that waits until something is ready for it, and the open connection. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, type WebSocketServer } from "ws";
import { BatonError, type CloseReason } from "../../protocol/errors.ts";
import { addressOf, firstProtocol, openingFor, refuse, shuttingDown } from "./handshake.ts";
import type { Handshake, Pipe, PipeHandler, PipeOptions } from "./transport.ts";
import { closeWith, webSocketServer } from "./ws-server.ts";

/** Beats without a sign of life after which a peer is taken for gone. */
const MAX_SILENT_BEATS = 2;
/**
 * The same for one that cannot have seen a ping yet, because it waits behind a message of ours that is still leaving:
 * enough for a large one on a slow line, and an end to a peer that takes nothing more.
 */
const MAX_STUCK_BEATS = 20;
/**
 * `ws` keeps what has come of a message in pieces, and joins them in time that grows with their number's square: a
 * quarter of a million, its default, would stop the process for seconds. An honest network's average is larger.
 */
const SMALLEST_PIECE_BYTES = 1_024;
/** Pieces that a message of any size may come in. */
const MIN_PIECES = 16_384;

export class WsPipes {
  readonly #options: PipeOptions;
  readonly #opened: (ws: WebSocket, pipe: WsPipe) => void;
  readonly #server: WebSocketServer;
  /** Handshakes that wait for `open`, each with what refuses it. */
  readonly #waiting = new Set<() => void>();

  /** @param opened called with each open pipe, before its handler is made */
  constructor(options: PipeOptions, opened: (ws: WebSocket, pipe: WsPipe) => void) {
    this.#options = options;
    this.#opened = opened;
    const pieces = Math.max(MIN_PIECES, Math.ceil(options.maxMessageBytes / SMALLEST_PIECE_BYTES));
    this.#server = webSocketServer({
      handleProtocols: (offered) => firstProtocol(offered) ?? false,
      maxPayload: options.maxMessageBytes,
      maxBufferedChunks: pieces,
      maxFragments: pieces,
    });
  }

  /** Never rejects, as long as the opening's methods don't throw. */
  async upgrade(request: IncomingMessage, stream: Duplex, head: Buffer, handshake: Handshake): Promise<void> {
    const leaving = new AbortController();
    const leave = (): void => {
      leaving.abort();
      stream.destroy();
    };
    const shutDown = (): void => {
      leaving.abort();
      refuse(stream, shuttingDown());
    };
    // Half a goodbye is a whole one before the handshake: without its other half nothing can follow.
    stream.once("end", leave).once("close", leave);
    this.#waiting.add(shutDown);
    const opening = await openingFor(handshake, this.#options, leaving.signal);
    stream.off("end", leave).off("close", leave);
    this.#waiting.delete(shutDown);

    const isRefused = opening instanceof BatonError;
    if (leaving.signal.aborted) return isRefused ? undefined : opening.abandon();
    if (isRefused) return refuse(stream, opening);
    let accepted = false;
    this.#server.handleUpgrade(request, stream, head, (ws) => {
      accepted = true;
      const pipe = new WsPipe(ws, request);
      this.#opened(ws, pipe);
      pipe.attach(opening.accept(pipe));
    });
    // `ws` has refused it: it was no handshake.
    if (!accepted) opening.abandon();
  }

  /** Refuses those that wait for `open`. */
  shutDown(): void {
    for (const refuse of this.#waiting) refuse();
  }
}

export class WsPipe implements Pipe {
  readonly remoteAddress: string;
  readonly #ws: WebSocket;
  readonly #connection: IncomingMessage["socket"];
  #handler: PipeHandler | undefined;
  #unsentBytes = 0;
  /** Closed by this side. */
  #ended = false;
  #bytesRead: number;
  #silentBeats = 0;
  #stuckBeats = 0;
  #pingUnsent = false;

  constructor(ws: WebSocket, request: IncomingMessage) {
    this.#ws = ws;
    this.#connection = request.socket;
    this.#bytesRead = request.socket.bytesRead;
    this.remoteAddress = addressOf(request);
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    this.#ws.on("message", (bytes: Buffer) => {
      if (!this.#ended) handler.message(bytes);
    });
    this.#ws.once("close", () => handler.closed());
  }

  get bufferedBytes(): number {
    return this.#unsentBytes;
  }

  send(message: Uint8Array): void {
    if (!this.#open) return;
    this.#unsentBytes += message.byteLength;
    this.#ws.send(message, { binary: false }, (error) => {
      this.#unsentBytes -= message.byteLength;
      // Node reports no error for what was under way when the connection broke.
      if (!error && this.#unsentBytes === 0 && this.#open) this.#handler?.drained();
    });
  }

  pause(): void {
    if (this.#open) this.#ws.pause();
  }

  resume(): void {
    if (this.#open) this.#ws.resume();
  }

  close(reason: CloseReason, detail?: string): void {
    if (!this.#open) return;
    this.#ended = true;
    closeWith(this.#ws, reason, detail);
    // The peer's answer is behind all it sent. Left unread, that would end in a reset, which may overtake the reason.
    this.#ws.resume();
  }

  terminate(): void {
    this.#ended = true;
    this.#ws.terminate();
  }

  beat(): void {
    if (!this.#open) return;
    const { bytesRead } = this.#connection;
    // Bytes, not messages or pongs: those cannot come in the middle of a large message. While paused, not even they.
    if (bytesRead !== this.#bytesRead || this.#ws.isPaused) this.#silentBeats = this.#stuckBeats = 0;
    this.#bytesRead = bytesRead;
    if (this.#pingUnsent) {
      this.#stuckBeats += 1;
      if (this.#stuckBeats > MAX_STUCK_BEATS) this.close("heartbeat_timeout");
      return;
    }
    if (this.#silentBeats >= MAX_SILENT_BEATS) return this.close("heartbeat_timeout");
    this.#silentBeats += 1;
    // A paused peer is pinged too: writing is how a connection that is gone is noticed when nobody reads.
    this.#pingUnsent = true;
    this.#ws.ping(undefined, undefined, () => {
      this.#pingUnsent = false;
    });
  }

  get #open(): boolean {
    return !this.#ended && this.#ws.readyState === WebSocket.OPEN;
  }
}
