/** From what a caller gives as a browser's address to where a connection goes. */
import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { LookupFunction } from "node:net";
import { BatonError } from "../../protocol/errors.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import { BrowserError } from "./browser.ts";

/** Far above what `/json/version` is (about 500 bytes); an address that answers more is not a browser's. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface Endpoint {
  /** `ws(s)://` address of the browser target. */
  readonly url: string;
  /** Where its host leads, as it was checked. Undefined: not checked. */
  readonly lookup: LookupFunction | undefined;
}

/**
 * Turns what a person has (`http://host:9222`) into the browser target's `ws(s)://` address; a `ws(s)://` address
 * is taken as it is. Rejects with `BrowserError` `browser_attach_failed`, with BatonError `target_refused`, or with the
 * signal's reason.
 *
 * Whoever may name an address must not learn from it what is there: all failures read the same, and nothing of an
 * answer is repeated. Nor is the address, which may hold a password or a token.
 *
 * @param targets Default: anywhere. It is asked about the address, and about the one that is found there.
 */
export async function resolveEndpoint(
  endpoint: string,
  signal: AbortSignal,
  targets?: TargetPolicy,
): Promise<Endpoint> {
  signal.throwIfAborted();
  if (!/^(?:ws|http)s?:\/\//i.test(endpoint) || !URL.canParse(endpoint))
    throw attachFailed("This is not a CDP address; give ws(s)://… or http(s)://host:port");
  if (/^ws/i.test(endpoint)) return { url: endpoint, lookup: await lookupFor(endpoint, targets) };
  const url = new URL("json/version", endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  const lookup = await lookupFor(url.href, targets);
  let found: string | undefined;
  try {
    found = webSocketUrl(await read(url, lookup, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (isTargetRefused(error)) throw error;
    throw nothingThere(error);
  }
  if (found === undefined) throw nothingThere();
  const target = new URL(found);
  // Behind a port mapping or a proxy a browser that names itself by loopback means the address it was asked at.
  if (isLoopback(target.hostname) && target.host !== url.host) {
    target.host = url.host;
    target.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  }
  return { url: target.href, lookup: await lookupFor(target.href, targets) };
}

/**
 * Whether the very browser that `endpoint` (`ws://host:port/devtools/browser/…`) names is there now: after its end
 * another one may have got its port. Never rejects.
 */
export async function answersAt(endpoint: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { origin, pathname } = new URL(endpoint.replace(/^ws/i, "http"));
    return new URL((await resolveEndpoint(origin, signal)).url).pathname === pathname;
  } catch {
    return false;
  }
}

async function lookupFor(
  url: string,
  targets: TargetPolicy | undefined,
): Promise<LookupFunction | undefined> {
  return targets && !targets.any ? (await targets.destination(url)).lookup : undefined;
}

function isLoopback(hostname: string): boolean {
  return /^(?:localhost|0\.0\.0\.0|127(?:\.\d{1,3}){3}|\[::1?\])$/.test(hostname);
}

/** The body of a 200; another answer is none. Redirects are not followed: they would lead past what was checked. */
function read(url: URL, lookup: LookupFunction | undefined, signal: AbortSignal): Promise<string> {
  const send = url.protocol === "https:" ? requestSecure : requestPlain;
  return new Promise((resolve, reject) => {
    const request = send(url, { agent: false, signal, ...(lookup && { lookup }) }, (response) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      const fail = (why: string): void => void response.destroy(new Error(why));
      response.on("error", reject);
      if (response.statusCode !== 200) return fail("it is no browser");
      response.on("data", (chunk: Uint8Array) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) return fail("it answers far more than a browser does");
        chunks.push(chunk);
      });
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    request.on("error", reject);
    request.end();
  });
}

function webSocketUrl(body: string): string | undefined {
  const { webSocketDebuggerUrl: url } = JSON.parse(body) as { webSocketDebuggerUrl?: unknown };
  return typeof url === "string" && /^wss?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
}

export function attachFailed(message: string, cause?: unknown): BrowserError {
  return new BrowserError("browser_attach_failed", message, { cause });
}

/** One answer for everything that may be at an address, or not be there. */
export function nothingThere(why?: unknown): BrowserError {
  // The error itself quotes the address, and what was found there.
  const { code } = (why ?? {}) as { code?: unknown };
  return attachFailed(
    "No browser answers at its address; start it with --remote-debugging-port and check the address. " +
      "Chromium takes an IP address or localhost only, no other host name",
    typeof code === "string" ? { code } : undefined,
  );
}

/** The gateway's settings forbid the address: trying again changes nothing. */
export function isTargetRefused(error: unknown): error is BatonError {
  return error instanceof BatonError && error.code === "target_refused";
}
