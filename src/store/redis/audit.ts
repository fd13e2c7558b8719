/** The audit log, for every node that shares this Redis. */
import { AUDIT_LENGTH, EMPTY_AUDIT } from "../audit-log.ts";
import type { AuditHead, AuditLine } from "../store.ts";
import { APPEND_AUDIT } from "./common-scripts.ts";
import { COMMON_PARTITION, type Keys } from "./keys.ts";
import type { Write } from "./marks.ts";
import type { Router } from "./router.ts";

/** An entry of the stream: its id, then names and values by turns. */
type Entry = readonly [id: string, fields: readonly string[]];

export interface RedisAuditOptions {
  readonly router: Router;
  readonly keys: Keys;
  readonly write: Write;
  readonly length?: number | undefined;
}

export class RedisAudit {
  readonly #options: RedisAuditOptions;
  readonly #length: number;

  constructor(options: RedisAuditOptions) {
    this.#options = options;
    this.#length = options.length ?? AUDIT_LENGTH;
  }

  async append(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    const { keys, write } = this.#options;
    const { mark } = keys.partition(COMMON_PARTITION);
    const written = lines.flatMap(({ seq, hash, text }) => [seq, hash, text]);
    const args = [expected.seq, expected.hash, this.#length, ...written];
    return (await write(APPEND_AUDIT, [keys.audit, mark], args)) === 1;
  }

  async read(after: number, limit: number): Promise<readonly AuditLine[]> {
    return this.#lines("XRANGE", `(${after}-0`, "+", limit);
  }

  async head(): Promise<AuditHead> {
    const [last] = await this.#lines("XREVRANGE", "+", "-", 1);
    return last ? { seq: last.seq, hash: last.hash } : EMPTY_AUDIT;
  }

  async #lines(
    command: "XRANGE" | "XREVRANGE",
    from: string,
    to: string,
    limit: number,
  ): Promise<AuditLine[]> {
    const { router, keys } = this.#options;
    const entries = await router.command(COMMON_PARTITION, command, keys.audit, from, to, "COUNT", limit);
    return (entries as readonly Entry[]).map(([id, [, hash = "", , text = ""]]) => ({
      seq: Number.parseInt(id, 10),
      hash,
      text,
    }));
  }
}
