/** A refusal as an RFC 9457 problem document. */
import { ERRORS, type BatonError, type Problem } from "../../protocol/errors.ts";

export function problemOf(error: BatonError): Problem {
  const { status, retryable, summary } = ERRORS[error.code];
  return {
    type: `urn:baton:error:${error.code}`,
    title: summary,
    status,
    detail: error.message,
    code: error.code,
    retryable,
    ...(error.details && { details: error.details }),
  };
}

/** The headers that go with it. Their values are the gateway's own: nothing of a request is among them. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { status, details } = problem;
  const retryAfterMs = details?.["retryAfterMs"];
  const allow = details?.["allow"];
  const retryAfter =
    typeof retryAfterMs === "number" && retryAfterMs >= 0 && Number.isFinite(retryAfterMs)
      ? Math.max(1, Math.ceil(retryAfterMs / 1_000))
      : status === 503 && 1;
  return {
    "content-type": "application/problem+json",
    // It may quote what was asked for: nobody is to take that for a page.
    "x-content-type-options": "nosniff",
    ...(retryAfter && { "retry-after": String(retryAfter) }),
    ...(status === 401 && { "www-authenticate": "Bearer" }),
    ...(typeof allow === "string" && { allow }),
  };
}
