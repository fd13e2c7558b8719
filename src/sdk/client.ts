import { nanoid } from "nanoid";
import { invalidMessage } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { FrameHeader } from "../../protocol/frame.ts";
import type { CreateSandboxBody } from "../../protocol/http.ts";
import { SandboxId } from "../../protocol/ids.ts";
import type { Role, Sandbox } from "../../protocol/sandbox.ts";
import { Hello } from "../../protocol/up.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type {
  BatonClient,
  CallOptions,
  ClientOptions,
  ConnectionStatus,
  Grant,
  LobbyUpdate,
  SandboxHandle,
  SocketConstructor,
  WaitOptions,
} from "./api.ts";
import { Connection, type ConnectionListener } from "./connection.ts";
import { checkToken, Credentials } from "./credentials.ts";
import type { Ending } from "./ending.ts";
import { type Caller, createSandbox, removeSandbox, revokeToken } from "./http.ts";
import { notify } from "./listeners.ts";
import { LobbyFollower } from "./lobby.ts";
import { Handle } from "./sandbox.ts";
import { TokenKeeper } from "./token-keeper.ts";
import { waiting } from "./waiting.ts";

type StatusListener = (status: ConnectionStatus, latencyMs: number | undefined) => void;

/**
 * Opens a client. It connects at once, reconnects by itself, and keeps what was asked for until it is answered.
 * @throws BatonError `invalid_message` when an option is wrong, `unauthorized` when `token` cannot be one,
 * `unavailable` when the platform has no WebSocket
 */
export function connect(options: ClientOptions): BatonClient {
  return new Client(options);
}

class Client implements BatonClient, ConnectionListener {
  readonly clientId: string;
  readonly #httpUrl: string;
  readonly #credentials: Credentials;
  readonly #connection: Connection;
  readonly #keeper: TokenKeeper;
  readonly #lobby: LobbyFollower;
  readonly #handles = new Map<string, Handle>();
  readonly #streams = new Map<number, (header: FrameHeader, jpeg: Uint8Array) => void>();
  readonly #statusListeners = new Set<StatusListener>();
  /** The sandboxes whose controller this client is. */
  readonly #held = new Set<string>();
  #degraded = false;
  #stopSignal = () => {};

  constructor(options: ClientOptions) {
    const { token, role, name, onSession } = options;
    this.clientId = options.clientId ?? nanoid();
    const stated = { clientId: this.clientId, role: role ?? "sdk", name: name ?? role ?? "sdk" };
    const checked = Hello.safeParse({ type: "hello", version: PROTOCOL_VERSION, ...stated });
    if (!checked.success) throw invalidMessage(checked.error, "connect");
    checkToken(token);
    const { http, ws } = addresses(options.url);
    this.#httpUrl = http;
    this.#credentials = new Credentials({
      token,
      role,
      name,
      clientId: this.clientId,
      onSession: onSession && ((session) => notify(() => onSession(session))),
    });
    this.#connection = new Connection(
      {
        url: `${ws}/v1/connect`,
        greeter: this.#credentials,
        WebSocket: options.WebSocket ?? platformWebSocket(),
        reconnectMinMs: options.reconnectMinMs ?? 200,
        reconnectMaxMs: options.reconnectMaxMs ?? 5_000,
      },
      this,
    );
    this.#keeper = new TokenKeeper(this.#connection, this.#credentials, () =>
      this.statusChanged(this.status, this.latencyMs),
    );
    this.#lobby = new LobbyFollower(this.#connection);
    const { signal } = options;
    const abort = () => this.close();
    signal?.addEventListener("abort", abort);
    this.#stopSignal = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) this.close();
    else this.#connection.start();
  }

  get name(): string {
    return this.#credentials.name;
  }

  get role(): Role {
    return this.#credentials.role;
  }

  get grant(): Grant | undefined {
    return this.#credentials.grant;
  }

  get status(): ConnectionStatus {
    return this.#connection.status;
  }

  get error(): BatonError | undefined {
    const { ending } = this.#connection;
    return ending?.clean === false ? ending.error : undefined;
  }

  get latencyMs(): number | undefined {
    return this.#connection.latencyMs;
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  get clockOffsetMs(): number {
    return this.#connection.clockOffsetMs;
  }

  sandbox(sandboxId: string): SandboxHandle {
    const known = this.#handles.get(sandboxId);
    if (known) return known;
    const checked = SandboxId.safeParse(sandboxId);
    if (!checked.success) throw invalidMessage(checked.error, "sandboxId");
    const handle = new Handle(
      {
        connection: this.#connection,
        streams: this.#streams,
        clientId: this.clientId,
        me: this.#credentials,
        ready: (signal) => this.ready(signal ? { signal } : {}),
        caller: () => this.#caller(),
        holds: (now) => {
          if (now) this.#held.add(sandboxId);
          else this.#held.delete(sandboxId);
          this.#keeper.holds(this.#held.size > 0);
        },
        forget: (handle) => {
          if (this.#handles.get(sandboxId) === handle) this.#handles.delete(sandboxId);
        },
      },
      sandboxId,
    );
    this.#handles.set(sandboxId, handle);
    return handle;
  }

  subscribeLobby(listener: (update: LobbyUpdate) => void, refused?: (error: Error) => void): () => void {
    return this.#lobby.subscribe(listener, refused);
  }

  createSandbox({ signal, ...body }: CreateSandboxBody & CallOptions = {}): Promise<Sandbox> {
    return createSandbox(this.#caller(), body, signal);
  }

  removeSandbox(sandboxId: string, { signal }: CallOptions = {}): Promise<void> {
    return removeSandbox(this.#caller(), sandboxId, signal);
  }

  revokeToken(
    tokenId: string,
    { signal, ...rest }: { expiresAt?: number } & CallOptions = {},
  ): Promise<void> {
    return revokeToken(this.#caller(), { tokenId, ...rest }, signal);
  }

  ready(options: WaitOptions = {}): Promise<void> {
    return waiting("Connecting", options, (resolve, reject) => {
      const look = () => {
        const { ending } = this.#connection;
        if (ending) reject(ending.error);
        else if (this.status !== "connecting") resolve();
      };
      this.#statusListeners.add(look);
      look();
      return () => this.#statusListeners.delete(look);
    });
  }

  onStatus(listener: StatusListener): () => void {
    // Wrapped: the same function may be registered twice.
    const own: StatusListener = (status, latencyMs) => listener(status, latencyMs);
    this.#statusListeners.add(own);
    return () => this.#statusListeners.delete(own);
  }

  close(): void {
    const message = "This client was closed. Make a new one with connect().";
    this.#connection.close({ error: new BatonError("unavailable", message), clean: true });
  }

  /** Of the connection, not of the surface: what follows is called by it alone. */
  opened(): void {
    this.#keeper.opened();
    for (const handle of this.#handles.values()) handle.opened();
    this.#lobby.opened();
  }

  dropped(): void {
    this.#keeper.stop();
    this.#degraded = false;
    for (const handle of Array.from(this.#handles.values())) handle.dropped();
    this.#lobby.dropped();
  }

  closed(ending: Ending): void {
    this.#keeper.stop();
    this.#stopSignal();
    for (const handle of Array.from(this.#handles.values())) handle.clientClosed(ending);
    this.#lobby.dropped();
  }

  statusChanged(status: ConnectionStatus, latencyMs: number | undefined): void {
    for (const listener of Array.from(this.#statusListeners)) notify(() => listener(status, latencyMs));
  }

  frame(header: FrameHeader, jpeg: Uint8Array): void {
    this.#streams.get(header.stream)?.(header, jpeg);
  }

  unreadable(sandboxId: string): void {
    this.#handles.get(sandboxId)?.unreadable();
  }

  message(message: DownMessage): void {
    switch (message.type) {
      case "event":
        this.#handles.get(message.event.sandboxId)?.message(message);
        break;
      case "error":
        if (message.sandboxId !== undefined) this.#handles.get(message.sandboxId)?.message(message);
        break;
      case "presence":
      case "browser.tabs":
      case "browser.dialog":
      case "sandbox.left":
      case "preview.alive":
      case "resume.prompt":
        this.#handles.get(message.sandboxId)?.message(message);
        break;
      case "lobby.changed":
      case "lobby.removed":
        this.#lobby.message(message);
        break;
      case "gateway.status":
        this.#degraded = message.degraded;
        this.statusChanged(this.status, this.latencyMs);
        break;
      // Answers that nobody waits for any more, and greetings out of turn.
      case "welcome":
      case "auth.updated":
      case "pong":
      case "sandbox.joined":
      case "lobby":
      case "result":
      case "done":
      case "preview.started":
        break;
    }
  }

  #caller(): Caller {
    const token = () => this.#credentials.bearer(Date.now() + this.clockOffsetMs);
    return { url: this.#httpUrl, token, ...this.#credentials.statedHeaders };
  }
}

function addresses(url: string): { http: string; ws: string } {
  const match = /^(?:http|ws)(s?):\/\/([^\s/?#]+[^\s?#]*)$/i.exec(url);
  if (!match || !URL.canParse(url)) {
    // A link that was given in its place must not put its token into a log.
    const shown = url.split(/[?#]/)[0] ?? "";
    throw new BatonError(
      "invalid_message",
      `"${shown}"${shown === url ? "" : " and what follows"} is not a gateway's address. Give one like http://localhost:8080, and a token as \`token\`.`,
    );
  }
  const secure = match[1] ?? "";
  const rest = (match[2] ?? "").replace(/\/+$/, "");
  return { http: `http${secure}://${rest}`, ws: `ws${secure}://${rest}` };
}

function platformWebSocket(): SocketConstructor {
  const platform: { WebSocket?: SocketConstructor } = globalThis;
  if (platform.WebSocket) return platform.WebSocket;
  throw new BatonError(
    "unavailable",
    "This platform has no WebSocket. Import `connect` from the Node entry, or pass `WebSocket` in the options.",
  );
}
