/** RFC 9457 problem documents over HTTP, the body of every HTTP error. */
import type { BatonError } from "../../protocol/errors.ts";
import { problemHeaders, problemOf } from "../core/problem.ts";

export function problemResponse(error: BatonError): Response {
  const problem = problemOf(error);
  return new Response(JSON.stringify(problem), { status: problem.status, headers: problemHeaders(problem) });
}
