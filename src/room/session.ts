/** One socket's conversation: who it is, what it follows, and its calls, one after the other. */
import { nanoid } from "nanoid";
import { decodeUp, encodeDown, idOf, MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { UpMessage } from "../../protocol/up.ts";
import type { Auth, Session as LinkSession } from "../auth/auth.ts";
import type { Door } from "../auth/door.ts";
import type { Identity } from "../auth/identity.ts";
import type { TokenEnd, Watch } from "../auth/revocations.ts";
import { BrowserError } from "../browser/browser.ts";
import { countedAs, NO_GRANT, OPEN_GRANT, reaches, type Caller, type Grant } from "../core/access.ts";
import type { ConnectionMeter } from "../limits/meter.ts";
import type { Logger } from "../ops/log.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { SharedText } from "../transport/shared-text.ts";
import type { Handshake, Socket, SocketHandler } from "../transport/transport.ts";
import { Claims } from "./claims.ts";
import {
  closeReasonOf,
  identified,
  isSpoken,
  notSpoken,
  selfNamed,
  versionOf,
  welcomeTo,
  type Hello,
  type Self,
} from "./greeting.ts";
import type { Lobby } from "./lobby.ts";
import type { Client } from "./member.ts";
import type { Operations } from "./operations.ts";
import type { Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";

/** Every message but the first. */
export type Greeted = Exclude<UpMessage, Hello>;

export interface SessionContext {
  readonly rooms: Rooms;
  readonly operations: Operations;
  readonly lobby: Lobby;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly door: Door;
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

export interface Joined {
  readonly room: Room;
  /** Epochs in which it drove, and was refused to, as far as that is on record. */
  droveIn?: number;
  refusedIn?: number;
}

export class Session implements SocketHandler, Client, Caller {
  readonly connectionId = `c_${nanoid(12)}`;
  readonly context: SessionContext;
  readonly joined = new Map<string, Joined>();
  readonly address: string;
  readonly #socket: Socket;
  #claims: Claims | undefined;
  /** Until the other end has said who it is: every open socket would keep it. */
  #handshake: Handshake | undefined;
  #helloTimer: NodeJS.Timeout | undefined;
  #self: Self | null = null;
  /** Messages that came behind a `hello` whose token is still being looked at; `null` at any other time. */
  #early: string[] | null = null;
  #earlyBytes = 0;
  #watch: Watch | undefined;
  #leave: (() => void) | undefined;
  readonly #meter: ConnectionMeter;
  /** The last call that was taken, while it is under way. */
  #queue: Promise<void> | undefined;
  #queued = 0;
  #mistakes = 0;
  #gone = false;

  constructor(socket: Socket, handshake: Handshake, context: SessionContext) {
    this.#socket = socket;
    this.#handshake = handshake;
    this.address = context.door.addressOf(handshake);
    this.#meter = context.door.limits.meter();
    this.context = context;
    this.#helloTimer = setTimeout(
      () => socket.close("hello_timeout", "send hello first"),
      context.helloTimeoutMs,
    );
  }

  get name(): string {
    return this.#self?.name ?? "unknown";
  }
  get role(): Role {
    return this.#self?.role ?? "viewer";
  }
  get grant(): Grant {
    if (!this.#self) return NO_GRANT;
    return this.#self.identity?.grant ?? OPEN_GRANT;
  }
  get tokenId(): string {
    return this.#self?.identity?.tokenId ?? "";
  }
  /** Not the same for two subjects, whatever they say: nobody takes a resume prompt over by another's id. */
  get clientId(): string {
    if (!this.#self) return this.connectionId;
    const { clientId, identity } = this.#self;
    return identity ? `${identity.subject} ${clientId}` : clientId;
  }
  get identity(): Identity | undefined {
    return this.#self?.identity;
  }
  /** The socket is closed: nothing that is sent arrives. */
  get gone(): boolean {
    return this.#gone;
  }

  send(message: DownMessage): void {
    this.#socket.send(encodeDown(message));
  }
  sendText(text: SharedText): void {
    this.#socket.send(text);
  }
  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    this.#socket.sendBinary(bytes, flushed);
  }
  lost(): void {
    this.#socket.close("internal", "events were lost, resume from the last position");
  }
  removed(sandboxId: string): void {
    this.joined.delete(sandboxId);
  }

  binary(): void {
    this.#mistake(
      new BatonError("binary_not_allowed", "Binary messages are not for clients. Send JSON as text."),
    );
  }

  text(text: string): void {
    if (this.#early) return this.#hold(this.#early, text);
    // The watch is a timer, and timers are late; nothing is done meanwhile.
    const { identity } = this;
    if (identity && identity.expiresAt <= Date.now()) return this.#end("token_expired");
    let message: UpMessage;
    try {
      message = decodeUp(text);
    } catch (error) {
      // A later version's hello may have fields that this one does not know: the number says more than they do.
      const refusal = this.#metered("message", text);
      if (refusal) return this.fail(refusal, {});
      const version = this.#self ? undefined : versionOf(text);
      if (version !== undefined && !isSpoken(version)) return this.#unsupported(version);
      return this.#mistake(error, idOf(text));
    }
    this.context.metrics.messages.inc({ type: message.type });
    const refusal = this.#metered(message.type, text, message.type === "input" ? message.events.length : 0);
    if (refusal) return this.fail(refusal, message.type === "hello" ? {} : message);
    if (message.type === "hello") return this.#hello(message);
    if (!this.#self) {
      return this.#mistake(
        new BatonError("hello_required", "Send `hello` before anything else."),
        "id" in message ? message.id : undefined,
      );
    }
    this.context.handle(this, message);
  }

  closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.context.sessions.delete(this);
    this.#greeted();
    this.#watch?.stop();
    this.#leave?.();
    this.#early = null;
    this.context.lobby.leave(this.connectionId);
    for (const { room } of this.joined.values()) room.leave(this.connectionId);
    this.joined.clear();
    this.#claims?.endAll();
  }

  /** Of those who only watch there are none. */
  get claims(): Claims {
    return (this.#claims ??= new Claims(this.context.rooms, this));
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
    const turn = (this.#queue ?? Promise.resolve()).then(async () => {
      this.#queued -= 1;
      if (!this.#gone) await this.reply(message, task);
      if (this.#queue === turn) this.#queue = undefined;
    });
    this.#queue = turn;
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

  #hello(message: Hello): void {
    if (this.#self)
      return this.#mistake(
        new BatonError(
          "already_greeted",
          "This socket said `hello` before. Open another one for another identity.",
        ),
      );
    if (!isSpoken(message.version)) return this.#unsupported(message.version);
    const { auth } = this.context.door;
    const handshake = this.#handshake;
    if (!auth) return this.#introduce(message);
    // Gone meanwhile.
    if (!handshake) return;
    this.#early = [];
    this.#present(auth, message, handshake).then(
      () => this.#release(),
      (error: unknown) => {
        if (this.#gone) return;
        this.fail(error, {});
        this.#socket.close(closeReasonOf(toBatonError(error)));
      },
    );
  }

  /** Without tokens: it is who it says. */
  #introduce(message: Hello): void {
    let self: Self;
    try {
      self = selfNamed(message);
    } catch (error) {
      return this.#mistake(error);
    }
    try {
      this.#welcome(self);
    } catch (error) {
      this.fail(error, {});
      this.#socket.close(closeReasonOf(toBatonError(error)));
    }
  }

  /** @throws BatonError `unauthorized`, `forbidden`, `rate_limited`, `too_many`, `unavailable` */
  async #present(auth: Auth, message: Hello, handshake: Handshake): Promise<void> {
    const from = { handshake, address: this.address };
    const { self, session } = await identified(this.context.door, auth, message, from);
    if (this.#gone) return;
    this.#welcome(self, session);
    this.#watch = auth.watch(self.identity, (how) => this.#end(how));
  }

  /** @throws BatonError `too_many` */
  #welcome(self: Self, session?: LinkSession): void {
    const grant = self.identity?.grant ?? OPEN_GRANT;
    this.#leave = this.context.door.limits.socket(this.address, countedAs({ name: self.name, grant }));
    this.#greeted();
    this.#self = self;
    const { connectionId, context } = this;
    this.send(welcomeTo(self, session, { connectionId, heartbeatMs: context.heartbeatMs }));
    this.context.sessions.add(this);
    if (this.context.degraded()) this.send({ type: "gateway.status", degraded: true });
  }

  /** It said who it is, or never will. */
  #greeted(): void {
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined;
    this.#handshake = undefined;
  }

  /** Counts what has come. A peer that does not listen to refusals is closed. */
  #metered(type: string, text: string, inputEvents = 0): BatonError | undefined {
    const refusal = this.#meter.take(type, Buffer.byteLength(text), inputEvents);
    if (this.#meter.tooMuch) this.#socket.close("rate_limited", "too many messages over the limits");
    return refusal;
  }

  /** Of one whom nobody knows yet: a single message's size, and no more. */
  #hold(early: string[], text: string): void {
    this.#earlyBytes += Buffer.byteLength(text);
    if (early.length < MAX_QUEUED && this.#earlyBytes <= MAX_MESSAGE_BYTES) early.push(text);
    else this.#socket.close("protocol_error", "wait for welcome before sending more");
  }

  /** Greeted: what came behind `hello` has its turn. */
  #release(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const text of early) if (!this.#gone) this.text(text);
  }

  #end(how: TokenEnd): void {
    this.#socket.close(how);
    this.closed();
  }

  /** A newer token: the socket lives as long as that one, and reaches what that one reaches. */
  adopt(identity: Identity): void {
    if (!this.#self) return;
    this.#self = { ...this.#self, identity };
    this.#watch?.update(identity);
    this.#claims?.endOutside((sandboxId) => reaches(identity.grant, sandboxId));
    for (const [sandboxId, { room }] of this.joined) {
      if (reaches(identity.grant, sandboxId)) continue;
      this.joined.delete(sandboxId);
      room.leave(this.connectionId);
      this.send({ type: "sandbox.left", sandboxId, reason: "forbidden" });
    }
  }

  #unsupported(version: number): void {
    this.fail(notSpoken(version), {});
    this.#socket.close("unsupported_version");
  }

  /** An answer, and one step nearer to the end of a socket that speaks something else. */
  #mistake(error: unknown, id?: string): void {
    this.fail(error, id === undefined ? {} : { id });
    this.#mistakes += 1;
    if (this.#mistakes > MAX_MISTAKES) this.#socket.close("protocol_error", "too many invalid messages");
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
