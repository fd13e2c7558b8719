/** One socket's conversation: who it is, what it follows, and its calls, one after the other. */
import { nanoid } from "nanoid";
import { decodeUp, encodeDown, idOf, MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_FLOOR, PROTOCOL_VERSION } from "../../protocol/version.ts";
import { BrowserError } from "../browser/browser.ts";
import type { Logger } from "../ops/log.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import { Claims } from "./claims.ts";
import type { Lobby } from "./lobby.ts";
import type { Client } from "./member.ts";
import type { Operations } from "./operations.ts";
import type { Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";

/** Every message but the first. */
export type Greeted = Exclude<UpMessage, { type: "hello" }>;

export interface SessionContext {
  readonly rooms: Rooms;
  readonly operations: Operations;
  readonly lobby: Lobby;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly heartbeatMs: number;
  /** A socket that has not said `hello` by then is closed. */
  readonly helloTimeoutMs: number;
  /** Every greeted socket of this node. */
  readonly sessions: Set<Session>;
  /** The store cannot be reached now. */
  readonly degraded: () => boolean;
  /** What each message does: `onMessage`. */
  readonly handle: (session: Session, message: Greeted) => void;
}

/** Messages of one socket that wait for the store; a client that pipelines more is told so. */
const MAX_QUEUED = 256;
/** Messages that are not of the protocol, after which the other end is taken for something else. */
const MAX_MISTAKES = 100;

/** Every version this gateway speaks. */
const SPOKEN: readonly number[] = Array.from(
  { length: PROTOCOL_VERSION - PROTOCOL_FLOOR + 1 },
  (_, index) => PROTOCOL_FLOOR + index,
);

export interface Joined {
  readonly room: Room;
  readonly release: () => void;
}

export class Session implements SocketHandler, Client {
  readonly connectionId = `c_${nanoid(12)}`;
  readonly context: SessionContext;
  readonly joined = new Map<string, Joined>();
  readonly claims: Claims;
  readonly #socket: Socket;
  readonly #helloTimer: NodeJS.Timeout;
  #identity: { readonly name: string; readonly role: Role; readonly clientId: string } | null = null;
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #mistakes = 0;
  #gone = false;

  constructor(socket: Socket, context: SessionContext) {
    this.#socket = socket;
    this.context = context;
    this.claims = new Claims(context.rooms, this);
    this.#helloTimer = setTimeout(
      () => socket.close("hello_timeout", "send hello first"),
      context.helloTimeoutMs,
    );
  }

  get name(): string {
    return this.#identity?.name ?? "unknown";
  }
  get role(): Role {
    return this.#identity?.role ?? "viewer";
  }
  get clientId(): string {
    return this.#identity?.clientId ?? this.connectionId;
  }
  /** The socket is closed: nothing that is sent arrives. */
  get gone(): boolean {
    return this.#gone;
  }

  send(message: DownMessage): void {
    this.#socket.send(encodeDown(message));
  }
  sendText(text: string): void {
    this.#socket.send(text);
  }
  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    this.#socket.sendBinary(bytes, flushed);
  }
  lost(): void {
    this.#socket.close("internal", "events were lost, resume from the last position");
  }
  removed(sandboxId: string): void {
    this.joined.get(sandboxId)?.release();
    this.joined.delete(sandboxId);
  }

  binary(): void {
    this.#mistake(
      new BatonError("binary_not_allowed", "Binary messages are not for clients. Send JSON as text."),
    );
  }

  text(text: string): void {
    let message: UpMessage;
    try {
      message = decodeUp(text);
    } catch (error) {
      // A later version's hello may have fields that this one does not know: the number says more than they do.
      const version = this.#identity ? undefined : versionOf(text);
      if (version !== undefined && !isSpoken(version)) return this.#unsupported(version);
      return this.#mistake(error, idOf(text));
    }
    this.context.metrics.messages.inc({ type: message.type });
    if (message.type === "hello") return this.#hello(message);
    if (!this.#identity) {
      return this.#mistake(
        new BatonError("hello_required", "Send `hello` before anything else."),
        "id" in message ? message.id : undefined,
      );
    }
    this.context.handle(this, message);
  }

  closed(): void {
    this.#gone = true;
    this.context.sessions.delete(this);
    clearTimeout(this.#helloTimer);
    this.context.lobby.leave(this.connectionId);
    for (const { room, release } of this.joined.values()) {
      room.leave(this.connectionId);
      release();
    }
    this.joined.clear();
    this.claims.endAll();
  }

  /**
   * Runs `task` after those before it, so that this client's changes happen in the order in which it asked for them.
   * What it returns is sent; what it throws is sent as an error under `message.id`.
   */
  enqueue(message: { id: string; sandboxId?: string }, task: () => Promise<DownMessage | null>): void {
    if (this.#queued >= MAX_QUEUED) {
      return this.fail(
        new BatonError(
          "too_many",
          "Too many calls wait on this socket. Wait for answers before sending more.",
          { limit: "calls" },
        ),
        message,
      );
    }
    this.#queued += 1;
    this.#queue = this.#queue.then(async () => {
      this.#queued -= 1;
      if (!this.#gone) await this.reply(message, task);
    });
  }

  /** Runs `task` now, beside the queue. */
  async reply(
    message: { id?: string; sandboxId?: string },
    task: () => Promise<DownMessage | null>,
  ): Promise<void> {
    try {
      const answer = await task();
      if (answer) this.send(answer);
    } catch (error) {
      this.fail(error, message);
    }
  }

  fail(error: unknown, message: { id?: string; sandboxId?: string }): void {
    const known = toBatonError(error);
    if (known.code === "internal")
      this.context.log.error({ err: error, connectionId: this.connectionId }, "a message failed");
    this.context.metrics.refusals.inc({ code: known.code });
    this.send({
      type: "error",
      ...(message.id !== undefined && { id: message.id }),
      ...(message.sandboxId !== undefined && { sandboxId: message.sandboxId }),
      code: known.code,
      message: known.message,
      retryable: known.retryable,
      ...(known.details && { details: known.details }),
    });
  }

  /** The room this client follows. @throws BatonError `not_joined` */
  roomOf(sandboxId: string): Room {
    const joined = this.joined.get(sandboxId);
    if (!joined)
      throw new BatonError("not_joined", `Join ${sandboxId} with sandbox.join before this.`, { sandboxId });
    return joined.room;
  }

  #hello(message: UpMessage & { type: "hello" }): void {
    if (this.#identity)
      return this.#mistake(
        new BatonError(
          "already_greeted",
          "This socket said `hello` before. Open another one for another identity.",
        ),
      );
    if (!isSpoken(message.version)) return this.#unsupported(message.version);
    clearTimeout(this.#helloTimer);
    this.#identity = { name: message.name, role: message.role, clientId: message.clientId ?? nanoid() };
    this.send({
      type: "welcome",
      version: PROTOCOL_VERSION,
      connectionId: this.connectionId,
      clientId: this.clientId,
      serverTime: Date.now(),
      heartbeatMs: this.context.heartbeatMs,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
    this.context.sessions.add(this);
    if (this.context.degraded()) this.send({ type: "gateway.status", degraded: true });
  }

  #unsupported(version: number): void {
    this.fail(
      new BatonError(
        "unsupported_version",
        `Version ${version} is not spoken here. Update the client or the gateway.`,
        { supported: SPOKEN },
      ),
      {},
    );
    this.#socket.close("unsupported_version");
  }

  /** An answer, and one step nearer to the end of a socket that speaks something else. */
  #mistake(error: unknown, id?: string): void {
    this.fail(error, id === undefined ? {} : { id });
    this.#mistakes += 1;
    if (this.#mistakes > MAX_MISTAKES) this.#socket.close("protocol_error", "too many invalid messages");
  }
}

function isSpoken(version: number): boolean {
  return SPOKEN.includes(version);
}

/** The version that a `hello` names, when that much of it can be read. */
function versionOf(text: string): number | undefined {
  try {
    const value = JSON.parse(text) as { type?: unknown; version?: unknown } | null;
    return value?.type === "hello" && Number.isInteger(value.version) ? (value.version as number) : undefined;
  } catch {
    return undefined;
  }
}

/** What the caller may know of any error. */
export function toBatonError(error: unknown): BatonError {
  if (error instanceof BatonError) return error;
  if (error instanceof BrowserError && error.code !== "fenced")
    return new BatonError(error.code, error.message, undefined, { cause: error });
  return new BatonError(
    "internal",
    "The gateway failed to do this. Try again; if it stays, look into the gateway's log.",
    undefined,
    { cause: error },
  );
}
