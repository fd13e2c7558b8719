/** The audit log on disk. */
import { AUDIT_LENGTH, EMPTY_AUDIT, isHead } from "../audit-log.ts";
import type { AuditHead, AuditLine } from "../store.ts";
import type { CommitQueue, Plan } from "./commit-queue.ts";
import { auditAfter, auditKey, auditUpTo, encode, seqOfAuditKey } from "./layout.ts";
import type { Table } from "./table.ts";

type Stored = Omit<AuditLine, "seq">;

export interface LocalAuditOptions {
  readonly table: Table;
  readonly queue: CommitQueue;
  readonly limitMs: number;
  readonly length?: number | undefined;
}

export class LocalAudit {
  readonly #options: LocalAuditOptions;
  readonly #length: number;

  constructor(options: LocalAuditOptions) {
    this.#options = options;
    this.#length = options.length ?? AUDIT_LENGTH;
  }

  async append(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    const { queue, table, limitMs } = this.#options;
    return queue.run("audit", limitMs, (): Plan<boolean> => {
      const writes = new Map<string, Buffer | null>();
      if (!isHead(this.head(), expected)) return { writes, answer: false };
      for (const { seq, hash, text } of lines.slice(-this.#length))
        writes.set(auditKey(seq), encode(auditKey(seq), { hash, text } satisfies Stored));
      const last = lines.at(-1)?.seq ?? 0;
      for (const key of table.keys(auditUpTo(last - this.#length))) writes.set(key, null);
      return { writes, answer: true };
    });
  }

  read(after: number, limit: number): readonly AuditLine[] {
    const { table } = this.#options;
    const range = auditAfter(after);
    const stored = table.values(range, limit) as Stored[];
    return table.keys(range, limit).flatMap((key, index) => {
      const line = stored[index];
      return line ? [{ seq: seqOfAuditKey(key), hash: line.hash, text: line.text }] : [];
    });
  }

  head(): AuditHead {
    const { table } = this.#options;
    const key = table.lastKey(auditAfter(0));
    if (key === undefined) return EMPTY_AUDIT;
    return { seq: seqOfAuditKey(key), hash: (table.get(key) as Stored).hash };
  }
}
