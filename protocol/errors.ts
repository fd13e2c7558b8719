import { z } from "zod";

/**
 * Every way a request can be refused. `status` is the HTTP status of the problem document, `retryable` says that the
 * same request may succeed later unchanged, `summary` is the documentation's sentence (PROTOCOL.md lists them all).
 */
const table = {
  invalid_json: { status: 400, retryable: false, summary: "The text is not JSON." },
  invalid_message: {
    status: 400,
    retryable: false,
    summary: "A field is missing, unknown, of the wrong type or out of range; `details.issues` names it.",
  },
  unknown_type: { status: 400, retryable: false, summary: "There is no message of this type." },
  binary_not_allowed: {
    status: 400,
    retryable: false,
    summary: "Clients send text; only the gateway sends binary frames.",
  },
  message_too_large: {
    status: 413,
    retryable: false,
    summary: "The body is larger than the limit in `details.maxBytes`.",
  },
  hello_required: { status: 400, retryable: false, summary: "The first message must be `hello`." },
  already_greeted: { status: 409, retryable: false, summary: "`hello` was sent before on this socket." },
  unsupported_version: {
    status: 400,
    retryable: false,
    summary: "The gateway does not speak this protocol version; `details.supported` lists those it does.",
  },
  unauthorized: {
    status: 401,
    retryable: false,
    summary: "The token is missing, or not valid here; `details.reason` says why.",
  },
  forbidden: {
    status: 403,
    retryable: false,
    summary: "The caller's token or role does not allow this operation, or not for this sandbox.",
  },
  not_found: { status: 404, retryable: false, summary: "There is no such resource." },
  method_not_allowed: { status: 405, retryable: false, summary: "The resource does not answer this method." },
  sandbox_not_found: { status: 404, retryable: false, summary: "There is no sandbox of this id." },
  sandbox_exists: {
    status: 409,
    retryable: false,
    summary: "A sandbox of this id exists with another browser or agent policy.",
  },
  not_joined: { status: 409, retryable: false, summary: "Join the sandbox on this socket first." },
  handoff_in_progress: {
    status: 409,
    retryable: false,
    summary: "A handoff is open; `details.handoff` is it.",
  },
  no_open_handoff: {
    status: 409,
    retryable: false,
    summary: "The sandbox has no open handoff, or the named one is no longer the open one.",
  },
  already_accepted: {
    status: 409,
    retryable: false,
    summary: "Another person accepted first; `details.controller` names them.",
  },
  not_accepted: { status: 409, retryable: false, summary: "Nobody has accepted the handoff yet." },
  handoff_completed: {
    status: 409,
    retryable: false,
    summary: "The handoff is completed; nothing can change it.",
  },
  handoff_cancelled: {
    status: 409,
    retryable: false,
    summary: "The handoff is cancelled; nothing can change it.",
  },
  handoff_expired: {
    status: 409,
    retryable: false,
    summary: "The handoff has expired; nothing can change it.",
  },
  not_controller: {
    status: 409,
    retryable: false,
    summary:
      "Somebody else may drive now; `details.controller` names them (`ai` for the agent, absent for nobody).",
  },
  stale_tab: {
    status: 409,
    retryable: false,
    summary: "Another tab is shown than the one this input was aimed at; `details.tab` is its number.",
  },
  already_controlled: {
    status: 409,
    retryable: false,
    summary: "Another person holds the browser; `details.controller` names them.",
  },
  resume_not_found: {
    status: 404,
    retryable: false,
    summary: "No resume prompt of this request waits for an answer.",
  },
  resume_taken: { status: 409, retryable: false, summary: "Another agent handles this resume prompt." },
  idempotency_conflict: {
    status: 409,
    retryable: false,
    summary: "The idempotency key was used for a different request.",
  },
  conflict: {
    status: 409,
    retryable: true,
    summary: "Too many changes at the same time; nothing was changed.",
  },
  input_overflow: {
    status: 429,
    retryable: true,
    summary: "The page does not keep up; the event was dropped.",
  },
  rate_limited: {
    status: 429,
    retryable: true,
    summary:
      "Too much in too short a time; `details.limit` says of what, `details.retryAfterMs` when to go on.",
  },
  too_many: { status: 429, retryable: true, summary: "A limit is reached; `details.limit` says which." },
  browser_unavailable: { status: 503, retryable: true, summary: "The sandbox has no connected browser now." },
  browser_missing: { status: 503, retryable: false, summary: "No Chromium was found to launch." },
  target_refused: {
    status: 422,
    retryable: false,
    summary: "The gateway's settings do not allow to reach this address; `details.setting` names the one.",
  },
  browser_attach_failed: {
    status: 502,
    retryable: true,
    summary: "The browser at the given address did not answer as one.",
  },
  unavailable: {
    status: 503,
    retryable: true,
    summary: "The gateway cannot reach its store, or is shutting down.",
  },
  timeout: {
    status: 504,
    retryable: true,
    summary: "The time given ran out; what was asked may still happen.",
  },
  internal: {
    status: 500,
    retryable: true,
    summary: "The gateway failed; the log has the details under the request's id.",
  },
} as const satisfies Record<string, { status: number; retryable: boolean; summary: string }>;

export type ErrorCode = keyof typeof table;
export const ERRORS: Readonly<Record<ErrorCode, { status: number; retryable: boolean; summary: string }>> =
  table;
export const ErrorCode = z.enum(Object.keys(table) as [ErrorCode, ...ErrorCode[]]);

/** Facts a program can act on, by name. Never holds secrets or typed text. */
export const ErrorDetails = z.record(z.string(), z.unknown());
export type ErrorDetails = z.infer<typeof ErrorDetails>;

/** RFC 9457 problem document, the body of every HTTP error (`application/problem+json`). */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: ErrorCode,
    retryable: z.boolean(),
    details: ErrorDetails.exactOptional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** A refusal, on its way to the one who asked. `message` says what is wrong and what to do next. */
export class BatonError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(code: ErrorCode, message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.name = "BatonError";
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/**
 * WebSocket close codes. 3000 to 3499: reconnect and resume from the last position. 3500 to 3999: don't, the same
 * client would be closed again. The library's own 1009 answers a message over the size limit.
 */
export const CLOSE = {
  normal: { code: 1000, summary: "An agent's CDP connection: it asked for its end with `Browser.close`." },
  going_away: {
    code: 3000,
    summary: "The gateway is shutting down; reconnect, another node or the next start will answer.",
  },
  slow_consumer: {
    code: 3001,
    summary: "The socket did not take its events; reconnect and resume from the last position.",
  },
  heartbeat_timeout: { code: 3002, summary: "No sign of life for two heartbeats." },
  internal: { code: 3003, summary: "The gateway failed on this connection." },
  browser_gone: {
    code: 3004,
    summary:
      "An agent's CDP connection: its browser went away, or the sandbox has another one; connect again.",
  },
  resync: {
    code: 3005,
    summary:
      "An agent's CDP connection: more changed during a private takeover than can be told; connect again.",
  },
  rate_limited: {
    code: 3006,
    summary: "Too many messages over the limits went on coming; reconnect, and send less.",
  },
  hello_timeout: { code: 3500, summary: "No valid `hello` came in time." },
  unsupported_version: { code: 3501, summary: "The gateway does not speak the offered version." },
  protocol_error: { code: 3502, summary: "Too many messages that are not of the protocol." },
  unauthorized: { code: 3503, summary: "The token is missing or not valid; connect with a valid one." },
  token_expired: { code: 3504, summary: "The token's time is over; connect with a new one." },
  token_revoked: { code: 3505, summary: "The token was revoked; connect with another one." },
} as const satisfies Record<string, { code: number; summary: string }>;
export type CloseReason = keyof typeof CLOSE;

/** True when a client should reconnect after a close with `code` (WebSocket's own codes included). */
export function shouldReconnect(code: number): boolean {
  if (code >= 3500 && code <= 3999) return false;
  // 1002 protocol error, 1003 unsupported data, 1007 bad payload, 1009 too big: the same bytes would fail again.
  return ![1002, 1003, 1007, 1009].includes(code);
}
