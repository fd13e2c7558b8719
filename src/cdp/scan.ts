/**
 * Reads the envelope of a CDP message without parsing what it carries: a screenshot of megabytes passes through as the
 * bytes it came in. Strict where Chromium's own reader is lenient: what two readers could understand differently must
 * not pass a gate.
 */
import { isUtf8 } from "node:buffer";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const NULL = 0x6e;

/** Bytes from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Envelope {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Span;
}

export interface Malformed {
  /** As Chromium numbers it. */
  readonly code: -32700 | -32600;
  readonly message: string;
  /** As far as it was read. */
  readonly id?: number;
}

export type Scanned =
  { readonly ok: true; readonly envelope: Envelope } | ({ readonly ok: false } & Malformed);

/** Containers around a value beyond which Chromium reads no further. */
const MAX_DEPTH = 300;
/** Longer than any number that a client writes. */
const MAX_SCALAR_BYTES = 1_024;
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$/;
const HEX = /^[0-9a-fA-F]{4}$/;

const NOT_JSON = "the message is not JSON";

/**
 * Reads a client's command. Never throws. What it lets pass is whole, so that Chromium answers it under its id: to what
 * is not JSON it answers without one, and the gate would wait for ever. One thing is left to whoever parses a part:
 * strings may hold control characters as they are, as Chromium takes them.
 */
export function scanCommand(bytes: Buffer): Scanned {
  const scanner = new Scanner(bytes);
  return scanner.read();
}

class Scanner {
  readonly #bytes: Buffer;
  #at = 0;
  /** The first backslash from the position on, as far as that was looked for. */
  #slash = -1;
  #id: number | undefined;
  #method: string | undefined;
  #sessionId: string | undefined;
  #params: Span | undefined;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): Scanned {
    const bytes = this.#bytes;
    if (!isUtf8(bytes)) return this.#malformed(-32700, NOT_JSON);
    this.#space();
    if (bytes[this.#at] !== OPEN) return this.#malformed(-32700, NOT_JSON);
    this.#at += 1;
    const seen = new Set<string>();
    for (let first = true; ; first = false) {
      this.#space();
      if (bytes[this.#at] === CLOSE && first) {
        this.#at += 1;
        break;
      }
      const key = this.#string();
      if (key === undefined || key.includes("\\")) return this.#malformed(-32700, NOT_JSON);
      if (seen.has(key)) return this.#malformed(-32600, `the message has the key "${key}" twice`);
      // A message has four keys; more are refused by Chromium too.
      if (seen.size >= 8) return this.#malformed(-32600, "the message has keys that no command has");
      seen.add(key);
      this.#space();
      if (bytes[this.#at] !== COLON) return this.#malformed(-32700, NOT_JSON);
      this.#at += 1;
      this.#space();
      const start = this.#at;
      if (!this.#value()) return this.#malformed(-32700, NOT_JSON);
      const problem = this.#take(key, { start, end: this.#at });
      if (problem !== undefined) return this.#malformed(-32600, problem);
      this.#space();
      const next = bytes[this.#at];
      this.#at += 1;
      if (next === CLOSE) break;
      if (next !== COMMA) return this.#malformed(-32700, NOT_JSON);
    }
    this.#space();
    if (this.#at < bytes.length) return this.#malformed(-32700, NOT_JSON);
    return {
      ok: true,
      envelope: {
        ...(this.#id !== undefined && { id: this.#id }),
        ...(this.#method !== undefined && { method: this.#method }),
        ...(this.#sessionId !== undefined && { sessionId: this.#sessionId }),
        ...(this.#params && { params: this.#params }),
      },
    };
  }

  #malformed(code: Malformed["code"], message: string): Scanned {
    return { ok: false, code, message, ...(this.#id !== undefined && { id: this.#id }) };
  }

  #take(key: string, span: Span): string | undefined {
    if (key === "params") {
      const first = this.#bytes[span.start];
      if (first === OPEN) this.#params = span;
      else if (first !== NULL) return "params must be an object";
      return undefined;
    }
    if (key !== "id" && key !== "method" && key !== "sessionId") return undefined;
    const value = parsed(this.#bytes, span);
    if (key === "id") {
      if (!Number.isInteger(value)) return "Message must have integer 'id' property";
      this.#id = value as number;
      return undefined;
    }
    if (typeof value !== "string") return `Message may have string '${key}' property`;
    if (key === "method") this.#method = value;
    else this.#sessionId = value;
    return undefined;
  }

  #space(): void {
    const bytes = this.#bytes;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at += 1;
    }
  }

  /** The text between quotes as it stands there; leaves the position after it. */
  #string(): string | undefined {
    const start = this.#at + 1;
    if (!this.#skipString()) return undefined;
    return this.#bytes.toString("utf8", start, this.#at - 1);
  }

  #skipString(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== QUOTE) return false;
    let at = this.#at + 1;
    for (let end = -1; ;) {
      if (end < at) end = bytes.indexOf(QUOTE, at);
      if (end === -1) return false;
      if (this.#slash < at) this.#slash = bytes.indexOf(BACKSLASH, at);
      if (this.#slash === -1) this.#slash = bytes.length;
      if (this.#slash > end) {
        this.#at = end + 1;
        return true;
      }
      const length = this.#escape(this.#slash);
      if (length === 0) return false;
      at = this.#slash + length;
    }
  }

  /** Length of an escape, 0 if there is no such. */
  #escape(at: number): number {
    const char = String.fromCharCode(this.#bytes[at + 1] ?? 0);
    if (char !== "u") return '"\\/bfnrt'.includes(char) ? 2 : 0;
    return HEX.test(this.#bytes.toString("latin1", at + 2, at + 6)) ? 6 : 0;
  }

  /** Leaves the position after one value. */
  #value(): boolean {
    const bytes = this.#bytes;
    /** Of the containers that are open here: whether each is a list. */
    const open: boolean[] = [];
    for (;;) {
      // The message itself is one of those around.
      if (open.length >= MAX_DEPTH) return false;
      const first = bytes[this.#at];
      if (first === OPEN || first === OPEN_LIST) {
        const isList = first === OPEN_LIST;
        this.#at += 1;
        this.#space();
        if (bytes[this.#at] !== (isList ? CLOSE_LIST : CLOSE)) {
          open.push(isList);
          if (!isList && !this.#key()) return false;
          continue;
        }
        this.#at += 1;
      } else if (!(first === QUOTE ? this.#skipString() : this.#scalar())) return false;
      // Here a value has ended.
      for (;;) {
        const isList = open.at(-1);
        if (isList === undefined) return true;
        this.#space();
        const next = bytes[this.#at];
        this.#at += 1;
        if (next === COMMA) {
          this.#space();
          if (!isList && !this.#key()) return false;
          break;
        }
        if (next !== (isList ? CLOSE_LIST : CLOSE)) return false;
        open.pop();
      }
    }
  }

  /** Leaves the position at the value. */
  #key(): boolean {
    if (!this.#skipString()) return false;
    this.#space();
    if (this.#bytes[this.#at] !== COLON) return false;
    this.#at += 1;
    this.#space();
    return true;
  }

  /** A number or a literal. */
  #scalar(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    let end = start;
    let isCount = bytes[start] !== 0x30;
    for (; end - start <= MAX_SCALAR_BYTES; end += 1) {
      const byte = bytes[end] ?? CLOSE;
      if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || byte <= 0x20) break;
      isCount &&= byte >= 0x30 && byte <= 0x39;
    }
    this.#at = end;
    const length = end - start;
    if (length === 0 || length > MAX_SCALAR_BYTES) return false;
    // Most are: long lists of bytes are.
    if (isCount && length <= 15) return true;
    const text = bytes.toString("latin1", start, end);
    if (!SCALAR.test(text)) return false;
    // Chromium knows no infinity; `Number` of a literal is none.
    return Math.abs(Number(text)) !== Infinity;
  }
}

export function parsed(bytes: Buffer, { start, end }: Span): unknown {
  try {
    return JSON.parse(bytes.toString("utf8", start, end));
  } catch {
    return undefined;
  }
}

/** What a message of the browser's is about. `id` and `method` exclude each other; both may be absent. */
export interface Peek {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
}

const RESPONSE = Buffer.from('{"id":');
const EVENT = Buffer.from('{"method":"');
const SESSION = Buffer.from(',"sessionId":"');
const BODIES = [',"result":', ',"error":', ',"params":'].map((key) => Buffer.from(key));

/**
 * Reads what Chromium always writes in the same places: `id` or `method` first, `sessionId` last. Anything written
 * otherwise is parsed as a whole.
 */
export function peek(bytes: Buffer): Peek {
  const sessionId = sessionOf(bytes);
  if (startsWith(bytes, RESPONSE)) {
    let at = RESPONSE.length;
    const negative = bytes[at] === 0x2d;
    if (negative) at += 1;
    let id = 0;
    for (let digit = bytes[at]; digit !== undefined && digit >= 0x30 && digit <= 0x39; digit = bytes[++at])
      id = id * 10 + digit - 0x30;
    if (sessionId !== null && hasBody(bytes, at))
      return { id: negative ? -id : id, ...(sessionId !== undefined && { sessionId }) };
  } else if (startsWith(bytes, EVENT)) {
    const end = bytes.indexOf(QUOTE, EVENT.length);
    if (end !== -1 && sessionId !== null && hasBody(bytes, end + 1))
      return {
        method: bytes.toString("latin1", EVENT.length, end),
        ...(sessionId !== undefined && { sessionId }),
      };
  }
  return peekWhole(bytes);
}

/** `undefined`: none. `null`: not to be told from the end alone. */
function sessionOf(bytes: Buffer): string | undefined | null {
  const { length } = bytes;
  if (bytes[length - 1] !== CLOSE) return null;
  if (bytes[length - 2] === CLOSE) return undefined;
  if (bytes[length - 2] !== QUOTE) return null;
  const open = bytes.lastIndexOf(QUOTE, length - 3);
  const start = open + 1 - SESSION.length;
  if (start < 0 || !bytes.subarray(start, open + 1).equals(SESSION)) return null;
  return bytes.toString("latin1", open + 1, length - 2);
}

function startsWith(bytes: Buffer, prefix: Buffer, at = 0): boolean {
  return bytes.length > at + prefix.length && prefix.compare(bytes, at, at + prefix.length) === 0;
}

/** What it carries stands here, so that nothing but a session can be behind that. */
function hasBody(bytes: Buffer, at: number): boolean {
  return BODIES.some((key) => startsWith(bytes, key, at));
}

function peekWhole(bytes: Buffer): Peek {
  try {
    const { id, method, sessionId } = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
    return {
      ...(typeof id === "number" && { id }),
      ...(typeof method === "string" && { method }),
      ...(typeof sessionId === "string" && { sessionId }),
    };
  } catch {
    return {};
  }
}
