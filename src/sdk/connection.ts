/* oxlint-disable unicorn/prefer-add-event-listener -- a socket owes the SDK no more than its four handlers */
import { MAX_MESSAGE_BYTES, decodeDown, idOf } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError, CLOSE, shouldReconnect } from "../../protocol/errors.ts";
import { type FrameHeader, decodeFrame } from "../../protocol/frame.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import type { ConnectionStatus, SocketConstructor, SocketLike } from "./api.ts";
import { Backoff, retryAfterMs, spread } from "./backoff.ts";
import type { Greeting } from "./credentials.ts";
import { type Ending, closeError, disconnected } from "./ending.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type Answer, type CallMessage, PendingRequests, type Request } from "./pending.ts";
import { waiting } from "./waiting.ts";

/** Most calls that wait for an answer; a program that has more is calling in a loop that nobody answers. */
export const MAX_PENDING_CALLS = 1_000;
/** A socket that is opened but not greeted by then is given up. */
const WELCOME_TIMEOUT_MS = 10_000;
/** Unanswered input beyond this much unsent data is refused: it would arrive too late to mean anything. */
const MAX_UNSENT_BYTES = 1024 * 1024;

type Hello = Extract<UpMessage, { type: "hello" }>;
type Welcome = Extract<DownMessage, { type: "welcome" }>;
type Post = Extract<UpMessage, { type: "input" | "preview.ack" }>;

/** Who greets, and what comes of it. */
export interface Greeter {
  /** Asked before each socket. What it rejects with ends the connection, unless it is worth another try. */
  greeting(): Greeting | Promise<Greeting>;
  welcomed(welcome: Welcome): void;
  /** The greeting was refused, or the socket closed for good. Returns true when another greeting may do. */
  refused(error: BatonError): boolean;
}

export interface ConnectionOptions {
  /** `ws(s)://host/v1/connect` */
  readonly url: string;
  readonly greeter: Greeter;
  readonly WebSocket: SocketConstructor;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly welcomeTimeoutMs?: number;
}

export interface ConnectionListener {
  statusChanged(status: ConnectionStatus, latencyMs: number | undefined): void;
  /** Greeted. What is requested in here goes out before the calls that waited. */
  opened(): void;
  dropped(): void;
  closed(ending: Ending): void;
  /** Everything that is not the answer to a request. */
  message(message: DownMessage): void;
  /** An event of this sandbox came in a form that this version does not know: its state must be read anew. */
  unreadable(sandboxId: string): void;
  frame(header: FrameHeader, jpeg: Uint8Array): void;
}

/** One client's line to the gateway: over as many sockets as it takes, until it is closed. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #pending = new PendingRequests();
  readonly #backoff: Backoff;
  #status: ConnectionStatus = "connecting";
  #socket: SocketLike | undefined;
  #socketNumber = 0;
  #heartbeat: Heartbeat | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #openedAt = 0;
  /** Until then the gateway takes no more of what it last had too much of; the clock of `performance.now()`. */
  #limitedUntil = 0;
  #maxMessageBytes = MAX_MESSAGE_BYTES;
  #ping: { id: string; sentAt: number } | undefined;
  #pings = 0;
  #latencyMs: number | undefined;
  #clockOffsetMs = 0;
  #ending: Ending | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#backoff = new Backoff(options.reconnectMinMs, options.reconnectMaxMs);
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  get isOpen(): boolean {
    return this.#status === "open";
  }

  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /** Set once closed. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  get reconnectMinMs(): number {
    return this.#options.reconnectMinMs;
  }

  get reconnectMaxMs(): number {
    return this.#options.reconnectMaxMs;
  }

  start(): void {
    this.#open();
  }

  close(ending: Ending): void {
    if (this.#ending) return;
    this.#ending = ending;
    clearTimeout(this.#timer);
    this.#release()?.close(1000);
    this.#setStatus("closed");
    this.#listener.closed(ending);
    this.#pending.failAll("all", () => ending.error);
  }

  /** Sends a request, now or at the next `welcome`. Returns what takes it back; its callbacks are then not called. */
  request(request: Request): () => void {
    if (this.#ending) {
      request.failed(this.#ending.error);
      return () => {};
    }
    if (!this.isOpen && request.lifetime === "connection") {
      request.failed(disconnected(`\`${request.message.type}\` was not sent`));
      return () => {};
    }
    if (!request.internal && this.#pending.size >= MAX_PENDING_CALLS) {
      request.failed(tooMany());
      return () => {};
    }
    const { id, text } = this.#pending.add(request);
    if (text.length * 3 > this.#maxMessageBytes) {
      const bytes = new TextEncoder().encode(text).byteLength;
      if (bytes > this.#maxMessageBytes) {
        this.#pending.fail(id, tooLarge(request.message.type, bytes, this.#maxMessageBytes));
        return () => {};
      }
    }
    if (this.isOpen) {
      this.#pending.markSent(id, this.#socketNumber);
      this.#socket?.send(text);
    }
    return () => this.#pending.remove(id);
  }

  /** The same as a promise, sent until it is answered. */
  call(message: CallMessage, signal: AbortSignal | undefined): Promise<Answer> {
    return waiting(`\`${message.type}\``, { signal }, (resolve, reject) =>
      this.request({ message, lifetime: "client", answered: resolve, failed: reject }),
    );
  }

  /** Sends a message that has no answer. @throws BatonError `unavailable`, `input_overflow` */
  post(message: Post): void {
    if (this.#ending) throw this.#ending.error;
    if (!this.isOpen || !this.#socket) throw disconnected(`\`${message.type}\` was not sent`);
    if (message.type === "input" && this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      throw new BatonError("input_overflow", "The network does not keep up. Send fewer pointer moves.");
    }
    this.#socket.send(JSON.stringify(message));
  }

  #open(): void {
    const greeting = this.#options.greeter.greeting();
    if (greeting instanceof Promise)
      greeting.then(
        (ready) => this.#dial(ready),
        (error) => this.#speechless(error),
      );
    else this.#dial(greeting);
  }

  /** There is no greeting: the token function failed. */
  #speechless(error: unknown): void {
    if (this.#ending) return;
    if (error instanceof BatonError && !error.retryable) this.close({ error, clean: false });
    else this.#reconnect();
  }

  #dial(greeting: Greeting): void {
    if (this.#ending) return;
    let socket: SocketLike;
    try {
      socket = new this.#options.WebSocket(this.#options.url, [SUBPROTOCOL]);
    } catch (cause) {
      const message = `The WebSocket to ${this.#options.url} could not be made. Check the address and the page's policy.`;
      this.close({ error: new BatonError("unavailable", message, undefined, { cause }), clean: false });
      return;
    }
    this.#socket = socket;
    this.#socketNumber += 1;
    socket.binaryType = "arraybuffer";
    this.#timer = setTimeout(
      () => this.#abandon(CLOSE.heartbeat_timeout.code),
      this.#options.welcomeTimeoutMs ?? WELCOME_TIMEOUT_MS,
    );
    socket.onopen = () => {
      const hello: Hello = { type: "hello", version: PROTOCOL_VERSION, ...greeting };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    socket.onclose = (event: { code: number; reason: string }) => {
      this.#release();
      const error = closeError(event.code, event.reason);
      if (event.code === CLOSE.rate_limited.code) this.#reconnect(this.#limitedMs());
      else if (shouldReconnect(event.code) || this.#options.greeter.refused(error)) this.#reconnect();
      else this.close({ error, clean: false });
    };
    // `onclose` follows and says what there is to know.
    socket.onerror = () => {};
  }

  /** Lets go of the socket: none of its events counts from here on. */
  #release(): SocketLike | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#heartbeat?.stop();
    clearTimeout(this.#timer);
    if (socket) {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
    }
    return socket;
  }

  #abandon(code: number, comeBackMs = 0): void {
    const socket = this.#release();
    socket?.close(code);
    // `ws` waits half a minute for the other side's goodbye; a side that does not answer sends none.
    if (socket && "terminate" in socket && typeof socket.terminate === "function") socket.terminate();
    this.#reconnect(comeBackMs);
  }

  /** What is left of the last limit; closed for going over limits without a word about when: a long wait. */
  #limitedMs(): number {
    const leftMs = this.#limitedUntil - performance.now();
    return leftMs > 0 ? leftMs : this.#options.reconnectMaxMs;
  }

  #reconnect(atLeastMs = 0): void {
    const wasOpen = this.isOpen;
    if (wasOpen) {
      // Only a connection that lasted proves the gateway well; one that is closed at once must not be hammered.
      if (performance.now() - this.#openedAt > this.#options.reconnectMaxMs) this.#backoff.reset();
      this.#latencyMs = undefined;
      this.#setStatus("reconnecting");
      this.#listener.dropped();
      this.#pending.failAll("connection", (request) =>
        disconnected(`\`${request.message.type}\` was not answered`),
      );
      if (this.#ending) return;
    }
    const waitMs = Math.max(this.#backoff.nextMs(), spread(atLeastMs));
    this.#timer = setTimeout(() => this.#open(), waitMs);
  }

  #receive(data: unknown): void {
    this.#heartbeat?.heard();
    if (typeof data === "string") this.#receiveText(data);
    else if (data instanceof ArrayBuffer && this.isOpen) {
      const frame = decodeFrame(new Uint8Array(data));
      if (frame) this.#listener.frame(frame.header, frame.jpeg);
    }
  }

  #receiveText(text: string): void {
    const message = decode(text);
    if (!message) {
      // Of a later version, or broken. Its sender would otherwise wait for ever.
      const id = idOf(text);
      if (id !== undefined) this.#pending.fail(id, unreadable());
      const sandboxId = eventSandboxOf(text);
      if (sandboxId !== undefined) this.#listener.unreadable(sandboxId);
    } else if (!this.isOpen) {
      if (message.type === "welcome") this.#welcome(message);
      else if (message.type === "error") this.#refusedHello(message);
    } else if (message.type === "pong") {
      this.#pong(message);
    } else if (message.type === "error") {
      this.#refused(message);
    } else if (!("id" in message) || message.id === undefined || !this.#pending.settle(message)) {
      this.#listener.message(message);
    }
  }

  #refused(message: Extract<DownMessage, { type: "error" }>): void {
    const error = new BatonError(message.code, message.message, message.details);
    const limited = error.code === "rate_limited";
    if (limited) this.#limitedUntil = performance.now() + retryAfterMs(error);
    if (message.id === undefined) this.#listener.message(message);
    else if (!limited || !this.#pending.hold(message.id, error, () => this.#flush()))
      this.#pending.fail(message.id, error);
  }

  #flush(): void {
    if (this.isOpen) this.#pending.flush(this.#socketNumber, (text) => this.#socket?.send(text));
  }

  #welcome(message: Welcome): void {
    clearTimeout(this.#timer);
    this.#openedAt = performance.now();
    this.#maxMessageBytes = message.maxMessageBytes;
    this.#clockOffsetMs = message.serverTime - Date.now();
    this.#status = "open";
    this.#heartbeat = new Heartbeat({
      heartbeatMs: message.heartbeatMs,
      ping: () => this.#sendPing(),
      dead: () => this.#abandon(CLOSE.heartbeat_timeout.code),
    });
    this.#options.greeter.welcomed(message);
    this.#listener.opened();
    this.#flush();
    this.#listener.statusChanged(this.#status, this.#latencyMs);
  }

  #refusedHello(message: Extract<DownMessage, { type: "error" }>): void {
    const error = new BatonError(message.code, message.message, message.details);
    if (message.retryable || this.#options.greeter.refused(error)) {
      this.#abandon(1000, retryAfterMs(error));
    } else {
      this.close({ error, clean: false });
    }
  }

  #sendPing(): void {
    this.#pings += 1;
    this.#ping = { id: `ping-${this.#pings}`, sentAt: performance.now() };
    this.#socket?.send(JSON.stringify({ type: "ping", id: this.#ping.id }));
  }

  #pong(message: Extract<DownMessage, { type: "pong" }>): void {
    if (message.id !== this.#ping?.id) return;
    this.#latencyMs = performance.now() - this.#ping.sentAt;
    this.#clockOffsetMs = message.serverTime + this.#latencyMs / 2 - Date.now();
    this.#listener.statusChanged(this.#status, this.#latencyMs);
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    this.#listener.statusChanged(status, this.#latencyMs);
  }
}

function decode(text: string): DownMessage | null {
  try {
    return decodeDown(text);
  } catch {
    return null;
  }
}

/** Whose event this is, if it is one, however little of it can be read. */
function eventSandboxOf(text: string): string | undefined {
  try {
    const message = JSON.parse(text) as { type?: unknown; event?: { sandboxId?: unknown } } | null;
    const sandboxId = message?.type === "event" ? message.event?.sandboxId : undefined;
    return typeof sandboxId === "string" ? sandboxId : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(): BatonError {
  return new BatonError(
    "internal",
    "The gateway answered in a form that this version of the SDK does not know. Update the SDK.",
  );
}

function tooMany(): BatonError {
  return new BatonError(
    "too_many",
    `${MAX_PENDING_CALLS} calls wait for an answer. Await or abort them before making more.`,
    { limit: "pendingCalls", max: MAX_PENDING_CALLS },
  );
}

function tooLarge(type: string, bytes: number, maxBytes: number): BatonError {
  return new BatonError(
    "message_too_large",
    `\`${type}\` is ${bytes} bytes long, the gateway takes ${maxBytes}. Send less at a time.`,
    { maxBytes },
  );
}
