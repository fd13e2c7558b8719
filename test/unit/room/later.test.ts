import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Later } from "../../../src/room/later.ts";

describe("a call for all who ask", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function counted(): { later: Later; calls: () => number } {
    const call = vi.fn();
    return { later: new Later(call), calls: () => call.mock.calls.length };
  }

  it("is made once, at the end of the turn in which it was asked for", () => {
    const { later, calls } = counted();
    later.in(0);
    later.in(0);
    expect(calls()).toBe(0);
    vi.runAllTimers();
    expect(calls()).toBe(1);
    later.in(0);
    vi.runAllTimers();
    expect(calls()).toBe(2);
  });

  it("is made when the first one wants it, whoever asks for later", () => {
    const { later, calls } = counted();
    later.in(100);
    vi.advanceTimersByTime(60);
    later.in(100);
    vi.advanceTimersByTime(40);
    expect(calls()).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(calls()).toBe(1);
  });

  it("comes sooner for one who cannot wait", () => {
    const { later, calls } = counted();
    later.in(5_000);
    later.in(0);
    vi.advanceTimersByTime(1);
    expect(calls()).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(calls()).toBe(1);
  });

  it("is not made when it is cancelled, and can be asked for again", () => {
    const { later, calls } = counted();
    later.in(10);
    later.cancel();
    vi.advanceTimersByTime(100);
    expect(calls()).toBe(0);
    later.in(10);
    vi.advanceTimersByTime(10);
    expect(calls()).toBe(1);
  });
});
