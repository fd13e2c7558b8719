/**
 * A store in a directory of this machine, for a gateway that runs alone. What it acknowledged outlasts the end of the
 * process at any moment, and a power cut as far as the disk keeps its word. Presence lives in memory.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Position } from "../../../protocol/ids.ts";
import type { SandboxEvent } from "../../../protocol/sandbox.ts";
import { publicView, type SandboxState } from "../../core/state.ts";
import { Listeners } from "../listeners.ts";
import { Presence } from "../presence.ts";
import { MAX_DECISION_AGE_MS } from "../store.ts";
import type {
  AuditHead,
  AuditLine,
  Catchup,
  Commit,
  CommitRecord,
  CommitResult,
  Loaded,
  LobbyChange,
  MarksSince,
  NodeMembers,
  SandboxListener,
  Store,
  Unsubscribe,
} from "../store.ts";
import { CommitQueue, closed, type Plan } from "./commit-queue.ts";
import { openDirectory, type OwnedDirectory } from "./directory.ts";
import {
  dueKey,
  dueUpTo,
  encode,
  eventKey,
  eventsAfter,
  eventsUpTo,
  formatKey,
  FORMAT,
  historyOf,
  recordKey,
  type Row,
  sandboxesAfter,
  sandboxOfDueKey,
  slotKey,
  stateKey,
} from "./layout.ts";
import { LocalAudit } from "./local-audit.ts";
import { LocalMarks } from "./local-marks.ts";
import { checkKey, Table } from "./table.ts";

/** Events kept per sandbox for those who resume; a longer absence costs a snapshot. */
const LOG_LENGTH = 1_000;
/** Bound on what is stored. A busy sandbox with a full log takes one to two megabytes. */
const MAX_BYTES = 16 * 1024 ** 3;
/** How long a disk may take for a commit before the caller is told that it does not answer. */
const LIMIT_MS = 10_000;
/** The same for the question whether it would. */
const HEALTH_LIMIT_MS = 2_000;

export interface LocalStoreOptions {
  /** Made when it is not there. */
  readonly dir: string;
  /** Epoch milliseconds. Default: the system's clock. */
  readonly now?: () => number;
  readonly logLength?: number;
  /** Bound on the stored data; commits beyond it are refused until sandboxes are removed. Default: 16 GiB. */
  readonly maxBytes?: number;
  /** Time limit of a commit. Default: 10 s. */
  readonly limitMs?: number;
  /** Marks that may stand at a time. Default 100,000. */
  readonly maxMarks?: number;
  /** Audit lines kept. Default 100,000. */
  readonly auditLength?: number;
}

export class LocalStore implements Store {
  readonly exclusive = true;
  readonly #directory: OwnedDirectory;
  readonly #table: Table;
  readonly #queue: CommitQueue;
  readonly #now: () => number;
  readonly #logLength: number;
  readonly #limitMs: number;
  readonly #listeners = new Listeners();
  readonly #presence: Presence;
  readonly #marks: LocalMarks;
  readonly #audit: LocalAudit;
  /** Where a new sandbox begins: above what any removed one had, for a commit that was decided on that. */
  #firstVersion = 1;
  #closing: Promise<void> | undefined;

  private constructor(directory: OwnedDirectory, table: Table, options: LocalStoreOptions) {
    this.#directory = directory;
    this.#table = table;
    this.#queue = new CommitQueue(table);
    this.#now = options.now ?? Date.now;
    this.#logLength = options.logLength ?? LOG_LENGTH;
    this.#limitMs = options.limitMs ?? LIMIT_MS;
    this.#presence = new Presence(this.#now);
    const shared = { table, queue: this.#queue, limitMs: this.#limitMs, now: this.#now };
    this.#marks = new LocalMarks({ ...shared, max: options.maxMarks });
    this.#audit = new LocalAudit({ ...shared, length: options.auditLength });
  }

  /** @throws StoreOpenError when the directory or what is in it cannot be used; its message is for the operator */
  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    const directory = await openDirectory(options.dir);
    try {
      const table = await Table.open(directory.path, options.maxBytes ?? MAX_BYTES);
      return new LocalStore(directory, table, options);
    } catch (error) {
      await directory.release();
      throw error;
    }
  }

  async now(): Promise<number> {
    return this.#now();
  }

  create(state: SandboxState, events: readonly SandboxEvent[], dueAt: number | null): Promise<boolean> {
    const { sandboxId } = state;
    return this.#change(sandboxId, () => {
      if (this.#row(sandboxId)) return { writes: new Map(), answer: false };
      const row: Row = { version: this.#firstVersion, dueAt, state };
      const writes = new Map<string, Buffer | null>();
      put(writes, stateKey(sandboxId), row);
      for (const event of events) put(writes, eventKey(sandboxId, event.seq), event);
      if (dueAt !== null) put(writes, dueKey(dueAt, sandboxId), null);
      return { writes, answer: true, committed: () => this.#listeners.committed(state, events) };
    });
  }

  async load(sandboxId: string, key?: string): Promise<Loaded | null> {
    await this.#turn();
    const row = this.#row(sandboxId);
    if (!row) return null;
    const record = key === undefined ? undefined : this.#record(sandboxId, key);
    return { version: row.version, state: row.state, now: this.#now(), ...(record && { record }) };
  }

  /** The directory is this process's alone, so what is in it is the truth. */
  async confirm(sandboxId: string): Promise<Loaded | null> {
    return this.load(sandboxId);
  }

  commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    const nothing = (answer: CommitResult): Plan<CommitResult> => ({ writes: new Map(), answer });
    return this.#change<CommitResult>(sandboxId, () => {
      const row = this.#row(sandboxId);
      if (!row) return nothing({ kind: "missing" });
      const record = this.#record(sandboxId, commit.record.key);
      if (record) return nothing({ kind: "repeated", record });
      const isLate = this.#now() - commit.decidedAt > MAX_DECISION_AGE_MS;
      if (row.version !== commit.expectedVersion || isLate) return nothing({ kind: "conflict" });
      const version = row.version + 1;
      return {
        writes: this.#writesOf(sandboxId, row, version, commit),
        answer: { kind: "committed", version },
        committed: () => this.#listeners.committed(commit.next, commit.events),
      };
    });
  }

  remove(sandboxId: string): Promise<boolean> {
    return this.#change(sandboxId, () => {
      const writes = new Map<string, null>();
      const row = this.#row(sandboxId);
      if (!row) return { writes, answer: false };
      writes.set(stateKey(sandboxId), null);
      if (row.dueAt !== null) writes.set(dueKey(row.dueAt, sandboxId), null);
      for (const range of historyOf(sandboxId)) {
        for (const key of this.#table.keys(range)) writes.set(key, null);
      }
      const committed = (): void => {
        this.#firstVersion = Math.max(this.#firstVersion, row.version + 1);
        this.#presence.close(sandboxId);
        this.#listeners.removed(sandboxId);
      };
      return { writes, answer: true, removes: true, committed };
    });
  }

  async read(sandboxId: string, since: Position | null): Promise<Catchup | null> {
    await this.#turn();
    const row = this.#row(sandboxId);
    if (!row) return null;
    const events = since && this.#eventsAfter(row.state, since);
    return events ? { kind: "events", events } : { kind: "snapshot", snapshot: publicView(row.state) };
  }

  async list(options: { readonly cursor?: string; readonly limit: number }): ReturnType<Store["list"]> {
    await this.#turn();
    const rows = this.#table.values(sandboxesAfter(options.cursor ?? ""), options.limit + 1) as Row[];
    const sandboxes = rows.slice(0, options.limit).map(({ state }) => publicView(state));
    const last = sandboxes.at(-1);
    return { sandboxes, ...(rows.length > sandboxes.length && last && { cursor: last.sandboxId }) };
  }

  async due(limit: number): Promise<readonly string[]> {
    await this.#turn();
    return this.#table.keys(dueUpTo(this.#now()), limit).map(sandboxOfDueKey);
  }

  async subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    this.#checkOpen();
    return this.#listeners.add(sandboxId, listener);
  }

  async subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe> {
    this.#checkOpen();
    return this.#listeners.addLobby(listener);
  }

  async announce(sandboxId: string, here: NodeMembers): Promise<void> {
    this.#presence.announce(sandboxId, here);
    this.#listeners.roster(sandboxId, here);
  }

  async roster(sandboxId: string): Promise<readonly NodeMembers[]> {
    return this.#presence.roster(sandboxId);
  }

  async beat(nodeId: string, ttlMs: number): ReturnType<Store["beat"]> {
    return this.#presence.beat(nodeId, ttlMs);
  }

  async leave(nodeId: string): Promise<void> {
    this.#presence.leave(nodeId);
  }

  mark(id: string, value: string, until: number): Promise<string> {
    return this.#marks.mark(id, value, until);
  }

  async marksSince(version: number): Promise<MarksSince> {
    await this.#turn();
    return this.#marks.since(version);
  }

  appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    return this.#audit.append(expected, lines);
  }

  async readAudit(after: number, limit: number): Promise<readonly AuditLine[]> {
    await this.#turn();
    return this.#audit.read(after, limit);
  }

  async auditHead(): Promise<AuditHead> {
    await this.#turn();
    return this.#audit.head();
  }

  /** Writes, for only that tells. */
  async healthy(): Promise<boolean> {
    const writes = new Map([[formatKey, encode(formatKey, { format: FORMAT })]]);
    const limitMs = Math.min(HEALTH_LIMIT_MS, this.#limitMs);
    try {
      return await this.#queue.run(formatKey, limitMs, () => ({ writes, answer: true }));
    } catch {
      return false;
    }
  }

  /** What waits for the disk is still written and answered. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const answered = await this.#queue.close(this.#limitMs);
    this.#listeners.clear();
    // A write that hangs still uses the file, so the directory stays this process's until it ends.
    if (!answered) return;
    await this.#table.close();
    await this.#directory.release();
  }

  #change<T>(sandboxId: string, plan: () => Plan<T>): Promise<T> {
    return this.#queue.run(sandboxId, this.#limitMs, plan);
  }

  #writesOf(sandboxId: string, row: Row, version: number, commit: Commit): Map<string, Buffer | null> {
    const { events, dueAt, record } = commit;
    const writes = new Map<string, Buffer | null>();
    const last = events.at(-1);
    if (last) {
      for (const key of this.#table.keys(eventsUpTo(sandboxId, last.seq - this.#logLength)))
        writes.set(key, null);
      for (const event of events) put(writes, eventKey(sandboxId, event.seq), event);
    }
    const slot = slotKey(sandboxId, version);
    const forgotten = this.#table.get(slot) as string | undefined;
    if (forgotten !== undefined) writes.set(recordKey(sandboxId, forgotten), null);
    put(writes, slot, record.key);
    put(writes, recordKey(sandboxId, record.key), record);
    if (row.dueAt !== null) writes.set(dueKey(row.dueAt, sandboxId), null);
    if (dueAt !== null) put(writes, dueKey(dueAt, sandboxId), null);
    const next: Row = { version, dueAt, state: commit.next };
    put(writes, stateKey(sandboxId), next);
    return writes;
  }

  /** `null` when the log does not connect to the position: too old, of the future, or of another history (E2). */
  #eventsAfter(state: SandboxState, since: Position): readonly SandboxEvent[] | null {
    if (since.seq === state.seq) return since.epoch === state.epoch ? [] : null;
    const known = this.#table.get(eventKey(state.sandboxId, since.seq)) as SandboxEvent | undefined;
    if (known?.epoch !== since.epoch) return null;
    return this.#table.values(eventsAfter(state.sandboxId, since.seq)) as SandboxEvent[];
  }

  #row(sandboxId: string): Row | undefined {
    return this.#table.get(stateKey(sandboxId)) as Row | undefined;
  }

  #record(sandboxId: string, key: string): CommitRecord | undefined {
    return this.#table.get(recordKey(sandboxId, key)) as CommitRecord | undefined;
  }

  /** Reading takes no time that the process could use. Who reads in a loop must not keep it from everything else. */
  async #turn(): Promise<void> {
    await nextTurn();
    this.#checkOpen();
  }

  #checkOpen(): void {
    if (this.#closing) throw closed();
  }
}

function put(writes: Map<string, Buffer | null>, key: string, value: unknown): void {
  writes.set(key, encode(checkKey(key), value));
}
