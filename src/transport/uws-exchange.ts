/**
 * A request on uWebSockets.js, and what answers it.
 *
 * The native response lives until it is ended, upgraded or aborted; it aborts whenever its connection ends before. A call
 * to it after that ends the process, so it is held here only, and is undefined when dead. A second handle to the same
 * native object is kept beside it, because the first is cut off by the answer's end, and somebody must be told when the
 * connection ends after that: between two requests nothing else would say so.
 */
import { STATUS_CODES } from "node:http";
import type { HttpRequest, HttpResponse, us_socket_context_t } from "uWebSockets.js";
import type { BatonError } from "../../protocol/errors.ts";
import { problemHeaders, problemOf } from "../core/problem.ts";
import type { UserData } from "./uws-connection.ts";

/** Written by uWebSockets.js itself, or not a handler's to say. */
const OWN_HEADERS = new Set(["connection", "content-length", "date", "keep-alive", "transfer-encoding"]);

export interface AnswerHead {
  readonly status: number;
  readonly headers: Iterable<readonly [string, string]>;
}

export interface Upgrade {
  readonly key: string;
  /** Chosen among those offered; empty: none. */
  readonly protocol: string;
  readonly context: us_socket_context_t;
}

export class Exchange {
  readonly remoteAddress: string;
  #res: HttpResponse | undefined;
  readonly #handle: HttpResponse;
  readonly #connectionClosed: (remoteAddress: string) => void;
  #gone: () => void = () => {};
  #writable: () => void = () => {};

  /**
   * @param res what the answer is written to
   * @param handle a second handle to the same response
   */
  constructor(
    res: HttpResponse,
    handle: HttpResponse,
    remoteAddress: string,
    connectionClosed: (remoteAddress: string) => void,
  ) {
    this.#res = res;
    this.#handle = handle;
    this.remoteAddress = remoteAddress;
    this.#connectionClosed = connectionClosed;
    // Through this handle, which is dead from then on for uWebSockets.js too.
    res.onAborted(() => {
      this.#res = undefined;
      this.#gone();
      this.#writable();
      connectionClosed(remoteAddress);
    });
  }

  /** It can still be answered. */
  get live(): boolean {
    return this.#res !== undefined;
  }

  /** Called when the connection ends before the answer does. Only the last one given is. */
  onGone(gone: () => void): void {
    this.#gone = gone;
  }

  /** Called with each part of the body; they are copies. */
  onData(received: (chunk: Uint8Array<ArrayBuffer>, isLast: boolean) => void): void {
    this.#res?.onData((chunk, isLast) => received(new Uint8Array(chunk.slice(0)), isLast));
  }

  pause(): void {
    this.#res?.pause();
  }

  resume(): void {
    this.#res?.resume();
  }

  /**
   * Sends the whole answer.
   *
   * @param body its length, for an answer that only says how long it would be
   * @param close ends the connection behind it
   */
  end(head: AnswerHead, body: Uint8Array | string | number, close: boolean): void {
    this.#last((res) => {
      writeHead(res, head);
      if (typeof body === "number") res.endWithoutBody(body, close);
      else res.end(body, close);
    });
  }

  /** Refuses with the error's status and problem document, and hangs up. */
  refuse(error: BatonError): void {
    const problem = problemOf(error);
    const headers = Object.entries(problemHeaders(problem));
    this.end({ status: problem.status, headers }, JSON.stringify(problem), true);
  }

  /** Sends the head of an answer in parts. */
  begin(head: AnswerHead): void {
    const res = this.#res;
    res?.cork(() => writeHead(res, head));
    res?.onWritable(() => {
      this.#writable();
      return true;
    });
  }

  /** Resolves when there is room for more, or nobody who takes it. */
  async write(chunk: Uint8Array): Promise<void> {
    const res = this.#res;
    let hasRoom = true;
    res?.cork(() => {
      hasRoom = res.write(chunk);
    });
    if (hasRoom || !this.#res) return;
    await new Promise<void>((resolve) => {
      // Not from within uWebSockets.js's callback: what the system did not take there would be kept for ever.
      this.#writable = () => setImmediate(resolve);
    });
  }

  finish(close: boolean): void {
    this.#last((res) => res.end(undefined, close));
  }

  /** Cuts the connection. */
  cut(): void {
    this.#res?.close();
  }

  /** Makes a WebSocket of it: `open` is called before this returns. */
  upgrade(userData: UserData, { key, protocol, context }: Upgrade): void {
    const res = this.#res;
    if (!res) return;
    this.#res = undefined;
    res.cork(() => res.upgrade(userData, key, protocol, "", context));
  }

  #last(write: (res: HttpResponse) => void): void {
    const res = this.#res;
    if (!res) return;
    this.#res = undefined;
    const { remoteAddress } = this;
    const connectionClosed = this.#connectionClosed;
    res.cork(() => {
      write(res);
      // The end has taken the abort's callback away. The connection is there until this returns, whoever closes it.
      this.#handle.onAborted(() => connectionClosed(remoteAddress));
    });
  }
}

function writeHead(res: HttpResponse, { status, headers }: AnswerHead): void {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? "Unknown"}`);
  for (const [name, value] of headers) {
    // A header's characters are bytes; given as a string they would be sent as UTF-8.
    if (!OWN_HEADERS.has(name)) res.writeHeader(name, Buffer.from(value, "latin1"));
  }
}

/** The peer's address, written as Node writes it: what is configured about addresses means both transports. */
export function addressOf(res: Pick<HttpResponse, "getRemoteAddress">): string {
  const bytes = Buffer.from(res.getRemoteAddress());
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "unknown";
  if (bytes.indexOf(V4_MAPPED) === 0) return `::ffff:${bytes.subarray(V4_MAPPED.length).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

const V4_MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** What a request says, read while it can be: it is dead when its callback returns. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly count: number;
  readonly bytes: number;
}

export function headOf(req: HttpRequest): RequestHead {
  const headers = new Map<string, string>();
  const method = req.getCaseSensitiveMethod();
  const query = req.getQuery();
  const target = query ? `${req.getUrl()}?${query}` : req.getUrl();
  let count = 0;
  let bytes = method.length + target.length;
  req.forEach((name, value) => {
    count += 1;
    bytes += name.length + value.length + 4;
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  });
  return { method, target, headers, count, bytes };
}
