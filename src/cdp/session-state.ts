/** What the gate knows of one CDP session of one agent. */
import type { CdpParams } from "../core/cdp-policy.ts";
import { Contexts } from "./contexts.ts";
import { HitChecks } from "./hit-checks.ts";
import { Pressed } from "./pressed.ts";
import { Suspended } from "./suspended.ts";

/** A command that was sent and not answered. */
export interface Outstanding {
  readonly id: number;
  readonly method: string;
  /** It acts on the page: a drain waits for it. */
  readonly drives: boolean;
  /** Of a script: the context it runs in. */
  readonly context?: number;
  /** It arms a check of clicks in the page. */
  readonly arms?: boolean;
  /** It is answered, or needs no waiting for: its page is gone, or a dialog blocks it. */
  done: boolean;
}

/** A request that waits for the client. */
export interface Paused {
  /** What lets it go on in the client's place. */
  readonly method: string;
  readonly params: object;
  /** Runs while a person drives: the client is not waited for any longer than that. */
  timer?: NodeJS.Timeout;
}

export interface OpenDialog {
  /** The event that opened it, if the client has not been told. */
  readonly untold: Buffer | null;
}

/** Requests that are noted as paused; the oldest are forgotten first, and are then the client's alone. */
const MAX_PAUSED = 10_000;

export class SessionState {
  /** Undefined: the socket itself. */
  readonly id: string | undefined;
  readonly targetId: string | undefined;
  /** `page`, `iframe`, `worker`, `browser`, … */
  readonly type: string;
  readonly outstanding = new Map<number, Outstanding>();
  readonly pressed = new Pressed();
  readonly contexts = new Contexts();
  readonly hitChecks = new HitChecks();
  readonly suspended = new Suspended();
  /** Requests that Chromium keeps waiting for this client, by interception id. */
  readonly paused = new Map<string, Paused>();
  /** Those that the gate let go on in the client's place. */
  readonly continued = new Set<string>();
  dialog: OpenDialog | null = null;
  /** Grows with each dialog: an answer to one is not an answer to the next. */
  dialogs = 0;
  /** It waits for this client before it begins to load. */
  starting = false;
  /** Ends that wait. */
  patience: NodeJS.Timeout | undefined;
  /** Where a dialog opened that blocks, or blocked, this one too. */
  behind: SessionState | null = null;
  /** A dialog is open in its page, as somebody else saw. */
  blocked = false;
  /** What it records, each with the command that ends it. */
  readonly recorders = new Map<string, string>();
  /** How it intercepts requests, if it does. */
  intercepts: CdpParams | null = null;
  /** Where the agent was when it was stopped. */
  mark: string | undefined;
  marking = false;
  /** Commands of it that wait. */
  waiting = 0;
  /** Its first waiting commands are being looked at. */
  checking = false;
  gone = false;

  constructor(id: string | undefined, type: string, targetId?: string) {
    this.id = id;
    this.type = type;
    this.targetId = targetId;
  }

  get hasScripts(): boolean {
    return this.type !== "browser" && this.type !== "tab" && this.type !== "other";
  }

  get isPage(): boolean {
    return this.type === "page" || this.type === "iframe" || this.type === "webview";
  }

  pause(requestId: string, paused: Paused): void {
    this.unpause(requestId);
    if (this.paused.size >= MAX_PAUSED) {
      const oldest = this.paused.keys().next().value;
      if (oldest !== undefined) this.unpause(oldest);
    }
    this.paused.set(requestId, paused);
  }

  unpause(requestId: string): boolean {
    clearTimeout(this.paused.get(requestId)?.timer);
    return this.paused.delete(requestId);
  }

  /** The client need not answer it any more. */
  noteContinued(requestId: string): void {
    if (this.continued.size >= MAX_PAUSED) this.continued.clear();
    this.continued.add(requestId);
  }

  /** Nothing of it will be answered. */
  end(): void {
    this.gone = true;
    this.dialog = null;
    this.excuse();
    clearTimeout(this.patience);
    for (const { timer } of this.paused.values()) clearTimeout(timer);
    this.paused.clear();
  }

  /** Whatever is unanswered needs no waiting for. */
  excuse(): void {
    for (const entry of this.outstanding.values()) entry.done = true;
  }
}
