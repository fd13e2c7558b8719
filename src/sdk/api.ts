/** The SDK's surface: what an agent, a worker, a script or a page types. `client.ts` implements it. */
import type { CreateLinkBody, Link, SessionToken } from "../../protocol/auth.ts";
import type {
  ControlMode,
  PassControlParams,
  ReleaseControlParams,
  SetPrivacyParams,
  TakeControlParams,
} from "../../protocol/control.ts";
import type {
  AcceptHandoffParams,
  CancelHandoffParams,
  CompleteHandoffParams,
  Handoff,
  RequestHandoffParams,
} from "../../protocol/handoff.ts";
import type { CreateSandboxBody } from "../../protocol/http.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { BatonError } from "../../protocol/errors.ts";
import type { InputEvent, MouseButton } from "../../protocol/input.ts";
import type { Dialog, PreviewOptions, Tab } from "../../protocol/preview.ts";
import type { HandoffResult, Member, Role, Sandbox, SandboxEvent } from "../../protocol/sandbox.ts";

/** The subset of the WebSocket interface that the SDK uses; browsers, Node 22 and `ws` all have it. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
}
export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

/**
 * A signed token, or a function that gets one. The function is asked before each connect, and again before the token
 * ends: its time is then prolonged without a reconnect. What it throws is tried again later, as a failed connect is;
 * a BatonError that is not retryable ends the client.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** What this client's token allows. */
export type Grant = NonNullable<Extract<DownMessage, { type: "welcome" }>["grant"]>;

export interface ClientOptions {
  /** The gateway, `http(s)://host:port` or `ws(s)://host:port`. */
  readonly url: string;
  /**
   * Says who this client is; needed where the gateway asks for tokens. It travels in the first message and in the
   * header of HTTP calls, never in an address. A client with a string ends with `unauthorized` when the token does; one
   * with a function goes on, but for a token that was revoked or is not valid.
   */
  readonly token?: TokenSource;
  /**
   * Hears the token that the gateway gave in place of a link's own, which may be good only once; and each newer one.
   * The client uses it by itself. A page that keeps it and gives it as `token` survives a reload. `undefined`: it is no
   * longer good.
   */
  readonly onSession?: (session: SessionToken | undefined) => void;
  /** Default `sdk`. `agent` is the one that control returns to. With a token: the token's; another is refused. */
  readonly role?: Role;
  /**
   * How others see this client, and the controller's name when it drives as a person. Default: the role. With a token:
   * the token's subject; another is refused.
   */
  readonly name?: string;
  /** Keep it across restarts of an agent that must not handle a resume prompt twice. Default: random. */
  readonly clientId?: string;
  /** Closes the client when aborted. */
  readonly signal?: AbortSignal;
  /** Default: the platform's, or `ws` in Node. */
  readonly WebSocket?: SocketConstructor;
  /** First and longest wait between reconnects. Default 200 and 5,000; each wait is jittered. */
  readonly reconnectMinMs?: number;
  readonly reconnectMaxMs?: number;
}

export type ConnectionStatus = "connecting" | "open" | "reconnecting" | "closed";

/**
 * A call that is over a limit of the gateway waits as long as the gateway says and is sent again, for 30 seconds
 * altogether at most, where that changes nothing twice: handoff and control calls. Input and HTTP calls reject with
 * `rate_limited` at once; `details.retryAfterMs` says when to go on.
 */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface WaitOptions extends CallOptions {
  /** Rejects with `timeout` after this long. Default: waits on. */
  readonly timeoutMs?: number;
}

/** State of a sandbox at one moment, and the event that led to it (absent at the start and after a fresh snapshot). */
export interface SandboxUpdate {
  readonly sandbox: Sandbox;
  readonly event?: SandboxEvent;
  /** Who is here: at most 100, those who may act before those who only watch. */
  readonly members: readonly Member[];
  /** How many more are here. */
  readonly moreMembers: number;
  readonly tabs: readonly Tab[];
  readonly dialog: Dialog | null;
  /** False while the socket is away: what is shown may be old. */
  readonly connected: boolean;
}

export interface ResumeRequest {
  readonly requestId: string;
  readonly prompt: string;
  /** The finished handoff, with the person's `note`. */
  readonly handoff: Handoff;
}
/**
 * What it returns is carried to the person in `completeHumanHandoff`'s `resume.response`, cut to 65,536 characters; a
 * throw makes `ok` false. Runs once per `requestId` in this process, however often the prompt is delivered (R1).
 */
export type ResumeHandler = (request: ResumeRequest) => string | void | Promise<string | void>;

export interface PreviewFrame {
  /** JPEG bytes. */
  readonly jpeg: Uint8Array;
  readonly seq: number;
  /** Epoch milliseconds, the gateway's browser's clock. */
  readonly capturedAt: number;
  readonly viewportWidth: number;
  readonly viewportHeight: number;
  /** Number of the tab it shows, for `InputOptions.tab`. */
  readonly tab: number;
}

export interface InputOptions {
  /**
   * The tab that the input is aimed at, by the number of the frame or of `tabs`: refused with `stale_tab` when another
   * is shown by then. Default: whichever is shown.
   */
  readonly tab?: number;
}

export interface ClickOptions {
  readonly button?: MouseButton;
  readonly clickCount?: 1 | 2 | 3;
  /** CDP bit field: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift. */
  readonly modifiers?: number;
}

/**
 * Drives the shown tab. Every call resolves once the browser handled the event and rejects with `not_controller`
 * when it is not this client's turn. Positions are CSS pixels of the viewport.
 */
export interface SandboxInput {
  /** Sends events as they are, in order, in one message. */
  send(events: readonly InputEvent[], options?: CallOptions & InputOptions): Promise<void>;
  /** Sends without asking for an answer: for pointer moves. Refusals go to `onRefused`. */
  post(events: readonly InputEvent[], options?: InputOptions): void;
  /** Called with each refusal of a `post`; returns its removal. */
  onRefused(listener: (error: Error) => void): () => void;
  move(x: number, y: number): Promise<void>;
  click(x: number, y: number, options?: ClickOptions): Promise<void>;
  drag(
    from: { x: number; y: number },
    to: { x: number; y: number },
    options?: { steps?: number },
  ): Promise<void>;
  wheel(x: number, y: number, deltaX: number, deltaY: number): Promise<void>;
  /** Types characters one by one as keys (US layout), others as text. */
  type(text: string): Promise<void>;
  /** A key or shortcut, Playwright's notation: `Enter`, `Control+A`, `Shift+ArrowLeft`. */
  press(shortcut: string): Promise<void>;
  text(text: string): Promise<void>;
  paste(text: string): Promise<void>;
  navigate(url: string): Promise<void>;
  back(): Promise<void>;
  forward(): Promise<void>;
  reload(): Promise<void>;
  selectTab(tabId: string): Promise<void>;
  closeTab(tabId: string): Promise<void>;
  openTab(): Promise<void>;
  answerDialog(accept: boolean, promptText?: string): Promise<void>;
}

export interface SandboxHandle {
  readonly sandboxId: string;
  /** The newest state, or `undefined` before the first snapshot. */
  readonly current: SandboxUpdate | undefined;

  /** With `privacy: "private"` nobody but the person who accepts sees the page until the handoff ends. */
  requestHumanHandoff(params: RequestHandoffParams & CallOptions): Promise<HandoffResult>;
  /** `privacy: "private"` hides the page from everybody else although the request did not ask for it. */
  acceptHumanHandoff(params: AcceptHandoffParams & CallOptions): Promise<HandoffResult>;
  completeHumanHandoff(params: CompleteHandoffParams & CallOptions): Promise<HandoffResult>;
  cancelHumanHandoff(params?: CancelHandoffParams & CallOptions): Promise<HandoffResult>;
  getHandoff(options?: CallOptions): Promise<HandoffResult>;

  /** Resolves with the handoff once it has ended and control has arrived where it went; default: the open one. */
  waitForHandoff(options?: WaitOptions & { readonly requestId?: string }): Promise<Handoff>;
  /** Resolves with the mode once this client may drive. */
  waitForControl(options?: WaitOptions): Promise<ControlMode>;
  /** Registers the handler of resume prompts; a later one takes its place. Returns its removal. */
  onResume(handler: ResumeHandler): () => void;

  /**
   * In these four `controller` defaults to whom this handle made the controller, else to the client's name. Taking with
   * `privacy: "private"` hides the page from everybody else until control returns to the agent.
   */
  takeControl(params?: Partial<TakeControlParams> & CallOptions): Promise<HandoffResult>;
  releaseControl(params?: Partial<ReleaseControlParams> & CallOptions): Promise<HandoffResult>;
  passControl(
    params: Omit<PassControlParams, "controller"> & { controller?: string } & CallOptions,
  ): Promise<HandoffResult>;
  /**
   * Hides the page from the agent and everybody else (`private`), or shows it again (`open`). Only for the controller;
   * rejects with `not_controller` for others. Resolves once it is in force; until then nobody drives.
   */
  setPrivacy(
    params: Omit<SetPrivacyParams, "controller"> & { controller?: string } & CallOptions,
  ): Promise<HandoffResult>;

  /**
   * Makes a link for a person who has no token. Its `url` is as good as a password: hand it to that person, and to no
   * log and no model. For workers, operators and admins.
   */
  createLink(options: CreateLinkBody & CallOptions): Promise<{ readonly link: Link; readonly url: string }>;
  /** Ends a link, and the connections of everybody who came by it. */
  revokeLink(linkId: string, options?: CallOptions): Promise<void>;

  /** State now, then after every change, none left out. Ends at `signal`, or when the sandbox is removed. */
  watch(options?: CallOptions): AsyncIterableIterator<SandboxUpdate>;
  /**
   * The same as a callback; called at once when there is a state. `ended` hears why no more will come: the sandbox was
   * removed, does not exist, or the client was closed.
   */
  subscribe(listener: (update: SandboxUpdate) => void, ended?: (error: Error) => void): () => void;

  readonly input: SandboxInput;

  /** The live picture. Only the newest frame waits for a slow consumer. */
  frames(options?: PreviewOptions & CallOptions): AsyncIterableIterator<PreviewFrame>;
  /**
   * The live picture as callbacks, for a page: `frame` must call `shown` (it paces the stream), `alive` says every two
   * seconds whether the browser answers and which frame is the newest.
   */
  preview(
    options: PreviewOptions,
    listener: {
      frame(frame: PreviewFrame, shown: () => void): void;
      alive?(alive: boolean, newestSeq: number): void;
    },
  ): () => void;

  /** Stops following this sandbox. */
  close(): void;
}

export interface LobbyUpdate {
  readonly sandboxes: ReadonlyMap<string, Sandbox>;
  readonly truncated: boolean;
  readonly connected: boolean;
}

export interface BatonClient {
  readonly clientId: string;
  /** With a token these two are the token's from the first `welcome` on; before, what was asked for, or `sdk`. */
  readonly name: string;
  readonly role: Role;
  /** What the token allows, from the first `welcome` on; `undefined` where the gateway asks for none. */
  readonly grant: Grant | undefined;
  readonly status: ConnectionStatus;
  /** Why the gateway ended this client for good; `undefined` while it did not. */
  readonly error: BatonError | undefined;
  /** Newest round trip to the gateway in ms, or `undefined`. Measured every five seconds while open. */
  readonly latencyMs: number | undefined;
  /** The gateway cannot reach its store: watching goes on, changes and input are refused with `unavailable`. */
  readonly degraded: boolean;
  /** Add this to `Date.now()` for the gateway's clock: for countdowns. */
  readonly clockOffsetMs: number;

  sandbox(sandboxId: string): SandboxHandle;
  /** All sandboxes that this client may see, newest state of each. `refused` hears that it may not have the list. */
  subscribeLobby(listener: (update: LobbyUpdate) => void, refused?: (error: Error) => void): () => void;
  createSandbox(body?: CreateSandboxBody & CallOptions): Promise<Sandbox>;
  removeSandbox(sandboxId: string, options?: CallOptions): Promise<void>;
  /**
   * Ends a token by its id (its `jti`), and the connections that came by it. `expiresAt`: when it ends by itself, epoch
   * ms. For admins.
   */
  revokeToken(tokenId: string, options?: { readonly expiresAt?: number } & CallOptions): Promise<void>;
  /** Resolves at the first `welcome`. */
  ready(options?: WaitOptions): Promise<void>;
  /** Called when the connection, its latency, `degraded` or the token's end changes. */
  onStatus(listener: (status: ConnectionStatus, latencyMs: number | undefined) => void): () => void;
  close(): void;
}
