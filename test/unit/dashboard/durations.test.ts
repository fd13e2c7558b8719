import { describe, expect, it } from "vitest";
import {
  formatAgo,
  formatCountdown,
  formatSpan,
  formatTimeOfDay,
} from "../../../src/dashboard/lib/durations.ts";

describe("durations", () => {
  it.each([
    [-5_000, "0 s"],
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_599_999, "59 min"],
    [3_600_000, "1 h"],
    [7_500_000, "2 h 5 min"],
    [86_400_000, "1 d"],
    [3 * 86_400_000 + 1, "3 d"],
  ])("writes a span of %i ms as %s", (spanMs, words) => {
    expect(formatSpan(spanMs)).toBe(words);
  });

  it("does not count the first moments", () => {
    expect(formatAgo(1_999)).toBe("just now");
    expect(formatAgo(-300)).toBe("just now");
    expect(formatAgo(2_000)).toBe("2 s ago");
  });

  it.each([
    [-1, "0:00"],
    [0, "0:00"],
    [1, "0:01"],
    [9_000, "0:09"],
    [60_000, "1:00"],
    [59_001, "1:00"],
    [725_000, "12:05"],
    [3_723_000, "1:02:03"],
  ])("counts %i ms down as %s: zero is shown only when it is over", (leftMs, words) => {
    expect(formatCountdown(leftMs)).toBe(words);
  });

  it("shows the time of day with seconds on a 24 hour clock", () => {
    const at = Date.UTC(2026, 0, 2, 0, 5, 9);
    expect(formatTimeOfDay(at, "en-GB", "UTC")).toBe("00:05:09");
    expect(formatTimeOfDay(at, "en-US", "UTC")).toBe("00:05:09");
  });
});
