import { afterEach, describe, expect, it, vi } from "vitest";
import { Backoff, Retry } from "../../../src/sdk/backoff.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("waits between attempts", () => {
  it("double up to the limit, and begin anew after a reset", () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const backoff = new Backoff(200, 5_000);
    const waits = Array.from({ length: 7 }, () => backoff.nextMs());
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(200);
  });

  it("are spread over the second half of each", () => {
    const random = vi.spyOn(Math, "random").mockReturnValue(0);
    const backoff = new Backoff(200, 5_000);
    expect(backoff.nextMs()).toBe(100);
    random.mockReturnValue(0.5);
    expect(backoff.nextMs()).toBe(300);
  });

  it("stay at the limit however often it fails", () => {
    const backoff = new Backoff(200, 5_000);
    const waits = Array.from({ length: 2_000 }, () => backoff.nextMs());
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_000);
  });
});

describe("a retry", () => {
  it("keeps one action at most, and none once stopped", () => {
    vi.useFakeTimers();
    const action = vi.fn();
    const retry = new Retry(10, 20);
    retry.schedule(undefined, action);
    retry.schedule(undefined, action);
    vi.runAllTimers();
    expect(action).toHaveBeenCalledTimes(1);
    retry.schedule(undefined, action);
    retry.stop();
    vi.runAllTimers();
    expect(action).toHaveBeenCalledTimes(1);
  });
});
