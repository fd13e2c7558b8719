import { describe, expect, it } from "vitest";
import { BatonError, type ErrorCode, type ErrorDetails } from "../../../protocol/errors.ts";
import { problemHeaders, problemOf } from "../../../src/core/problem.ts";
import { problemResponse } from "../../../src/http/problem.ts";

describe("a problem document's headers", () => {
  it.each([
    ["rate_limited", { retryAfterMs: 1 }, "1"],
    ["rate_limited", { retryAfterMs: 1_000 }, "1"],
    ["rate_limited", { retryAfterMs: 1_001 }, "2"],
    ["too_many", { retryAfterMs: 0 }, "1"],
    ["unavailable", { retryAfterMs: 30_000 }, "30"],
    ["unavailable", undefined, "1"],
    ["too_many", undefined, null],
    ["too_many", { retryAfterMs: Infinity }, null],
    ["too_many", { retryAfterMs: NaN }, null],
    ["too_many", { retryAfterMs: -1 }, null],
    ["too_many", { retryAfterMs: "5\r\nx-injected: 1" }, null],
    ["not_found", undefined, null],
  ] as [ErrorCode, ErrorDetails | undefined, string | null][])(
    "of %s with %j say in whole seconds when to try again: %s",
    (code, details, retryAfter) => {
      const response = problemResponse(new BatonError(code, "No.", details));
      expect(response.headers.get("retry-after")).toBe(retryAfter);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    },
  );

  it("name the scheme where a token is missing, and the methods where one is wrong", () => {
    const unauthorized = problemHeaders(
      problemOf(new BatonError("unauthorized", "Who?", { reason: "missing" })),
    );
    expect(unauthorized["www-authenticate"]).toBe("Bearer");
    const method = problemHeaders(
      problemOf(new BatonError("method_not_allowed", "No.", { allow: "GET, POST" })),
    );
    expect([method["allow"], method["www-authenticate"]]).toEqual(["GET, POST", undefined]);
  });
});
