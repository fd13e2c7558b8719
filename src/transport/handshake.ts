/** Reading and refusing WebSocket handshakes, which no HTTP response object exists for. */
import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TOKEN_SUBPROTOCOL } from "../../protocol/auth.ts";
import { BatonError } from "../../protocol/errors.ts";
import { problemHeaders, problemOf } from "../core/problem.ts";
import {
  HANDSHAKE_HEADERS,
  MAX_HEADERS,
  type Handshake,
  type Opening,
  type PipeOptions,
} from "./transport.ts";

/** Undefined for targets such as `//`, which are no address: whoever sends one must not end the process. */
export function handshakeOf(request: IncomingMessage): Handshake | undefined {
  return readHandshake(request.url ?? "/", addressOf(request), (name) => request.headers[name]?.toString());
}

/**
 * The same of a request that comes from another server.
 *
 * @param target path and query as they came
 * @param header a header's value by its lower-case name
 */
export function readHandshake(
  target: string,
  remoteAddress: string,
  header: (name: string) => string | undefined,
): Handshake | undefined {
  const base = "http://gateway";
  if (!URL.canParse(target, base)) return undefined;
  const { pathname, searchParams } = new URL(target, base);
  const headers: Record<string, string> = {};
  for (const name of HANDSHAKE_HEADERS) {
    const value = header(name);
    if (value !== undefined) headers[name] = value;
  }
  const protocols = header("sec-websocket-protocol")
    ?.split(",")
    .map((offer) => offer.trim());
  return { path: pathname, query: searchParams, remoteAddress, headers, protocols: protocols ?? [] };
}

export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "unknown";
}

/** Clients fail a handshake that answers none of their subprotocols: the first one that may be repeated. */
export function firstProtocol(offered: Iterable<string>): string | undefined {
  for (const offer of offered) if (!offer.startsWith(TOKEN_SUBPROTOCOL)) return offer;
  return undefined;
}

export function hasTooManyHeaders(request: IncomingMessage): boolean {
  return request.rawHeaders.length > 2 * MAX_HEADERS;
}

/**
 * What follows an upgrade is read as WebSocket frames, while a proxy in front would take it for a body: the two must
 * not see different requests.
 */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Answers with the error's status and problem document, and hangs up. */
export function refuse(stream: Duplex, error: BatonError): void {
  const problem = problemOf(error);
  answer(stream, problem.status, problemHeaders(problem), JSON.stringify(problem));
}

/** Answers what is no request that could be answered with a problem document, and hangs up. */
export function refuseGarbage(stream: Duplex, status: GarbageStatus): void {
  answer(stream, status, {}, "");
}

export type GarbageStatus = 400 | 408 | 413 | 431;
const GARBAGE: Readonly<Record<string, GarbageStatus>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** The status for what Node's parser could not read. */
export function garbageStatus(error: Error & { readonly code?: string }): GarbageStatus {
  return GARBAGE[error.code ?? ""] ?? 400;
}

/** The answer to a handshake that comes too late. */
export function shuttingDown(): BatonError {
  return new BatonError("unavailable", "The gateway is shutting down. Connect again in a moment.");
}

/** What was made ready for a pipe, or the refusal of its handshake. Never rejects. */
export async function openingFor(
  handshake: Handshake,
  { open }: PipeOptions,
  signal: AbortSignal,
): Promise<Opening | BatonError> {
  try {
    return (await open(handshake, signal)) ?? nothingAt(handshake.path);
  } catch (error) {
    return error instanceof BatonError ? error : failed();
  }
}

function nothingAt(path: string): BatonError {
  return new BatonError("not_found", `No socket is served at ${path}. Check the address.`);
}

/** For a reason that is not the peer's to know. */
function failed(): BatonError {
  return new BatonError(
    "internal",
    "The gateway failed to open this socket. Try again; if it stays, look into the gateway's log.",
  );
}

function answer(stream: Duplex, status: number, headers: Record<string, string>, body: string): void {
  if (!stream.writable) return void stream.destroy();
  // Destroyed once it is out: a peer that keeps its end open would hold the connection for ever.
  stream.once("finish", () => stream.destroy());
  const lines = Object.entries({
    ...headers,
    connection: "close",
    "content-length": Buffer.byteLength(body),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
}
