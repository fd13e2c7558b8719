import type { LookupFunction } from "node:net";
import type { WebSocket } from "ws";
import { openSocket } from "./open-socket.ts";
import { readFrameMessage, type ScreencastFrame } from "./picture.ts";
import type { ProtocolMapping } from "devtools-protocol/types/protocol-mapping.js";

export type CdpMethod = keyof ProtocolMapping.Commands;
export type CdpParams<M extends CdpMethod> = ProtocolMapping.Commands[M]["paramsType"];
export type CdpResult<M extends CdpMethod> = ProtocolMapping.Commands[M]["returnType"];
export type CdpEventName = keyof ProtocolMapping.Events;
export type CdpEvent<E extends CdpEventName> = E extends "Page.screencastFrame"
  ? ScreencastFrame
  : ProtocolMapping.Events[E] extends [infer P]
    ? P
    : undefined;

/** Unanswered commands of one connection. Chromium answers in milliseconds; this many means that it hangs. */
const MAX_PENDING = 10_000;
/** A 4K picture in base64 is a few megabytes; the largest legitimate answers (page sources) are far below this. */
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;

/**
 * A command that was not carried out. `protocol`: Chromium refused it. `crashed`: the tab's renderer died.
 * `closed`: the tab, the session or the socket is gone. `overflow`: too many commands are unanswered; it was not sent.
 */
export class CdpError extends Error {
  reason: "protocol" | "crashed" | "closed" | "overflow" = "protocol";

  constructor(method: string) {
    super(method);
    this.name = "CdpError";
  }

  because(reason: CdpError["reason"], detail: string): this {
    this.reason = reason;
    // The stack was taken when the command was sent, so that it leads to the caller; only its first line changes.
    const before = this.message;
    this.message = `${before}: ${detail}`;
    this.stack = (this.stack ?? "").replace(before, this.message);
    return this;
  }
}

interface Pending {
  readonly session: CdpSession;
  /** Absent: nobody waits for the answer. */
  readonly waiting?: Waiting;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: CdpError) => void;
  /** What it fails with, or the command that this is then made of. */
  readonly error: CdpError | string;
}

interface Incoming {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly sessionId?: string;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

/** One attached target, or the browser itself (`id` undefined). Made by `CdpConnection` only. */
export class CdpSession {
  readonly id: string | undefined;
  readonly #connection: CdpConnection;
  readonly #handlers = new Map<string, Set<(params: never) => void>>();
  #closed: string | undefined;

  constructor(connection: CdpConnection, id: string | undefined) {
    this.#connection = connection;
    this.id = id;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Sends at once. Rejects with `CdpError`, at the latest when the session or the socket ends. */
  send<M extends CdpMethod>(method: M, ...params: CdpParams<M>): Promise<CdpResult<M>> {
    const error = new CdpError(method);
    if (this.#closed !== undefined) return Promise.reject(error.because("closed", this.#closed));
    return this.#connection.request(this, method, params[0], error) as Promise<CdpResult<M>>;
  }

  /**
   * Like `send`, for what people's hands send all the time: an error that knows its caller costs as much as the rest of
   * sending, so this one's is made when there is one.
   */
  dispatch<M extends CdpMethod>(method: M, ...params: CdpParams<M>): Promise<CdpResult<M>> {
    if (this.#closed !== undefined)
      return Promise.reject(new CdpError(method).because("closed", this.#closed));
    return this.#connection.request(this, method, params[0]) as Promise<CdpResult<M>>;
  }

  /** Like `send`, for a command whose answer changes nothing, whatever it is. */
  post<M extends CdpMethod>(method: M, ...params: CdpParams<M>): void {
    if (this.#closed === undefined) this.#connection.post(this, method, params[0]);
  }

  /** Handlers run in the order they were added, before the next message is read. Returns the removal. */
  on<E extends CdpEventName>(event: E, handler: (params: CdpEvent<E>) => void): () => void {
    let handlers = this.#handlers.get(event);
    if (!handlers) this.#handlers.set(event, (handlers = new Set()));
    handlers.add(handler);
    return () => void handlers.delete(handler);
  }

  emit(event: string, params: unknown): void {
    for (const handler of this.#handlers.get(event) ?? []) handler(params as never);
  }

  /** Everything unanswered rejects with `reason`; the session goes on (a crashed tab can be reloaded). */
  abandon(reason: "crashed", detail: string): void {
    this.#connection.rejectPending(reason, detail, this);
  }

  end(detail: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = detail;
    this.#connection.rejectPending("closed", detail, this);
    this.#handlers.clear();
  }
}

/** A DevTools connection to a browser, with flat sessions. Nothing is retried: the owner makes a new one. */
export class CdpConnection {
  readonly browser: CdpSession;
  /** Settles once, when the socket is gone; says why. */
  readonly closed: Promise<string>;
  readonly #socket: WebSocket;
  readonly #sessions = new Map<string, CdpSession>();
  readonly #pending = new Map<number, Pending>();
  readonly #onClosed: (detail: string) => void;
  #lastId = 0;
  #ended = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.browser = new CdpSession(this, undefined);
    let onClosed: (detail: string) => void = () => {};
    this.closed = new Promise((resolve) => (onClosed = resolve));
    this.#onClosed = onClosed;
    socket.on("message", (data: Buffer) => {
      try {
        this.#receive(data);
      } catch {
        this.#end("the peer sent what no browser sends; the address is not a browser's");
      }
    });
    socket.on("error", (error) => this.#end(`the connection to the browser failed: ${error.message}`));
    socket.on("close", () => this.#end("the browser closed the connection"));
  }

  /** `url` is the browser target's `ws(s)://` address, `lookup` where its host name leads if not as the system says. Rejects when it does not open before `signal` aborts. */
  static connect(url: string, signal: AbortSignal, lookup?: LookupFunction): Promise<CdpConnection> {
    // Bytes that are no UTF-8 are read as U+FFFD, and are in the way of nothing: what comes from here is text in JSON.
    const options = { maxPayload: MAX_PAYLOAD_BYTES, skipUTF8Validation: true, lookup };
    return openSocket(url, options, signal, (socket) => new CdpConnection(socket));
  }

  /** Attaches to a target; the session is registered before any of its events is delivered. */
  async attach(targetId: string): Promise<CdpSession> {
    const { sessionId } = await this.browser.send("Target.attachToTarget", { targetId, flatten: true });
    const session = this.#sessions.get(sessionId);
    if (session) return session;
    const gone = new CdpSession(this, sessionId);
    gone.end("the tab closed while it was being attached");
    return gone;
  }

  close(): void {
    this.#end("the connection was closed by this side");
  }

  request(
    session: CdpSession,
    method: string,
    params: unknown,
    error: CdpError | string = method,
  ): Promise<unknown> {
    if (this.#ended) return Promise.reject(asError(error).because("closed", "the browser is not connected"));
    if (this.#pending.size >= MAX_PENDING) {
      const detail = `${MAX_PENDING} commands are unanswered; the browser hangs, reconnect or restart it`;
      return Promise.reject(asError(error).because("overflow", detail));
    }
    return new Promise((resolve, reject) => {
      this.#send(session, method, params, { resolve, reject, error });
    });
  }

  /** Not sent where `request` would reject: an answer would change nothing. */
  post(session: CdpSession, method: string, params: unknown): void {
    if (!this.#ended && this.#pending.size < MAX_PENDING) this.#send(session, method, params);
  }

  #send(session: CdpSession, method: string, params: unknown, waiting?: Waiting): void {
    const id = ++this.#lastId;
    this.#pending.set(id, { session, ...(waiting && { waiting }) });
    // Without an id of a session it is the browser's own: JSON leaves the key out.
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: session.id }));
  }

  rejectPending(reason: "crashed" | "closed", detail: string, session?: CdpSession): void {
    for (const [id, pending] of this.#pending) {
      if (session && pending.session !== session) continue;
      this.#pending.delete(id);
      pending.waiting?.reject(asError(pending.waiting.error).because(reason, detail));
    }
  }

  #receive(data: Buffer): void {
    if (this.#ended) return;
    let message: Incoming;
    try {
      message = readFrameMessage(data) ?? (JSON.parse(data.toString("utf8")) as Incoming);
    } catch {
      this.#end("the peer sent text that is not JSON; the address is not a browser's");
      return;
    }
    if (message.id !== undefined) {
      this.#settle(message.id, message);
      return;
    }
    if (message.method === undefined) return;
    if (message.sessionId === undefined) this.#follow(message.method, message.params);
    const session = message.sessionId === undefined ? this.browser : this.#sessions.get(message.sessionId);
    session?.emit(message.method, message.params);
    if (message.method === "Inspector.targetCrashed") session?.abandon("crashed", "the page crashed");
  }

  #settle(id: number, message: Incoming): void {
    const pending = this.#pending.get(id);
    // Unknown: its session ended or crashed, and it was rejected then.
    if (!pending) return;
    this.#pending.delete(id);
    const { waiting } = pending;
    if (!waiting) return;
    if (message.error) {
      const { code, message: text, data } = message.error;
      const detail = `${text}${data ? ` (${data})` : ""} [${code}]`;
      waiting.reject(asError(waiting.error).because("protocol", detail));
    } else {
      waiting.resolve(message.result);
    }
  }

  #follow(method: string, params: unknown): void {
    if (method === "Target.attachedToTarget") {
      const { sessionId } = params as CdpEvent<"Target.attachedToTarget">;
      this.#sessions.set(sessionId, new CdpSession(this, sessionId));
    } else if (method === "Target.detachedFromTarget") {
      const { sessionId } = params as CdpEvent<"Target.detachedFromTarget">;
      const session = this.#sessions.get(sessionId);
      this.#sessions.delete(sessionId);
      session?.end("the tab closed");
    }
  }

  #end(detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const session of this.#sessions.values()) session.end(detail);
    this.#sessions.clear();
    this.browser.end(detail);
    // Not `close()`: its handshake waits 30 s for a browser that hangs.
    this.#socket.terminate();
    this.#onClosed(detail);
  }
}

function asError(error: CdpError | string): CdpError {
  return typeof error === "string" ? new CdpError(error) : error;
}
