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
