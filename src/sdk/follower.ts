import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Position } from "../../protocol/ids.ts";
import type { Dialog, Tab } from "../../protocol/preview.ts";
import { type Member, type Sandbox, type SandboxEvent, applyEvent } from "../../protocol/sandbox.ts";
import type { SandboxUpdate } from "./api.ts";
import { Retry } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import type { Ending } from "./ending.ts";
import { Fences, type Predicate } from "./fences.ts";
import type { Answer } from "./pending.ts";

export interface FollowListener {
  /** After every change, in order, none left out. `settled`: see `Follower.settled`. */
  update?(update: SandboxUpdate): void;
  /** The state is, maybe again, one that decisions may rest on. Called after `update`. */
  settled?(): void;
  /** The gateway took this socket's join: what needs one may be asked for now. */
  joined?(): void;
  dropped?(): void;
  /** Nothing more will come until somebody calls `follow` again. */
  ended?(ending: Ending): void;
}

/** Follows one sandbox: snapshot, then every event after it, over as many sockets as it takes (E2). */
export class Follower {
  readonly #connection: Connection;
  readonly #sandboxId: string;
  readonly #listeners = new Set<FollowListener>();
  readonly #fences: Fences;
  readonly #retry: Retry;
  /** Set once `leave` was called. */
  #ending: Ending | undefined;
  #wanted = false;
  #resume = false;
  /** Takes back the join that is under way. */
  #cancelJoin: (() => void) | undefined;
  /** The gateway answered a join on the present socket. */
  #joinedHere = false;
  /** The state missed something: events do not count until a snapshot came. */
  #broken = false;
  #sandbox: Sandbox | undefined;
  #position: Position | undefined;
  /** Events up to this one follow the join's answer. */
  #missedUntil = 0;
  #members: readonly Member[] = [];
  #moreMembers = 0;
  #tabs: readonly Tab[] = [];
  #dialog: Dialog | null = null;
  #current: SandboxUpdate | undefined;

  constructor(connection: Connection, sandboxId: string) {
    this.#connection = connection;
    this.#sandboxId = sandboxId;
    this.#fences = new Fences(() => this.#announceSettled());
    this.#retry = new Retry(connection.reconnectMinMs, connection.reconnectMaxMs);
  }

  get current(): SandboxUpdate | undefined {
    return this.#current;
  }

  /** The state holds all that is known to have happened: everything missed, and what this client's calls changed. */
  get settled(): boolean {
    return this.#current !== undefined && this.#current.connected && !this.#fences.isOpen;
  }

  /** A call of this client changed something that the state does not show yet. */
  get awaitsOwnChange(): boolean {
    return this.#fences.isOpen;
  }

  get joinedHere(): boolean {
    return this.#joinedHere;
  }

  listen(listener: FollowListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Joins, unless it is joined or on the way there. */
  follow(): void {
    const ending = this.#ending ?? this.#connection.ending;
    if (ending) {
      this.#end(ending);
    } else if (!this.#wanted) {
      this.#wanted = true;
      this.#join();
    }
  }

  /** Whether resume prompts are wanted. */
  setResume(resume: boolean): void {
    if (this.#resume === resume) return;
    this.#resume = resume;
    if (!this.#wanted) {
      if (resume) this.follow();
    } else if (this.#cancelJoin || this.#joinedHere) {
      this.#join();
    }
  }

  /** Waits and inputs rest until the state shows what an answered call changed. */
  expect(shown: Predicate): void {
    if (!this.#wanted || (this.#sandbox && shown(this.#sandbox))) return;
    this.#fences.add(shown);
  }

  opened(): void {
    if (this.#wanted) this.#join();
  }

  dropped(): void {
    this.#joinedHere = false;
    this.#cancelJoin = undefined;
    this.#retry.stop();
    this.#emit();
    this.#tell((listener) => listener.dropped?.());
  }

  /** Stops following for good; the gateway is told when it thinks otherwise. */
  leave(ending: Ending): void {
    const told = this.#connection.isOpen && (this.#joinedHere || this.#cancelJoin !== undefined);
    this.#ending = ending;
    this.#end(ending);
    if (!told) return;
    this.#connection.request({
      message: { type: "sandbox.leave", sandboxId: this.#sandboxId },
      lifetime: "connection",
      internal: true,
      answered: () => {},
      failed: () => {},
    });
  }

  /** The client was closed. */
  closed(ending: Ending): void {
    this.#end(ending);
  }

  event(event: SandboxEvent): void {
    if (!this.#sandbox || !this.#position || this.#broken) return;
    const { epoch, seq } = this.#position;
    const repeated = event.seq <= seq && event.epoch <= epoch;
    if (repeated) return;
    if (event.seq !== seq + 1 || event.epoch < epoch) {
      // While a join is under way its answer covers what is missing.
      if (this.#joinedHere && !this.#cancelJoin) this.#resync();
      return;
    }
    this.#sandbox = applyEvent(this.#sandbox, event);
    this.#position = { epoch: event.epoch, seq: event.seq };
    this.#emit(event);
  }

  presence({ members, more = 0 }: Extract<DownMessage, { type: "presence" }>): void {
    this.#members = members;
    this.#moreMembers = more;
    this.#emit();
  }

  tabs(tabs: readonly Tab[]): void {
    this.#tabs = tabs;
    this.#emit();
  }

  dialog(dialog: Dialog | null): void {
    this.#dialog = dialog;
    this.#emit();
  }

  /** The gateway ended the subscription. */
  left(reason: "removed" | "forbidden"): void {
    if (reason === "removed") this.#end({ error: removed(this.#sandboxId), clean: true });
    else this.#end({ error: outOfReach(this.#sandboxId), clean: false });
  }

  unreadable(): void {
    if (this.#sandbox && !this.#broken && this.#joinedHere && !this.#cancelJoin) this.#resync();
  }

  #resync(): void {
    this.#broken = true;
    this.#emit();
    this.#join();
  }

  #join(): void {
    if (!this.#connection.isOpen) return;
    this.#retry.stop();
    this.#cancelJoin?.();
    const since = this.#broken ? undefined : this.#position;
    this.#cancelJoin = this.#connection.request({
      message: {
        type: "sandbox.join",
        sandboxId: this.#sandboxId,
        ...(since && { since }),
        ...(this.#resume && { resume: true }),
      },
      lifetime: "connection",
      internal: true,
      answered: (answer) => this.#joined(answer, since !== undefined),
      failed: (error) => this.#refused(error),
    });
  }

  #joined(answer: Answer, continues: boolean): void {
    this.#cancelJoin = undefined;
    if (answer.type !== "sandbox.joined" || (!answer.snapshot && !continues)) {
      this.#end({ error: unusable(this.#sandboxId), clean: false });
      return;
    }
    const first = !this.#joinedHere;
    this.#joinedHere = true;
    this.#members = answer.members;
    this.#moreMembers = answer.more ?? 0;
    this.#tabs = answer.tabs;
    this.#dialog = answer.dialog;
    this.#missedUntil = answer.position.seq;
    if (answer.snapshot) {
      this.#broken = false;
      this.#sandbox = answer.snapshot;
      this.#position = answer.position;
    }
    this.#emit();
    if (first) this.#tell((listener) => listener.joined?.());
  }

  #refused(error: BatonError): void {
    this.#cancelJoin = undefined;
    if (!this.#connection.isOpen) return;
    if (error.retryable) this.#retry.schedule(error, () => this.#join());
    else this.#end({ error, clean: false });
  }

  #end(ending: Ending): void {
    this.#wanted = false;
    this.#cancelJoin?.();
    this.#cancelJoin = undefined;
    this.#joinedHere = false;
    this.#broken = false;
    this.#retry.stop();
    this.#fences.clear();
    this.#emit();
    this.#sandbox = undefined;
    this.#position = undefined;
    this.#current = undefined;
    this.#tell((listener) => listener.ended?.(ending));
  }

  #emit(event?: SandboxEvent): void {
    const sandbox = this.#sandbox;
    if (!sandbox || !this.#position) return;
    const connected = this.#joinedHere && !this.#broken && this.#position.seq >= this.#missedUntil;
    const update: SandboxUpdate = {
      sandbox,
      ...(event && { event }),
      members: this.#members,
      moreMembers: this.#moreMembers,
      tabs: this.#tabs,
      dialog: this.#dialog,
      connected,
    };
    this.#current = update;
    this.#fences.check(sandbox);
    this.#tell((listener) => listener.update?.(update));
    this.#announceSettled();
  }

  #announceSettled(): void {
    if (this.settled) this.#tell((listener) => listener.settled?.());
  }

  /** Over a copy: a listener may add or remove listeners. */
  #tell(call: (listener: FollowListener) => void): void {
    for (const listener of Array.from(this.#listeners)) {
      if (this.#listeners.has(listener)) call(listener);
    }
  }
}

function removed(sandboxId: string): BatonError {
  return new BatonError(
    "sandbox_not_found",
    `Sandbox ${sandboxId} was removed. Create it anew, or follow another.`,
  );
}

function outOfReach(sandboxId: string): BatonError {
  return new BatonError(
    "forbidden",
    `This client's newer token does not reach sandbox ${sandboxId}. Use one whose \`sandboxes\` name it.`,
    { sandboxId },
  );
}

function unusable(sandboxId: string): BatonError {
  return new BatonError(
    "internal",
    `The gateway's answer about sandbox ${sandboxId} cannot be used. Close this handle and open it again.`,
  );
}
