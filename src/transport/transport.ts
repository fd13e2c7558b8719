/**
 * What the gateway needs of a socket server. It moves text up and text and frames down, and bytes both ways through
 * pipes; it knows neither messages nor sandboxes. Every implementation passes `test/contract/transport.ts`.
 */
import type { BatonError, CloseReason } from "../../protocol/errors.ts";
import type { SharedText } from "./shared-text.ts";

/** One client's connection. After its `closed` was called every method does nothing. */
export interface Socket {
  readonly remoteAddress: string;
  /**
   * Queues one text message, in order, never dropped alone. What is sent within one turn of the event loop leaves in one
   * write at its end. A socket whose unsent bytes pass the limit is closed with `slow_consumer`, and its peer resumes
   * from its last position (E3). Many sockets that are sent the same `SharedText` share its encoding.
   */
  send(message: string | SharedText): void;
  /**
   * Sends one binary message; `flushed` is called once its bytes have left for the operating system, and never when
   * the socket closes first. The caller keeps at most one under way. `bytes` is shared: nobody writes to it after.
   */
  sendBinary(bytes: Uint8Array, flushed: () => void): void;
  /** Says why, then closes; a peer that does not answer the close is cut off after a second. */
  close(reason: CloseReason, detail?: string): void;
}

/** Called one at a time, in the order of arrival. They must not throw and not block. */
export interface SocketHandler {
  text(text: string): void;
  /** Clients may not send binary; the bytes were dropped. */
  binary(): void;
  closed(): void;
}

/**
 * A connection that messages of any size pass through, paced in both directions. After its `closed` was called every
 * method does nothing.
 */
export interface Pipe {
  readonly remoteAddress: string;
  /**
   * Bytes given to `send` that have not left for the operating system, counted until the end of the tick in which
   * they do. The caller watches it: however many they are, nothing is dropped and nothing is closed for it.
   */
  readonly bufferedBytes: number;
  /** Queues one text message, given as UTF-8. Shared: nobody writes to it after. */
  send(message: Uint8Array): void;
  /**
   * Stops reading. Messages that were already read may still come. Nobody's silence is held against a paused peer, so
   * that one that vanished is noticed only by what is sent to it.
   */
  pause(): void;
  resume(): void;
  /**
   * Says why, behind what was sent before, then closes; a peer that does not answer the close is cut off after a
   * second. No message comes after it, and no `drained`.
   */
  close(reason: CloseReason, detail?: string): void;
  /** Cuts the connection without a goodbye. No message comes after it, and no `drained`. */
  terminate(): void;
}

/** Called one at a time, in the order of arrival. They must not throw and not block. */
export interface PipeHandler {
  /**
   * One whole message (text or binary frame) as bytes; they belong to the handler from here on. They may be a part of
   * a larger chunk, up to 64 KiB, which stays in memory with them: copy what is kept for long.
   */
  message(bytes: Buffer): void;
  /** Everything given to `send` has left, after `bufferedBytes` had been above zero. */
  drained(): void;
  /** Always called once, however the connection ended. */
  closed(): void;
}

/** What a peer said when it asked for a socket or a pipe. All of it is the peer's word, but `remoteAddress`. */
export interface Handshake {
  /** Path of the request, without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The connection's other end: a proxy's, behind one. */
  readonly remoteAddress: string;
  /**
   * By lower-case name, those of `HANDSHAKE_HEADERS` that were sent. One that came more than once has its first value,
   * or all of them joined by commas.
   */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The subprotocols that it offers, in its order, those that carry a token included. */
  readonly protocols: readonly string[];
}

export const HANDSHAKE_HEADERS = ["origin", "host", "authorization", "x-forwarded-for", "forwarded"] as const;

/** What was made ready for a pipe. Exactly one of the two is called, once. They must not throw. */
export interface Opening {
  /** The socket is open. The pipe may be used at once; the handler is called later. */
  accept(pipe: Pipe): PipeHandler;
  /** It never will be: the peer has gone, its handshake was wrong, or the transport shuts down. */
  abandon(): void;
}

export interface PipeOptions {
  /**
   * Called before the handshake is answered, for every path but `socketPath`. Resolves to what was made ready, or to
   * `null`: nothing at this path (404). Rejects with a `BatonError`: the handshake is refused with its status and its
   * problem document; any other error is answered as `internal` without saying what it was, so log it before.
   *
   * `signal` aborts when nobody waits for the answer any more. It only saves time: what `open` resolves to all the
   * same is abandoned. It must settle, since the connection waits for it as long as its peer does.
   */
  readonly open: (handshake: Handshake, signal: AbortSignal) => Promise<Opening | null>;
  /** A larger message closes the pipe with 1009, one in pieces of less than 1 KiB on average with 1008. */
  readonly maxMessageBytes: number;
}

export interface RequestInfo {
  readonly remoteAddress: string;
}

/** How long a peer may take to ask. Both count from the request's first byte; a new connection's first one from its start. */
export interface RequestTimes {
  /**
   * Until the head is there. Answered with 408, and the connection ended. Prevents that a few peers who dribble, or say
   * nothing at all, hold every connection (slow loris).
   */
  readonly headersMs: number;
  /** Until the body is there too, at least `headersMs`. */
  readonly requestMs: number;
}

export const REQUEST_TIMES: RequestTimes = { headersMs: 10_000, requestMs: 30_000 };

/** Size of a request's head beyond which it is answered with 431: an honest one with a token has a tenth. */
export const MAX_HEADER_BYTES = 16_384;
/** Header fields beyond which a request is answered with 431: the cheapest way to make a server work for little. */
export const MAX_HEADERS = 100;

export interface TransportOptions {
  /** Answers every HTTP request that is not an upgrade. */
  readonly fetch: (request: Request, info: RequestInfo) => Response | Promise<Response>;
  readonly socketPath: string;
  readonly subprotocol: string;
  /**
   * Asked once for every handshake, of sockets and of pipes, before anything else is done for it. An error refuses it
   * with its status and its problem document. Must not throw and not block.
   */
  readonly admit: (handshake: Handshake) => BatonError | undefined;
  /** Asked for every TCP connection; one that is refused is dropped without a word. Default: all are taken. */
  readonly admitConnection?: (remoteAddress: string) => boolean;
  /** Called once for every connection that was taken, whatever became of it. */
  readonly connectionClosed?: (remoteAddress: string) => void;
  readonly onSocket: (socket: Socket, handshake: Handshake) => SocketHandler;
  /** Sockets on other paths. Default: none, they answer 404. */
  readonly pipes?: PipeOptions;
  /** A larger message closes the socket with 1009. Pipes have their own limit. */
  readonly maxMessageBytes: number;
  /** Unsent bytes of control messages beyond which a socket is too slow. */
  readonly maxBufferedBytes: number;
  /**
   * A ping every so often; two without a sign of life close the socket or pipe with `heartbeat_timeout`. On a pipe every
   * byte is a sign of life, a paused one is not counted, and a ping behind a message that is still leaving gets 20 beats.
   */
  readonly heartbeatMs: number;
  /** Default: `REQUEST_TIMES`. */
  readonly times?: RequestTimes;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Makes a transport of one kind. */
export type TransportFactory = (options: TransportOptions) => Transport;

export interface Transport {
  /** Rejects with an error whose `code` is `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` when it cannot listen. */
  listen(host: string, port: number): Promise<Address>;
  /** Open sockets and pipes, for metrics. */
  readonly connections: number;
  /** Stops accepting, closes every socket and pipe with `going_away`, and resolves when all are gone (at most two seconds). */
  close(): Promise<void>;
}
