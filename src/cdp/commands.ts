/** Commands that wait: in order per session, bounded, and gone with their connection (G2). */
import { SERVER_ERROR, type Refusal } from "./messages.ts";
import { parsed, type Envelope } from "./scan.ts";
import { needsParams, type CdpParams } from "../core/cdp-policy.ts";
import { mayLead } from "./destinations.ts";
import { Suspended } from "./suspended.ts";
import type { SessionState } from "./session-state.ts";

export interface Command {
  /** The message as the client sent it. */
  readonly bytes: Buffer;
  readonly envelope: Envelope;
  readonly id: number;
  readonly method: string;
  /** What it carries, where the gate must understand it. */
  readonly params: CdpParams | undefined;
  readonly session: SessionState;
  /** It acts on the page: it may leave only while the agent drives. */
  readonly drives: boolean;
  /** How many dialogs its session had seen: one that answers a dialog means the last of them. */
  readonly dialog: number;
}

export interface CommandsHooks {
  readonly fits: (command: Command) => boolean;
  readonly send: (command: Command) => void;
  readonly refuse: (command: Command, refusal: Refusal) => void;
  readonly changed: (count: number) => void;
}

/** Commands that wait per connection; more are refused. A client that awaits its answers has one or two. */
export const MAX_WAITING = 1_000;
/** Bytes that wait; one command may be larger alone. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;

const NO_DIALOG: Refusal = { code: -32_602, message: "No dialog is showing" };

export class Commands {
  readonly #hooks: CommandsHooks;
  #queue: Command[] = [];
  #bytes = 0;

  constructor(hooks: CommandsHooks) {
    this.#hooks = hooks;
  }

  get count(): number {
    return this.#queue.length;
  }

  has(session: SessionState, id: number): boolean {
    return session.waiting > 0 && this.#queue.some((each) => each.session === session && each.id === id);
  }

  /** @returns why it may not wait */
  add(command: Command): Refusal | null {
    const { length } = command.bytes;
    const full = this.#queue.length >= MAX_WAITING;
    if (full || (this.#queue.length > 0 && this.#bytes + length > MAX_WAITING_BYTES)) {
      return {
        code: SERVER_ERROR,
        message: `${this.#queue.length} commands wait until the agent drives again; no more are kept. Wait for their answers, then send this one again.`,
        data: { code: "too_many", waiting: this.#queue.length },
      };
    }
    this.#queue.push({ ...command, bytes: alone(command.bytes) });
    this.#bytes += length;
    command.session.waiting += 1;
    this.#hooks.changed(this.#queue.length);
    return null;
  }

  /** The commands of one session that wait, oldest first. */
  of(session: SessionState): Command[] {
    return session.waiting === 0 ? [] : this.#queue.filter((command) => command.session === session);
  }

  /** Sends what may leave, in order; a session whose first may not keeps all of its own. */
  flush(): void {
    const stays = new Set<SessionState>();
    this.#take((command) => {
      const { session, method } = command;
      if (stays.has(session)) return false;
      if (method === "Page.handleJavaScriptDialog" && command.dialog !== session.dialogs) {
        // A person answered it: it is not an answer to the dialog that is open now.
        this.#hooks.refuse(command, NO_DIALOG);
        return true;
      }
      if (session.checking || !this.#hooks.fits(command)) {
        stays.add(session);
        return false;
      }
      this.#hooks.send(command);
      return true;
    });
  }

  /** Refuses those that have a reason not to wait any longer. */
  sort(reason: (command: Command) => Refusal | null): void {
    this.#take((command) => {
      const refusal = reason(command);
      if (refusal) this.#hooks.refuse(command, refusal);
      return refusal !== null;
    });
  }

  refuseSession(session: SessionState, refusal: Refusal): void {
    if (session.waiting > 0) this.sort((command) => (command.session === session ? refusal : null));
  }

  /** Nobody is there any more to hear of them. */
  drop(): void {
    this.#take(() => true);
  }

  #take(leaves: (command: Command) => boolean): void {
    if (this.#queue.length === 0) return;
    const before = this.#queue;
    this.#queue = [];
    const kept: Command[] = [];
    for (const command of before) {
      if (leaves(command)) {
        command.session.waiting -= 1;
        this.#bytes -= command.bytes.length;
      } else kept.push(command);
    }
    if (kept.length === before.length) {
      this.#queue = before;
      return;
    }
    this.#queue = [...kept, ...this.#queue];
    this.#hooks.changed(this.#queue.length);
  }
}

/**
 * What a command carries, for those that the gate must understand; undefined for all others.
 * @returns null: Chromium may be able to read it, the gate is not
 */
export function understood(bytes: Buffer, { method = "", params }: Envelope): CdpParams | undefined | null {
  if (!params || !isUnderstood(method)) return undefined;
  return (parsed(bytes, params) ?? null) as CdpParams | null;
}

/** A small message may be a part of a large chunk, which would stay in memory with it. */
function alone(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

const UNDERSTOOD: ReadonlySet<string> = new Set([
  "Target.detachFromTarget",
  "Network.getResponseBody",
  "Network.getRequestPostData",
  "Network.searchInResponseBody",
  "Network.streamResourceContent",
  "Network.replayXHR",
]);

function isUnderstood(method: string): boolean {
  return (
    UNDERSTOOD.has(method) ||
    mayLead(method) ||
    needsParams(method) ||
    Suspended.knows(method) ||
    method.startsWith("Input.") ||
    method.startsWith("Fetch.") ||
    method.startsWith("Baton.")
  );
}
