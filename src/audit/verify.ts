/** Finds out whether an export of the audit log is as it was written, line by line, however long it is. */
import type { AuditHead } from "../store/store.ts";
import { BEGINNING, hashOf, takeApart } from "./chain.ts";

/** Problems that are listed; the rest is counted. */
const MAX_LISTED = 50;

export interface VerifyOptions {
  /** A line that was once the newest: it must still be here. */
  readonly head?: AuditHead;
  /** The last line of the export before this one, or `BEGINNING`: the first line here must follow it. */
  readonly from?: AuditHead;
}

export interface Verdict {
  /** Lines read. */
  readonly lines: number;
  /** Of the log, not of the file; 0 when no line could be read. */
  readonly firstSeq: number;
  /** The newest line. */
  readonly last: AuditHead;
  /** One sentence each, in the order of the file. Empty: nothing was found. */
  readonly problems: readonly string[];
  /** How many there are, listed or not. */
  readonly problemCount: number;
}

/** A line that could be read. */
interface Link extends AuditHead {
  readonly prev: string;
  /** What its text hashes to now. */
  readonly computed: string;
}

export async function verify(
  lines: AsyncIterable<string> | Iterable<string>,
  options: VerifyOptions = {},
): Promise<Verdict> {
  const verification = new Verification(options);
  for await (const line of lines) verification.line(line);
  return verification.end();
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #problems: string[] = [];
  #problemCount = 0;
  #lines = 0;
  #first: Link | undefined;
  /** The one with the highest number so far. */
  #newest: Link | undefined;
  /** Lines since then that could not be read. */
  #unread = 0;
  #sawHead = false;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  line(line: string): void {
    this.#lines += 1;
    const link = linkOf(line);
    if (typeof link === "string") {
      this.#unread += 1;
      return this.#problem(link);
    }
    const { seq, hash, computed } = link;
    if (hash !== computed) {
      this.#problem(`number ${seq} was changed after it was written: its text does not fit its hash`);
      // Its number may be what was changed: only where it belongs can it stand for the original.
      if (seq !== (this.#newest?.seq ?? NaN) + 1 + this.#unread) {
        this.#unread += 1;
        return;
      }
    }
    if (this.#newest) this.#follow(this.#newest, link);
    else this.#begin(link);
    this.#first ??= link;
    if (!this.#newest || seq > this.#newest.seq) {
      this.#newest = link;
      this.#unread = 0;
    }
    const { head } = this.#options;
    if (head?.seq === seq && head.hash === hash) this.#sawHead = true;
  }

  end(): Verdict {
    const { head, from } = this.#options;
    const { seq, hash } = this.#newest ?? from ?? BEGINNING;
    if (head && !this.#hasHead(head)) this.#lacksHead(head, seq);
    return {
      lines: this.#lines,
      firstSeq: this.#first?.seq ?? 0,
      last: { seq, hash },
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  #begin({ seq, prev }: Link): void {
    const { from } = this.#options;
    if (from) {
      if (seq <= from.seq)
        this.#problem(`number ${seq} is not after ${from.seq}, where the export before this one ended`);
      else if (seq - from.seq - 1 > this.#unread) this.#missing(from.seq + 1, seq - 1 - this.#unread);
      else if (this.#unread === 0 && prev !== from.hash)
        this.#problem(`number ${seq} does not follow the line ${from.seq} that was given with --from`);
    }
    if (seq === 1 && prev !== "") this.#problem("number 1 says that a line was before it");
  }

  #follow(newest: Link, { seq, prev }: Link): void {
    const between = seq - newest.seq - 1;
    if (between < 0)
      this.#problem(`number ${seq} comes after ${newest.seq}: it is there twice, or at the wrong place`);
    else if (between > this.#unread) this.#missing(newest.seq + 1, seq - 1 - this.#unread);
    else if (between === 0 && prev !== newest.hash && prev !== newest.computed)
      this.#problem(
        `number ${seq} does not follow this number ${newest.seq}: one of the two is not the original`,
      );
  }

  #missing(first: number, last: number): void {
    this.#problem(
      first === last
        ? `number ${first} is missing before it`
        : `numbers ${first} to ${last} are missing before it`,
    );
  }

  #hasHead(head: AuditHead): boolean {
    const { from } = this.#options;
    const before = this.#first && this.#first.seq === head.seq + 1 && this.#first.prev === head.hash;
    return this.#sawHead || before === true || (from?.seq === head.seq && from.hash === head.hash);
  }

  #lacksHead(head: AuditHead, last: number): void {
    if (last < head.seq)
      this.#note(`The end is cut off: the last number is ${last}, and ${head.seq} was there once.`);
    else if (head.seq < (this.#first?.seq ?? 0))
      this.#note(
        `Number ${head.seq} of --head is before the first line of the file, so it proves nothing here.`,
      );
    else
      this.#note(
        `Number ${head.seq} is not the line that --head says: the log was written anew, or is another one.`,
      );
  }

  #problem(what: string): void {
    this.#note(`Line ${this.#lines}: ${what}.`);
  }

  #note(sentence: string): void {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_LISTED) this.#problems.push(sentence);
  }
}

/** Or why there is none. */
function linkOf(line: string): Link | string {
  if (line === "") return "it is empty, and an export has no empty lines";
  const parts = takeApart(line);
  let fields: unknown;
  try {
    fields = JSON.parse(parts?.text ?? line);
  } catch {
    return "it is not JSON: it was changed, or cut in the middle";
  }
  if (!parts || typeof fields !== "object" || fields === null) return "it is no line of an audit export";
  const { seq, prev } = fields as { readonly seq?: unknown; readonly prev?: unknown };
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 1 || typeof prev !== "string")
    return "it has no number, or does not say which line was before it";
  return { seq, prev, hash: parts.hash, computed: hashOf(parts.text) };
}
