/** RFC 9457 problem documents over HTTP, the body of every HTTP error. */
import type { BatonError } from "../../protocol/errors.ts";
import { problemOf } from "../core/problem.ts";

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
