/**
 * What the gateway needs of the place where sandboxes live. The store keeps state and log, and nothing else: it does
 * not know the rules (`core/` does), who is connected, or which node asks.
 *
 * Every implementation passes `test/contract/store.ts`.
 */
import type { Handoff } from "../../protocol/handoff.ts";
import type { Position } from "../../protocol/ids.ts";
import type { Member, Sandbox, SandboxEvent } from "../../protocol/sandbox.ts";
import type { SandboxState } from "../core/state.ts";

/**
 * How old a decision may be when it is committed, by the store's clock. A commit that comes later was decided in a
 * process that slept meanwhile: its deadlines, the leases of gates among them, would count from too early (C2).
 */
export const MAX_DECISION_AGE_MS = 1_000;

/** What a commit answered, kept under its key so that the same request answers the same again (H1, H6). */
export interface CommitRecord {
  readonly key: string;
  /** Digest of the request: the same key with another one is a mistake of the caller's. */
  readonly fingerprint: string;
  /** The handoff as it was after the commit. */
  readonly handoff: Handoff | null;
  /** Number of the last event of the commit. */
  readonly seq: number;
}

export interface Loaded {
  /** Grows with every commit, also with those that no subscriber sees. */
  readonly version: number;
  readonly state: SandboxState;
  /** The store's clock, epoch milliseconds: the only one that deadlines and epochs are measured with. */
  readonly now: number;
  /** Present when `key` was given and is known. */
  readonly record?: CommitRecord;
}

export interface Commit {
  readonly expectedVersion: number;
  /** `now` of the load that this was decided on. Older than `MAX_DECISION_AGE_MS` at the commit: a conflict. */
  readonly decidedAt: number;
  readonly next: SandboxState;
  /** Dense, following the log's last number. May be empty. */
  readonly events: readonly SandboxEvent[];
  /** When the sandbox must be looked at again, epoch milliseconds, or `null` for never. Replaces the one before. */
  readonly dueAt: number | null;
  readonly record: CommitRecord;
}

/**
 * `committed`: durable, and the events are on their way to subscribers. `conflict`: another commit came first, or
 * the decision is too old; load again. `repeated`: a commit with this key is already in; `record` is what it answered. A store that executes one
 * commit twice (a lost reply) answers `repeated` the second time. `missing`: the sandbox is gone.
 */
export type CommitResult =
  | { readonly kind: "committed"; readonly version: number }
  | { readonly kind: "conflict" }
  | { readonly kind: "repeated"; readonly record: CommitRecord }
  | { readonly kind: "missing" };

/** Events after a position, or, when they are no longer kept or the position is not of this log, a snapshot (E2). */
export type Catchup =
  | { readonly kind: "events"; readonly events: readonly SandboxEvent[] }
  | { readonly kind: "snapshot"; readonly snapshot: Sandbox };

/** A change of any sandbox, for those who watch them all. */
export type LobbyChange =
  | { readonly kind: "changed"; readonly sandbox: Sandbox }
  | { readonly kind: "removed"; readonly sandboxId: string }
  /** Changes may have been missed: list again. */
  | { readonly kind: "lost" };

/** Who is in a room on one node. */
export interface NodeMembers {
  readonly nodeId: string;
  /** A bounded list. Empty: nobody. */
  readonly members: readonly Member[];
  /** How many more there are. Absent: none. */
  readonly more?: number;
}

/** Listeners must not throw: a commit that is in cannot be taken back. */
export interface SandboxListener {
  /** Called in the order of the log. May miss events after a lost connection: compare `seq`, read the rest. */
  event(event: SandboxEvent): void;
  removed(): void;
  /** The connection was lost and is there again: events, rosters or the removal may have been missed. Read anew. */
  lost(): void;
  /** A node, this one included, announced who is in the room there now. */
  roster(change: NodeMembers): void;
}

export type Unsubscribe = () => void;

/** Characters of a mark's id, and of its value, at the most: what is kept is bounded by this and the number of marks. */
export const MAX_MARK_CHARACTERS = 512;

/** A word that stands under a name until a time, for all nodes. */
export interface Mark {
  readonly id: string;
  readonly value: string;
  /** Epoch milliseconds by the store's clock; from then on it is as if it had never been. */
  readonly until: number;
}

export interface MarksSince {
  /** What to ask with the next time. 0 when there never was a mark. */
  readonly version: number;
  /** The version asked with is not of this store's history, as after a failover that lost writes: everything is listed. */
  readonly reset: boolean;
  /** In the order in which they were made. */
  readonly marks: readonly Mark[];
}

/** The end of the audit log; `seq` 0 and `hash` "" when it is empty. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** The store does not know what `text` says, nor whether `hash` is its. */
export interface AuditLine extends AuditHead {
  readonly text: string;
}

/** All methods reject with `BatonError` `unavailable` when the store cannot be reached within its time limit. */
export interface Store {
  /** Nobody but this process can use the data: whoever else wrote to it has ended for certain. */
  readonly exclusive: boolean;
  /** Answers `false` when a sandbox of this id exists. The first event must have number 1. */
  create(state: SandboxState, events: readonly SandboxEvent[], dueAt: number | null): Promise<boolean>;
  /** The store's clock, for a state that is about to be created. */
  now(): Promise<number>;
  load(sandboxId: string, key?: string): Promise<Loaded | null>;
  /**
   * A `load` that proves: what it answers was the truth at a moment between call and answer, also while the store
   * fails over, as far as it can be asked to. A gate lives on this (C3).
   */
  confirm(sandboxId: string): Promise<Loaded | null>;
  /** Atomic: state, events, deadline and record all happen, or none. */
  commit(sandboxId: string, commit: Commit): Promise<CommitResult>;
  /** Removes state, log and deadline, and tells subscribers. Answers `false` when there was none. */
  remove(sandboxId: string): Promise<boolean>;

  /** Log and snapshot are read as of one moment. `null`: no such sandbox. */
  read(sandboxId: string, since: Position | null): Promise<Catchup | null>;
  /** In the order of ids, after `cursor`. */
  list(options: {
    readonly cursor?: string;
    readonly limit: number;
  }): Promise<{ readonly sandboxes: readonly Sandbox[]; readonly cursor?: string }>;

  /** Sandboxes whose deadline is at or before the store's clock, earliest first. Any number of nodes may ask. */
  due(limit: number): Promise<readonly string[]>;

  /** Resolves once every later commit reaches the listener. */
  subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe>;
  subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe>;

  /**
   * Says who is in a room on this node: replaces what the node said before, and tells every node's subscribers. Empty
   * for nobody. Not durable: it is forgotten with the node, see `beat`.
   */
  announce(sandboxId: string, here: NodeMembers): Promise<void>;
  /** What living nodes announced last; those with nobody left out, in any order. */
  roster(sandboxId: string): Promise<readonly NodeMembers[]>;
  /**
   * Counts a node among the living for `ttlMs` from now. Answers all that live. `fresh`: this one was not among them
   * just before, so what it had announced may be forgotten.
   */
  beat(
    nodeId: string,
    ttlMs: number,
  ): Promise<{ readonly nodes: readonly string[]; readonly fresh: boolean }>;
  /** The node ends: its announcements with it. */
  leave(nodeId: string): Promise<void>;

  /**
   * Keeps `value` under `id` until a time, unless there is one: the first one wins, and its time stands as well.
   * Resolves, durable, to the value that stands. A call that is executed twice (a lost reply) finds its own value: one
   * that must know whether it was first gives a value of its own. What is over already is not kept.
   *
   * @param until epoch milliseconds by the store's clock
   * @throws BatonError `too_many` { limit: "marks" } when as many as there may be have not expired;
   *   `invalid_message` when `id` or `value` is longer than `MAX_MARK_CHARACTERS`
   */
  mark(id: string, value: string, until: number): Promise<string>;
  /**
   * What was marked after `version` and has not expired; everything for 0. Cheap when there is nothing new. A caller
   * that is told of a `reset` marks again what it knows. A version from very long ago may count as of another history.
   */
  marksSince(version: number): Promise<MarksSince>;

  /**
   * Appends to the one audit log, all lines or none, only when its end is `expected`. `false`: it is not, somebody else's
   * lines came first, or, after a lost reply, these. The newest lines are kept, the oldest leave.
   *
   * @param lines numbered from `expected.seq + 1` on
   */
  appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean>;
  /** At most `limit` lines with numbers above `after`, in order, from the oldest that is kept. */
  readAudit(after: number, limit: number): Promise<readonly AuditLine[]>;
  auditHead(): Promise<AuditHead>;

  /** Whether a commit would work now and its events would reach this node's subscribers, for `/readyz`. */
  healthy(): Promise<boolean>;
  close(): Promise<void>;
}
