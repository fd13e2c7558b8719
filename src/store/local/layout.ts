/**
 * How the local store lays its data out, as keys and values of one ordered table:
 *
 *     !                       { format }
 *     a!<seq>                 { hash, text }: a line of the audit log
 *     d!<time>!<sandboxId>    null: a deadline
 *     e!<sandboxId>!<seq>     SandboxEvent
 *     k!<sandboxId>!<key>     CommitRecord
 *     m!<until>!<version>     VersionedMark
 *     o!<sandboxId>!<slot>    <key>: the record of the newest version that has this remainder by `RECORDS`
 *     s!<sandboxId>           Row
 *
 * `!` sorts before every character of an id, so ids come in their own order. Numbers have leading zeros.
 * Every value is JSON text behind a checksum that covers its key too.
 */
import { crc32 } from "node:zlib";
import type { SandboxState } from "../../core/state.ts";
import type { VersionedMark } from "../marks.ts";

/** Grows with every change of the layout that an older Baton would misread. */
export const FORMAT = 1;
/** Commits remembered per sandbox for repeated requests; older keys count as new. */
export const RECORDS = 512;
/** Longest key in bytes that the table takes, whatever its page size. */
export const MAX_KEY_BYTES = 1_024;

const CHECKSUM_CHARACTERS = 8;
const TIME_DIGITS = 16;
const SEQ_DIGITS = 16;

export interface Row {
  /** Grows by one with every commit. */
  readonly version: number;
  readonly dueAt: number | null;
  readonly state: SandboxState;
}

/** Keys from `start` up to, not including, `end`. */
export interface Range {
  readonly start: string;
  readonly end: string;
}

export const formatKey = "!";
export const stateKey = (sandboxId: string): string => `s!${sandboxId}`;
export const eventKey = (sandboxId: string, seq: number): string => `e!${sandboxId}!${pad(seq, SEQ_DIGITS)}`;
export const recordKey = (sandboxId: string, key: string): string => `k!${sandboxId}!${key}`;
export const slotKey = (sandboxId: string, version: number): string =>
  `o!${sandboxId}!${pad(version % RECORDS, SEQ_DIGITS)}`;
export const dueKey = (dueAt: number, sandboxId: string): string =>
  `d!${pad(dueAt, TIME_DIGITS)}!${sandboxId}`;

export const auditKey = (seq: number): string => `a!${pad(seq, SEQ_DIGITS)}`;
export const markKey = ({ until, version }: VersionedMark): string =>
  `m!${pad(until, TIME_DIGITS)}!${pad(version, SEQ_DIGITS)}`;

/** Audit lines with numbers above `after`, to the end of the log. */
export const auditAfter = (after: number): Range => ({ start: auditKey(after + 1), end: 'a"' });
/** Audit lines with numbers up to `last`. */
export const auditUpTo = (last: number): Range => ({ start: "a!", end: auditKey(last + 1) });
/** Marks that have expired at `now`, earliest first. */
export const marksUpTo = (now: number): Range => ({ start: "m!", end: `m!${pad(now + 1, TIME_DIGITS)}` });
export const allMarks: Range = { start: "m!", end: 'm"' };
/** Sandboxes after `cursor` in the order of ids. */
export const sandboxesAfter = (cursor: string): Range => ({ start: `s!${cursor}\0`, end: 's"' });
/** Events with numbers above `after`, to the end of the log. */
export const eventsAfter = (sandboxId: string, after: number): Range => ({
  start: eventKey(sandboxId, after + 1),
  end: `e!${sandboxId}"`,
});
/** Events with numbers up to `last`. */
export const eventsUpTo = (sandboxId: string, last: number): Range => ({
  start: `e!${sandboxId}!`,
  end: eventKey(sandboxId, last + 1),
});
/** Deadlines at or before `now`, earliest first. */
export const dueUpTo = (now: number): Range => ({ start: "d!", end: `d!${pad(now + 1, TIME_DIGITS)}` });
/** Everything of a sandbox besides its row and its deadline. */
export const historyOf = (sandboxId: string): readonly Range[] =>
  ["e", "k", "o"].map((table) => ({ start: `${table}!${sandboxId}!`, end: `${table}!${sandboxId}"` }));

export function seqOfAuditKey(key: string): number {
  return Number(key.slice("a!".length));
}

export function sandboxOfDueKey(key: string): string {
  return key.slice("d!".length + TIME_DIGITS + "!".length);
}

/** What a person calls the thing under a key, on one line also when the key itself is damaged. */
export function describeKey(key: string): string {
  const [table = "", first = "", second = ""] = key.replaceAll(/[^!-~]/g, "?").split("!");
  if (table === "a") return "the audit log";
  if (table === "m") return "revoked tokens and used links";
  const sandboxId = table === "d" ? second : first;
  return sandboxId === "" ? "its header" : `sandbox ${sandboxId}`;
}

export function encode(key: string, value: unknown): Buffer {
  const text = JSON.stringify(value);
  return Buffer.from(checksum(Buffer.from(key), Buffer.from(text)) + text);
}

/** `undefined`: these are not the bytes that were written under this key. */
export function textOf(key: Buffer, bytes: Buffer): string | undefined {
  return isIntact(key, bytes) ? bytes.toString("utf8", CHECKSUM_CHARACTERS) : undefined;
}

/** Whether these are the bytes that were written under this key. */
export function isIntact(key: Buffer, bytes: Buffer): boolean {
  const written = bytes.toString("latin1", 0, CHECKSUM_CHARACTERS);
  return written === checksum(key, bytes.subarray(CHECKSUM_CHARACTERS));
}

function checksum(key: Buffer, text: Buffer): string {
  return crc32(text, crc32(key)).toString(16).padStart(CHECKSUM_CHARACTERS, "0");
}

/** A deadline is looked at when it has passed, so a part of a millisecond counts as a whole one. */
function pad(value: number, digits: number): string {
  return String(Math.max(0, Math.ceil(value))).padStart(digits, "0");
}
