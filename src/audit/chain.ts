/**
 * How audit lines hang together: each has the hash of the one before it in its text, and its own hash is that of its
 * text. So no line can be changed, removed or added without the hash of the newest line becoming another.
 *
 * In an export the hash is the last field of the text. The text is JSON without spaces, in ASCII: whatever reads or
 * stores the file cannot change it unseen by decoding it in another way.
 */
import { createHash } from "node:crypto";
import type { AuditHead, AuditLine, Store } from "../store/store.ts";

/** Before the first line of all. */
export const BEGINNING: AuditHead = { seq: 0, hash: "" };

/** Lines read from the store at once for an export. */
const PAGE = 500;

const HASH_FIELD = /^(.*),"hash":"([0-9a-f]{64})"\}$/;

/** A line as it is written. `seq`, `at`, `node` come first, `prev` last. */
export function chain(prev: AuditHead, fields: Readonly<Record<string, unknown>>): AuditLine {
  const seq = prev.seq + 1;
  const text = asciiJson({ seq, ...fields, prev: prev.hash });
  return { seq, hash: hashOf(text), text };
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A line as it is exported, without the end of the line. */
export function exported({ hash, text }: AuditLine): string {
  return `${text.slice(0, -1)},"hash":"${hash}"}`;
}

/** The two parts of an exported line; `undefined`: it is not one. */
export function takeApart(line: string): { readonly text: string; readonly hash: string } | undefined {
  const [, text, hash] = HASH_FIELD.exec(line) ?? [];
  return text === undefined || hash === undefined ? undefined : { text: `${text}}`, hash };
}

/**
 * The log as NDJSON, each line with its `\n`. Lines that leave the log while it is read may be missing at the beginning.
 *
 * @param after number of the last line that is not wanted, 0 for all that are kept
 * @param limit lines at the most
 * @throws BatonError `unavailable`
 */
export async function* exportLines(
  store: Pick<Store, "readAudit">,
  after = 0,
  limit = Infinity,
): AsyncGenerator<string, void, undefined> {
  let [last, left] = [after, limit];
  while (left > 0) {
    const asked = Math.min(PAGE, left);
    const lines = await store.readAudit(last, asked);
    for (const line of lines) yield `${exported(line)}\n`;
    const end = lines.at(-1);
    if (!end || lines.length < asked) return;
    last = end.seq;
    left -= lines.length;
  }
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
