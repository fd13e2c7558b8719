/** RFC 9457 problem documents, the body of every HTTP error. */
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

export function problemResponse(error: BatonError): Response {
  const problem = problemOf(error);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      ...(problem.status === 503 && { "retry-after": "1" }),
      ...(typeof problem.details?.["allow"] === "string" && { allow: problem.details["allow"] }),
    },
  });
}
