/** HTTP on uWebSockets.js: a request as a `Request`, and its `Response` as it comes. */
import type { TransportOptions } from "./transport.ts";
import type { Exchange, RequestHead } from "./uws-exchange.ts";

/** Bytes of a body that wait for their reader before the peer's are left where they are. */
const MAX_WAITING_BYTES = 64 * 1024;
const BODILESS_METHODS = new Set(["GET", "HEAD"]);
const BODILESS_STATUSES = new Set([204, 205, 304]);

/** Answers with what `fetch` makes of the request. Never rejects. */
export async function serve(
  exchange: Exchange,
  head: RequestHead,
  fetch: TransportOptions["fetch"],
  requestMs: number,
): Promise<void> {
  const leaving = new AbortController();
  exchange.onGone(() => leaving.abort());
  const body = hasBody(head) ? new IncomingBody(exchange, requestMs) : undefined;
  let response: Response;
  try {
    const request = requestOf(head, body?.stream, leaving.signal);
    if (!request) return exchange.end({ status: 400, headers: [] }, "", true);
    response = await fetch(request, { remoteAddress: exchange.remoteAddress });
    await answer(exchange, response, head.method, body);
  } catch {
    // A handler's mistake: what it was is the handler's to log.
    if (exchange.live) exchange.end({ status: 500, headers: [] }, "", true);
  } finally {
    body?.over();
  }
}

export function hasBody({ headers }: RequestHead): boolean {
  return headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0";
}

/** A length that is none, or two of them: another server on the way may read another request out of it. */
export function hasUnclearBody({ headers }: RequestHead): boolean {
  const length = headers.get("content-length");
  const coding = headers.get("transfer-encoding");
  if (length !== undefined && (coding !== undefined || !/^\d+$/.test(length))) return true;
  return coding !== undefined && coding.toLowerCase() !== "chunked";
}

/** Undefined for what is no address, or no request that a handler could be given. */
function requestOf(
  { method, target, headers }: RequestHead,
  body: ReadableStream<Uint8Array> | undefined,
  signal: AbortSignal,
): Request | undefined {
  const url = `http://${headers.get("host") ?? ""}${target}`;
  if (!headers.get("host") || !target.startsWith("/") || !URL.canParse(url)) return undefined;
  try {
    const init: RequestInit = { method, headers: [...headers], signal };
    if (!body || BODILESS_METHODS.has(method)) return new Request(url, init);
    return new Request(url, { ...init, body, duplex: "half" } as RequestInit);
  } catch {
    // Methods that a `Request` may not have, and headers that are none.
    return undefined;
  }
}

/** A body as it comes, no faster than it is read, and ended when it takes too long. */
class IncomingBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #timer: NodeJS.Timeout;
  /** All of it has come. */
  complete = false;

  constructor(exchange: Exchange, requestMs: number) {
    let paused = false;
    let closed = false;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          exchange.onData((chunk, isLast) => {
            if (isLast) {
              this.complete = true;
              clearTimeout(this.#timer);
            }
            if (closed) return;
            if (chunk.byteLength > 0) controller.enqueue(chunk);
            if (isLast) {
              closed = true;
              controller.close();
            } else if ((controller.desiredSize ?? 0) <= 0) {
              paused = true;
              exchange.pause();
            }
          });
        },
        pull: () => {
          if (!paused) return;
          paused = false;
          exchange.resume();
        },
        cancel: () => {
          closed = true;
        },
      },
      { highWaterMark: MAX_WAITING_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    this.#timer = setTimeout(() => {
      if (exchange.live) exchange.end({ status: 408, headers: [] }, "", true);
    }, requestMs);
  }

  over(): void {
    clearTimeout(this.#timer);
  }
}

async function answer(
  exchange: Exchange,
  response: Response,
  method: string,
  body: IncomingBody | undefined,
): Promise<void> {
  const { status, headers } = response;
  const reader = response.body?.getReader();
  // A stream that waits for its next part would not notice otherwise that nobody is there for it.
  exchange.onGone(() => void reader?.cancel().catch(() => {}));
  if (!exchange.live) return reader?.cancel();
  const leavesBody = (): boolean => body !== undefined && !body.complete;
  if (!reader || BODILESS_STATUSES.has(status) || method === "HEAD") {
    void reader?.cancel().catch(() => {});
    const length = method === "HEAD" ? Number(headers.get("content-length") ?? 0) : 0;
    return exchange.end({ status, headers }, Number.isSafeInteger(length) ? length : 0, leavesBody());
  }
  // The head leaves with the first part: uWebSockets.js has no other way to send it.
  const first = await reader.read();
  if (first.done) return exchange.end({ status, headers }, "", leavesBody());
  const second = reader.read();
  // Most answers are one part: sent whole, with their length.
  const next = await Promise.race([second, new Promise<undefined>((r) => setImmediate(r, undefined))]);
  if (next?.done) return exchange.end({ status, headers }, first.value, leavesBody());
  exchange.begin({ status, headers });
  await exchange.write(first.value);
  try {
    for (let part = await second; !part.done && exchange.live; part = await reader.read()) {
      await exchange.write(part.value);
    }
  } catch {
    // Half an answer must not look like a whole one.
    return exchange.cut();
  }
  exchange.finish(leavesBody());
}
