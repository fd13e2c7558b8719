/** Where a token may stand in a handshake or request. Never in its address: addresses are logged, kept and shared. */
import { TOKEN_SUBPROTOCOL } from "../../protocol/auth.ts";
import { BatonError } from "../../protocol/errors.ts";
import { unauthorized } from "./identity.ts";

/** Names under which other services take tokens in their addresses. */
const NAMES = new Set([
  "token",
  "access_token",
  "auth",
  "authorization",
  "jwt",
  "apikey",
  "api_key",
  "key",
  "secret",
]);
const LOOKS_SIGNED = /^(?:bearer )?eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/i;

/**
 * `Authorization: Bearer`, or `Basic` with the token as password, which clients make of an address such as
 * `wss://baton:TOKEN@host`; or, for pages, which can set no header, a subprotocol.
 * @throws BatonError `unauthorized`, `malformed`, when the header is something else or there are two tokens
 */
export function tokenOf(request: {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly protocols?: readonly string[];
}): string | undefined {
  const header = request.headers["authorization"];
  const offered = (request.protocols ?? []).filter((protocol) => protocol.startsWith(TOKEN_SUBPROTOCOL));
  const tokens = offered.map((protocol) => protocol.slice(TOKEN_SUBPROTOCOL.length));
  if (header !== undefined) tokens.push(fromHeader(header));
  // Which one counts would be for us to guess, and for a proxy in between to guess otherwise.
  if (tokens.length > 1) throw unauthorized("malformed", "Send one token, in one place.");
  return tokens[0];
}

/** The token of a `hello`, or of the handshake before it. @throws BatonError `unauthorized`, when there are two */
export function oneTokenOf(
  said: string | undefined,
  handshake: Parameters<typeof tokenOf>[0],
): string | undefined {
  const brought = tokenOf(handshake);
  if (said !== undefined && brought !== undefined)
    throw unauthorized("malformed", "Send one token, in one place.");
  return said ?? brought;
}

/** @throws BatonError `invalid_message` */
export function refuseTokenInAddress(query: URLSearchParams): void {
  for (const [name, value] of query) {
    if (!NAMES.has(name.toLowerCase()) && !LOOKS_SIGNED.test(value)) continue;
    throw new BatonError(
      "invalid_message",
      "Tokens don't travel in addresses, which are logged. Send it as `Authorization: Bearer` or in `hello`, and revoke this one.",
      { issues: [{ path: "query", message: "holds a token" }] },
    );
  }
}

function fromHeader(header: string): string {
  const [, scheme = "", value = ""] = /^(\S+) +(\S+) *$/.exec(header) ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic")
    throw unauthorized("malformed", "The header is `Authorization: Bearer TOKEN`.");
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, "base64").toString("utf8")) ?? [];
  if (password === undefined) throw unauthorized("malformed");
  return password;
}
