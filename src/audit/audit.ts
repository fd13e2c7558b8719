/**
 * Writes what happened into the gateway's audit log. Entries that come together are written together; those that cannot
 * be written now wait, up to a bound, and nobody waits for them longer than for one attempt.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { AuditHead, AuditLine, Store } from "../store/store.ts";
import { chain } from "./chain.ts";
import { fieldsOf, type AuditEntry } from "./entry.ts";

export type { AuditEntry } from "./entry.ts";

/** Entries that wait while the store is away; about ten megabytes. The newest are lost beyond it. */
const MAX_WAITING = 10_000;
/** Lines written at once, so that one write keeps nobody waiting for long. */
const MAX_GROUP = 200;
/** Times in a row that other nodes may come first before this one makes a pause. */
const MAX_RACES = 20;
/** Between two attempts while the store is away: doubles from the first to the second. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5_000;
/** How long `close` may take. */
const CLOSE_MS = 2_000;

/** What this needs of a logger; pino's fits. */
export interface AuditLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface AuditOptions {
  readonly store: Pick<Store, "appendAudit" | "readAudit" | "auditHead">;
  readonly log: AuditLogger;
  readonly nodeId: string;
  /** Epoch milliseconds. Default: the system's clock. */
  readonly now?: () => number;
  /** Default 10,000. */
  readonly maxWaiting?: number;
  /** Default 2,000. */
  readonly closeMs?: number;
}

interface Waiting {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Called when the attempt that contains it is over, however it ended. */
  readonly tried: () => void;
}

/** Lines that may be in the log already: the answer to writing them was lost. */
interface Batch {
  readonly expected: AuditHead;
  readonly lines: readonly AuditLine[];
  /** How many of those that wait are in it, and how many lost ones it tells of. */
  readonly entries: number;
  readonly lost: number;
}

export class Audit {
  readonly #options: AuditOptions;
  readonly #now: () => number;
  readonly #maxWaiting: number;
  /** Oldest first. */
  readonly #waiting: Waiting[] = [];
  readonly #closing = new AbortController();
  /** Entries that found no room, and of which no line tells yet. */
  #lost = 0;
  /** The end of the log, as far as this node knows. */
  #head: AuditHead | undefined;
  #unanswered: Batch | undefined;
  /** Failures in a row; while there are any, nobody waits. */
  #failures = 0;
  #draining: Promise<void> | undefined;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
  }

  /**
   * Resolves when writing it was tried: it is in the log then, or, while the store is away, waits to be written.
   * Never rejects. While the store is known to be away it resolves at once.
   */
  async record(entry: AuditEntry): Promise<void> {
    if (this.#closing.signal.aborted || this.#waiting.length >= this.#maxWaiting) return this.#lose();
    const { nodeId } = this.#options;
    const fields = { at: entry.at ?? this.#now(), node: nodeId, ...fieldsOf(entry) };
    const tried = new Promise<void>((resolve) => {
      this.#waiting.push({ fields, tried: resolve });
    });
    this.#draining ??= this.#drain();
    if (this.#failures === 0) await tried;
  }

  /** Tries once more to write what waits, for a bounded time. What is not written then is lost, and logged so. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    const { closeMs = CLOSE_MS, log } = this.#options;
    const late = new AbortController();
    const limit = delay(closeMs, undefined, { signal: late.signal }).catch(() => {});
    if (this.#waiting.length + this.#lost > 0) this.#draining ??= this.#drain();
    await Promise.race([this.#draining, limit]);
    late.abort();
    const lost = this.#waiting.length + this.#lost;
    if (lost > 0)
      log.error({ lost }, "the audit log lacks its last entries: the store was away until the shutdown");
    for (const { tried } of this.#waiting.splice(0)) tried();
  }

  #lose(): void {
    if (this.#lost === 0)
      this.#options.log.error(
        {},
        "an audit entry is lost: too many wait for the store, or the gateway stops",
      );
    this.#lost += 1;
  }

  async #drain(): Promise<void> {
    // What comes in the same turn is written together.
    await Promise.resolve();
    while (this.#waiting.length + this.#lost > 0) {
      // Taken before the attempt: one that fails after the call to close is the last.
      const isLast = this.#closing.signal.aborted;
      try {
        await this.#flush();
        if (this.#failures > 0) this.#options.log.info({}, "the audit log is written again");
        this.#failures = 0;
      } catch (error) {
        this.#failed(error);
        if (isLast) break;
        await this.#pause();
      }
    }
    this.#draining = undefined;
  }

  /** Writes the oldest of what waits. @throws whatever the store rejects with */
  async #flush(): Promise<void> {
    const { store } = this.#options;
    for (let race = 0; race < MAX_RACES; race += 1) {
      const batch = this.#unanswered ?? this.#batchAfter((this.#head ??= await store.auditHead()));
      const isRepeated = this.#unanswered !== undefined;
      this.#unanswered = batch;
      const isIn =
        (await store.appendAudit(batch.expected, batch.lines)) ||
        (isRepeated && (await this.#isThere(batch)));
      this.#unanswered = undefined;
      if (isIn) return this.#written(batch);
      // Another node's lines came first.
      this.#head = undefined;
    }
    throw new Error("other nodes wrote to the audit log first, again and again");
  }

  #batchAfter(expected: AuditHead): Batch {
    const entries = this.#waiting.slice(0, MAX_GROUP);
    const lines: AuditLine[] = [];
    const add = (fields: Readonly<Record<string, unknown>>): void => {
      lines.push(chain(lines.at(-1) ?? expected, fields));
    };
    const lost = this.#lost;
    if (lost > 0) {
      const entry: AuditEntry = { action: "audit.lost", outcome: "refused", detail: { entries: lost } };
      add({ at: this.#now(), node: this.#options.nodeId, ...fieldsOf(entry) });
    }
    for (const { fields } of entries) add(fields);
    return { expected, lines, entries: entries.length, lost };
  }

  /** Whether an attempt whose answer was lost had succeeded after all. */
  async #isThere({ expected, lines }: Batch): Promise<boolean> {
    const [found] = await this.#options.store.readAudit(expected.seq, 1);
    return found !== undefined && found.hash === lines[0]?.hash;
  }

  #written({ lines, entries, lost }: Batch): void {
    const { seq, hash } = lines.at(-1) ?? {};
    this.#head = seq === undefined || hash === undefined ? undefined : { seq, hash };
    this.#lost -= lost;
    for (const { tried } of this.#waiting.splice(0, entries)) tried();
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    this.#head = undefined;
    for (const { tried } of this.#waiting) tried();
    const { log } = this.#options;
    if (this.#failures > 1) return;
    log.warn(
      { err: error, waiting: this.#waiting.length },
      "the audit log cannot be written; its entries wait, and writing them is tried again. Check the store.",
    );
  }

  async #pause(): Promise<void> {
    const { signal } = this.#closing;
    const pauseMs = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 10));
    // Between half and all of it, so that many nodes do not come back as one.
    await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {});
  }
}
