/** A store in this process's memory: for tests and for trying Baton out. What it holds ends with the process. */
import type { Position } from "../../protocol/ids.ts";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import { publicView, type SandboxState } from "../core/state.ts";
import { AuditLog } from "./audit-log.ts";
import { Listeners } from "./listeners.ts";
import { checkMark, Marks } from "./marks.ts";
import { Presence } from "./presence.ts";
import { MAX_DECISION_AGE_MS } from "./store.ts";
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
} from "./store.ts";

/** Events kept per sandbox for those who resume; a longer absence costs a snapshot. */
const LOG_LENGTH = 1_000;
/** Commits remembered per sandbox for repeated requests; older keys count as new. */
const RECORDS = 512;

interface Row {
  version: number;
  state: SandboxState;
  dueAt: number | null;
  readonly log: SandboxEvent[];
  readonly records: Map<string, CommitRecord>;
}

export interface MemoryStoreOptions {
  /** Epoch milliseconds. Default: the system's clock. */
  readonly now?: () => number;
  readonly logLength?: number;
  /** Marks that may stand at a time. Default 100,000. */
  readonly maxMarks?: number;
  /** Audit lines kept. Default 100,000. */
  readonly auditLength?: number;
}

export class MemoryStore implements Store {
  readonly exclusive = false;
  readonly #now: () => number;
  readonly #logLength: number;
  readonly #rows = new Map<string, Row>();
  readonly #listeners = new Listeners();
  readonly #presence: Presence;
  readonly #marks: Marks;
  readonly #audit: AuditLog;
  #version = 0;

  constructor(options: MemoryStoreOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#logLength = options.logLength ?? LOG_LENGTH;
    this.#presence = new Presence(this.#now);
    this.#marks = new Marks(options.maxMarks);
    this.#audit = new AuditLog(options.auditLength);
  }

  async now(): Promise<number> {
    return this.#now();
  }

  async create(state: SandboxState, events: readonly SandboxEvent[], dueAt: number | null): Promise<boolean> {
    if (this.#rows.has(state.sandboxId)) return false;
    this.#rows.set(state.sandboxId, {
      version: this.#nextVersion(),
      state,
      dueAt,
      log: [...events],
      records: new Map(),
    });
    this.#listeners.committed(state, events);
    return true;
  }

  async load(sandboxId: string, key?: string): Promise<Loaded | null> {
    return this.#load(sandboxId, key);
  }

  async confirm(sandboxId: string): Promise<Loaded | null> {
    return this.#load(sandboxId);
  }

  async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    const row = this.#rows.get(sandboxId);
    if (!row) return { kind: "missing" };
    const record = row.records.get(commit.record.key);
    if (record) return { kind: "repeated", record };
    if (row.version !== commit.expectedVersion) return { kind: "conflict" };
    if (this.#now() - commit.decidedAt > MAX_DECISION_AGE_MS) return { kind: "conflict" };
    row.version = this.#nextVersion();
    row.state = commit.next;
    row.dueAt = commit.dueAt;
    row.log.push(...commit.events);
    if (row.log.length > this.#logLength) row.log.splice(0, row.log.length - this.#logLength);
    row.records.set(commit.record.key, commit.record);
    if (row.records.size > RECORDS) {
      const [oldest] = row.records.keys();
      if (oldest !== undefined) row.records.delete(oldest);
    }
    this.#listeners.committed(commit.next, commit.events);
    return { kind: "committed", version: row.version };
  }

  async remove(sandboxId: string): Promise<boolean> {
    if (!this.#rows.delete(sandboxId)) return false;
    this.#presence.close(sandboxId);
    this.#listeners.removed(sandboxId);
    return true;
  }

  async read(sandboxId: string, since: Position | null): Promise<Catchup | null> {
    const row = this.#rows.get(sandboxId);
    if (!row) return null;
    const events = since && eventsAfter(row, since);
    return events ? { kind: "events", events } : { kind: "snapshot", snapshot: publicView(row.state) };
  }

  async list(options: { readonly cursor?: string; readonly limit: number }): ReturnType<Store["list"]> {
    const after = options.cursor ?? "";
    const ids = [...this.#rows.keys()].filter((id) => id > after).sort();
    const page = ids.slice(0, options.limit);
    const last = page.at(-1);
    const sandboxes = page.flatMap((id) => {
      const row = this.#rows.get(id);
      return row ? [publicView(row.state)] : [];
    });
    return { sandboxes, ...(ids.length > page.length && last !== undefined && { cursor: last }) };
  }

  async due(limit: number): Promise<readonly string[]> {
    const now = this.#now();
    return [...this.#rows.values()]
      .filter((row): row is Row & { dueAt: number } => row.dueAt !== null && row.dueAt <= now)
      .sort((a, b) => a.dueAt - b.dueAt)
      .slice(0, limit)
      .map((row) => row.state.sandboxId);
  }

  async subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    return this.#listeners.add(sandboxId, listener);
  }

  async subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe> {
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

  async mark(id: string, value: string, until: number): Promise<string> {
    const kept = checkMark(id, value, until);
    const now = this.#now();
    const standing = this.#marks.standing(id, now);
    if (standing !== undefined || kept <= now) return standing ?? value;
    this.#marks.dropExpired(now);
    this.#marks.checkRoom();
    this.#marks.keep({ id, value, until: kept, version: this.#marks.nextVersion(now) });
    return value;
  }

  async marksSince(version: number): Promise<MarksSince> {
    return this.#marks.since(version, this.#now());
  }

  async appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    return this.#audit.append(expected, lines);
  }

  async readAudit(after: number, limit: number): Promise<readonly AuditLine[]> {
    return this.#audit.read(after, limit);
  }

  async auditHead(): Promise<AuditHead> {
    return this.#audit.head;
  }

  async healthy(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  /** Never one that any sandbox had: a commit decided on a removed one must not fit the next of its id. */
  #nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  #load(sandboxId: string, key?: string): Loaded | null {
    const row = this.#rows.get(sandboxId);
    if (!row) return null;
    const record = key === undefined ? undefined : row.records.get(key);
    return { version: row.version, state: row.state, now: this.#now(), ...(record && { record }) };
  }
}

/** `null` when the log does not connect to the position: too old, of the future, or of another history (E2). */
function eventsAfter(row: Row, since: Position): readonly SandboxEvent[] | null {
  if (since.seq === row.state.seq) return since.epoch === row.state.epoch ? [] : null;
  const at = row.log.findIndex((event) => event.seq === since.seq);
  return at >= 0 && row.log[at]?.epoch === since.epoch ? row.log.slice(at + 1) : null;
}
