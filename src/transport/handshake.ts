/** Reading and refusing WebSocket handshakes, which no HTTP response object exists for. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { BatonError } from "../../protocol/errors.ts";
import { problemOf } from "../core/problem.ts";

/** Undefined for targets such as `//`, which are no address: whoever sends one must not end the process. */
export function targetOf(target = "/"): URL | undefined {
  const base = "http://gateway";
  return URL.canParse(target, base) ? new URL(target, base) : undefined;
}

/** Answers with the error's status and problem document, and hangs up. */
export function refuse(stream: Duplex, error: BatonError): void {
  const problem = problemOf(error);
  const headers = {
    "Content-Type": "application/problem+json",
    ...(problem.status === 503 && { "Retry-After": "1" }),
  };
  answer(stream, problem.status, headers, JSON.stringify(problem));
}

/** Answers bytes that are no HTTP. */
export function refuseGarbage(stream: Duplex): void {
  answer(stream, 400, {}, "");
}

/** The answer to a handshake that comes too late. */
export function shuttingDown(): BatonError {
  return new BatonError("unavailable", "The gateway is shutting down. Connect again in a moment.");
}

function answer(stream: Duplex, status: number, headers: Record<string, string>, body: string): void {
  if (!stream.writable) return void stream.destroy();
  // Destroyed once it is out: a peer that keeps its end open would hold the connection for ever.
  stream.once("finish", () => stream.destroy());
  const lines = Object.entries({
    ...headers,
    Connection: "close",
    "Content-Length": Buffer.byteLength(body),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
}
