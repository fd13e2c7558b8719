import { BatonError, CLOSE, type ErrorCode } from "../../protocol/errors.ts";

/** Why something ended for good. */
export interface Ending {
  /** What calls and waits that were still open reject with. */
  readonly error: BatonError;
  /** It was asked for: iterators end instead of throwing. */
  readonly clean: boolean;
}

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [1009, "message_too_large"],
  [CLOSE.hello_timeout.code, "hello_required"],
  [CLOSE.unsupported_version.code, "unsupported_version"],
  [CLOSE.protocol_error.code, "invalid_message"],
  [CLOSE.rate_limited.code, "rate_limited"],
  [CLOSE.unauthorized.code, "unauthorized"],
  [CLOSE.token_expired.code, "unauthorized"],
  [CLOSE.token_revoked.code, "unauthorized"],
]);

/** `details.reason`, as where a token is refused at once. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [CLOSE.token_expired.code, "expired"],
  [CLOSE.token_revoked.code, "revoked"],
]);

/** The error for a close that no reconnect can mend. */
export function closeError(code: number, reason: string): BatonError {
  const known = Object.values(CLOSE).find((entry) => entry.code === code);
  const unauthorized = REASONS.get(code);
  const why = known?.summary ?? (reason || "It gave no reason.");
  return new BatonError(
    CODES.get(code) ?? "unavailable",
    `The gateway closed the connection for good (${code}). ${why} Correct the cause and connect again.`,
    {
      closeCode: code,
      ...(reason && { closeReason: reason }),
      ...(unauthorized !== undefined && { reason: unauthorized }),
    },
  );
}

export function disconnected(what: string): BatonError {
  return new BatonError(
    "unavailable",
    `${what}: the connection to the gateway is away. Look at the state once it is back, then try again.`,
  );
}
