/** The audit log of the memory store. */
import type { AuditHead, AuditLine } from "./store.ts";

/** Audit lines kept, in any store. */
export const AUDIT_LENGTH = 100_000;

export const EMPTY_AUDIT: AuditHead = { seq: 0, hash: "" };

export class AuditLog {
  readonly #length: number;
  readonly #lines: AuditLine[] = [];

  constructor(length: number = AUDIT_LENGTH) {
    this.#length = length;
  }

  get head(): AuditHead {
    const { seq, hash } = this.#lines.at(-1) ?? EMPTY_AUDIT;
    return { seq, hash };
  }

  append(expected: AuditHead, lines: readonly AuditLine[]): boolean {
    if (!isHead(this.head, expected)) return false;
    this.#lines.push(...lines);
    if (this.#lines.length > this.#length) this.#lines.splice(0, this.#lines.length - this.#length);
    return true;
  }

  /** Numbers have no gaps, so a line's place follows from its number. */
  read(after: number, limit: number): readonly AuditLine[] {
    const first = this.#lines[0]?.seq ?? 1;
    const start = Math.max(0, after + 1 - first);
    return this.#lines.slice(start, start + limit);
  }
}

export function isHead(head: AuditHead, expected: AuditHead): boolean {
  return head.seq === expected.seq && head.hash === expected.hash;
}
