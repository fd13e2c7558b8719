/**
 * What the gateway needs of a browser. One `BrowserLink` stands for one sandbox's browser as this node sees it:
 * it owns the connection, finds the browser again when it goes away, follows its tabs, and puts input into it.
 *
 * It does not know who may drive. The gate in `room/` decides, and calls `dispatch` only for what may pass.
 */
import type { LookupFunction } from "node:net";
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog, Tab } from "../../protocol/preview.ts";
import type { TargetPolicy } from "../targets/policy.ts";

/** A tab as the browser knows it; the room gives it its number. */
export type LinkTab = Omit<Tab, "number">;

/** As Chromium's `Browser.getVersion` has it. */
export interface BrowserVersion {
  readonly protocolVersion: string;
  readonly product: string;
  readonly revision: string;
  readonly userAgent: string;
  readonly jsVersion: string;
}

export type LinkStatus = "connecting" | "live" | "reconnecting" | "gone";

export interface Frame {
  /**
   * The JPEG picture behind `headroomBytes` bytes, which hold anything until the caller fills them. The buffer is the
   * caller's: each call decodes anew, so a picture that nobody takes costs nothing. `null`: the browser sent no picture.
   */
  decode(headroomBytes: number): Uint8Array | null;
  /** Size of the tab's viewport in CSS pixels, the space that input coordinates live in. */
  readonly viewportWidth: number;
  readonly viewportHeight: number;
  /** When Chromium composed it, epoch milliseconds (fractional). */
  readonly capturedAt: number;
  readonly tabId: string;
}

export interface ScreencastOptions {
  /** JPEG quality, 1 to 100. */
  readonly quality: number;
}

export interface BrowserListener {
  status?(status: LinkStatus, detail?: string): void;
  tabs?(tabs: readonly LinkTab[]): void;
  dialog?(dialog: Dialog | null): void;
  /** `blocked` changed. */
  blocked?(): void;
  /**
   * A new picture. Chromium sends the next one only after `done` was called, so calling it late slows the capture:
   * call it once somebody has taken the picture. Calling it twice does nothing.
   */
  frame?(frame: Frame, done: () => void): void;
}

/** Thrown by `dispatch`, with the code of `protocol/errors.ts` that says what the caller can do. */
export class BrowserError extends Error {
  readonly code:
    | "browser_unavailable"
    | "browser_missing"
    | "browser_attach_failed"
    | "invalid_message"
    | "input_overflow"
    | "fenced";
  constructor(code: BrowserError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BrowserError";
    this.code = code;
  }
}

export interface BrowserLink {
  readonly status: LinkStatus;
  readonly tabs: readonly LinkTab[];
  readonly dialog: Dialog | null;
  /** Tabs, and frames with a target of their own, that stand still behind an open dialog: by target id. */
  readonly blocked: ReadonlySet<string>;
  /** Where the browser is that this link is connected to now: its `ws(s)://` address. Undefined while it is not live. */
  readonly endpoint: string | undefined;
  /**
   * Where the host name of `endpoint` leads, for whoever makes a connection of their own. Undefined: wherever the system
   * says.
   */
  readonly lookup: LookupFunction | undefined;

  /**
   * Resolves at the first `live`; rejects with `BrowserError` when the first connection fails or `signal` aborts, with
   * BatonError `target_refused` when the browser's address may not be reached.
   */
  ready(signal?: AbortSignal): Promise<void>;

  /**
   * Sends one input event to the shown tab. Events leave in the order of the calls, each without waiting for the
   * one before; the promise settles when Chromium has handled it (about one frame), or when it never will (tab
   * closed, dialog opened by it, connection lost). Rejects with `BrowserError` when it could not be sent.
   *
   * `mayLeave` is asked at the moment the event leaves for the browser, which may be later than the call: when it
   * answers false the event is dropped and the promise rejects with `fenced` (C6). Default: it may.
   *
   * An address that may not be opened rejects with BatonError `target_refused`.
   */
  dispatch(event: InputEvent, mayLeave?: () => boolean): Promise<void>;

  /**
   * Settles once nothing that was sent before is unanswered, and every key and button that is still held has been
   * released in the page (C2, C5). Never rejects. A hung page keeps it pending until the page answers or goes away.
   */
  drain(): Promise<void>;

  /** Starts the capture, or changes its options. Frames go to the listeners' `frame`. Idempotent. */
  startScreencast(options: ScreencastOptions): void;
  stopScreencast(): void;

  /** What the browser says of itself. Rejects with `BrowserError` `browser_unavailable`. */
  version(): Promise<BrowserVersion>;

  /** True when the browser answered a round trip within `timeoutMs`. Disturbs nothing. */
  probe(timeoutMs: number): Promise<boolean>;

  /** Values of all cookies; empty when the browser does not say within a second. Never rejects. */
  cookieValues(): Promise<ReadonlySet<string>>;

  /** Empties what every page and worker remembers of its console. Never rejects; takes a second at most. */
  forgetConsole(): Promise<void>;

  /** Adds a listener; returns its removal. */
  subscribe(listener: BrowserListener): () => void;

  /** Detaches for good. The browser itself goes on running. */
  close(): Promise<void>;
}

export interface AttachOptions {
  /**
   * Gives the CDP endpoint: `ws(s)://…` of the browser target, or `http(s)://host:port`. Asked anew before every
   * connection attempt, since a relaunched browser has another one.
   */
  readonly endpoint: (signal: AbortSignal) => Promise<string>;
  /**
   * Where `endpoint`, and the browser's own answer to where it listens, may lead. Default: anywhere. That is for browsers
   * which the gateway started: their addresses are no caller's.
   */
  readonly targets?: TargetPolicy;
  /** Which addresses a person may open. Default: any. */
  readonly navigation?: TargetPolicy;
  /** How long one connection attempt may take. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Give up (`gone`) after being away for this long. Default: never. */
  readonly giveUpAfterMs?: number;
}

/** A browser that this process started. It is relaunched on the same profile by `endpoint` after a crash. */
export interface LaunchedBrowser {
  /**
   * Starts it if it does not run; resolves to its `ws://` endpoint. Rejects with `BrowserError`
   * `browser_attach_failed`, or `browser_unavailable` after its end or while another host uses its profile.
   */
  endpoint(signal: AbortSignal): Promise<string>;
  /** Undefined while it does not run, and while it is another process's. */
  readonly pid: number | undefined;
  /** Ends the process. A kept profile is saved and stays; one that `launch` itself made is removed. */
  close(): Promise<void>;
  /** Ends the process and removes the profile, a kept one too, unless another process of this machine uses it. */
  discard(): Promise<void>;
}

export interface LaunchOptions {
  /** Path of the executable. Default: search the usual names. */
  readonly executablePath?: string;
  /** Page to open first in a new profile. Default: about:blank. */
  readonly url?: string;
  /**
   * Folder of a profile that is kept. One that was used before comes back with its cookies and its pages, also when
   * the process that used it was killed. Never two browsers on one: a browser that runs on it already, started by
   * another process of this machine, is taken as it is. Default: a fresh directory that `close` removes.
   */
  readonly userDataDir?: string;
  /** Viewport, CSS pixels. Default 1280 by 800. */
  readonly width?: number;
  readonly height?: number;
  readonly args?: readonly string[];
}

export interface BrowserProvider {
  attach(options: AttachOptions): BrowserLink;
  /** Rejects with `BrowserError` `browser_missing` when there is no Chromium, saying what to install or to set. */
  launch(options: LaunchOptions): Promise<LaunchedBrowser>;
  /** Whether the very browser that a `LaunchedBrowser` of any process named by this endpoint can be reached. Never rejects. */
  answers(endpoint: string, signal: AbortSignal): Promise<boolean>;
}
