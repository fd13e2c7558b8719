/**
 * What the gateway needs of a socket server. It moves text up and text and frames down; it knows neither messages
 * nor sandboxes. Every implementation passes `test/contract/transport.ts`.
 */
import type { CloseReason } from "../../protocol/errors.ts";

/** One client's connection. After its `closed` was called every method does nothing. */
export interface Socket {
  readonly remoteAddress: string;
  /**
   * Queues one text message, in order, never dropped alone. A socket whose unsent bytes pass the limit is closed with
   * `slow_consumer`, and its peer resumes from its last position (E3).
   */
  send(text: string): void;
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

export interface RequestInfo {
  readonly remoteAddress: string;
}

export interface TransportOptions {
  /** Answers every HTTP request that is not an upgrade on `socketPath`. */
  readonly fetch: (request: Request, info: RequestInfo) => Response | Promise<Response>;
  readonly socketPath: string;
  readonly subprotocol: string;
  /** Whether a page of this origin may connect. Programs send none. */
  readonly originAllowed: (origin: string, host: string | undefined) => boolean;
  readonly onSocket: (socket: Socket) => SocketHandler;
  /** A larger message closes the socket with 1009. */
  readonly maxMessageBytes: number;
  /** Unsent bytes of control messages beyond which a socket is too slow. */
  readonly maxBufferedBytes: number;
  /** A ping every so often; two without a sign of life close the socket. */
  readonly heartbeatMs: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Transport {
  /** Rejects with an error whose `code` is `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` when it cannot listen. */
  listen(host: string, port: number): Promise<Address>;
  /** Open sockets, for metrics. */
  readonly connections: number;
  /** Stops accepting, closes every socket with `going_away`, and resolves when all are gone (at most two seconds). */
  close(): Promise<void>;
}
