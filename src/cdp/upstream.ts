/** One agent's own connection to Chromium. Bytes go through as they are; the gate's own commands travel beside them. */
import type { LookupFunction } from "node:net";
import { WebSocket } from "ws";
import { openSocket } from "../browser/open-socket.ts";

/** Commands of the gate's have ids from here down; a client's may not. Chromium takes 32-bit integers. */
export const OWN_IDS_FROM = -2_000_000_000;
const LAST_OWN_ID = -2_147_483_648;

export interface UpstreamHandler {
  /** A message for the client. The bytes are the handler's. */
  message(bytes: Buffer): void;
  /** Everything that was sent has left. */
  drained(): void;
  closed(): void;
}

/** What the gate asked for itself was refused, or will never be answered. */
export class UpstreamError extends Error {
  readonly lost: boolean;
  constructor(message: string, lost: boolean) {
    super(message);
    this.name = "UpstreamError";
    this.lost = lost;
  }
}

interface Pending {
  readonly sessionId: string | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: UpstreamError) => void;
}

export class Upstream {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  #handler: UpstreamHandler | undefined;
  /** What came before there was a handler. */
  #early: Buffer[] = [];
  #lastId = OWN_IDS_FROM;
  #ended = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      if (this.#handler) this.#handler.message(data);
      else this.#early.push(data);
    });
    socket.on("error", () => {});
    socket.once("close", () => this.#end());
  }

  /**
   * @param url `ws(s)://` address of the browser, or of one page
   * @param lookup where its host name leads; undefined: wherever the system says
   * Rejects with an `Error` when it does not open before `signal` aborts.
   */
  static connect(
    url: string,
    maxPayload: number,
    signal: AbortSignal,
    lookup?: LookupFunction,
  ): Promise<Upstream> {
    // A mask hides bytes from proxies that mistake them for HTTP. One of zeros saves a copy of every message.
    const generateMask = (mask: Buffer): void => void mask.fill(0);
    return openSocket(url, { maxPayload, generateMask, lookup }, signal, (socket) => new Upstream(socket));
  }

  get open(): boolean {
    return !this.#ended && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes that have not left for the operating system. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  start(handler: UpstreamHandler): void {
    this.#handler = handler;
    for (const bytes of this.#early.splice(0)) handler.message(bytes);
    if (this.#ended) handler.closed();
  }

  send(bytes: Buffer): void {
    if (!this.open) return;
    this.#socket.send(bytes, { binary: false }, () => {
      if (this.#socket.bufferedAmount === 0) this.#handler?.drained();
    });
  }

  /** Asks for the gate itself. Rejects with `UpstreamError`: Chromium refused it, or the session or connection ended. */
  command(method: string, params: object, sessionId?: string): Promise<unknown> {
    if (!this.open) return Promise.reject(new UpstreamError("the browser is gone", true));
    this.#lastId = this.#lastId <= LAST_OWN_ID ? OWN_IDS_FROM : this.#lastId - 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { sessionId, resolve, reject });
      this.send(
        Buffer.from(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })),
      );
    });
  }

  /** The same for a command whose answer changes nothing. */
  post(method: string, params: object, sessionId?: string): void {
    this.command(method, params, sessionId).catch(() => {});
  }

  /** Takes an answer to one of the gate's own commands. */
  settle(id: number, bytes: Buffer): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const { result, error } = JSON.parse(bytes.toString("utf8")) as {
      result?: unknown;
      error?: { message: string };
    };
    if (error) pending.reject(new UpstreamError(error.message, false));
    else pending.resolve(result);
  }

  /** Nothing of this session will be answered any more. */
  lose(sessionId: string | undefined, why: string): void {
    for (const [id, pending] of this.#pending) {
      if (pending.sessionId !== sessionId) continue;
      this.#pending.delete(id);
      pending.reject(new UpstreamError(why, true));
    }
  }

  pause(): void {
    if (this.open) this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  terminate(): void {
    this.#socket.terminate();
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject } of this.#pending.values())
      reject(new UpstreamError("the connection to the browser ended", true));
    this.#pending.clear();
    this.#handler?.closed();
  }
}
