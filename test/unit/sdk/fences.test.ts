import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FENCE_MAX_MS, Fences, showsHandoff } from "../../../src/sdk/fences.ts";
import { handoffOf, sandboxOf } from "./fixtures.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("fences", () => {
  it("are open until a state shows the change", () => {
    const cleared = vi.fn();
    const fences = new Fences(cleared);
    fences.add(({ seq }) => seq === 6);
    fences.check(sandboxOf({ seq: 5 }));
    expect(fences.isOpen).toBe(true);
    fences.check(sandboxOf({ seq: 6 }));
    expect(fences.isOpen).toBe(false);
    vi.advanceTimersByTime(FENCE_MAX_MS);
    expect(cleared).not.toHaveBeenCalled();
  });

  it("give up on an event that does not come", () => {
    const cleared = vi.fn();
    const fences = new Fences(cleared);
    fences.add(() => false);
    fences.add(() => false);
    vi.advanceTimersByTime(FENCE_MAX_MS - 1);
    expect(cleared).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(cleared).toHaveBeenCalledTimes(1);
    expect(fences.isOpen).toBe(false);
  });

  it("leave no timer behind when cleared", () => {
    const fences = new Fences(() => {});
    fences.add(() => false);
    fences.clear();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a state shows a handoff", () => {
  const shown = showsHandoff(handoffOf({ status: "accepted", updatedAt: 20 }));
  it.each([
    ["no handoff", null, false],
    ["its older version", handoffOf({ updatedAt: 19 }), false],
    ["an older version of the same millisecond", handoffOf({ updatedAt: 20 }), false],
    ["this version", handoffOf({ status: "accepted", updatedAt: 20 }), true],
    ["a later version", handoffOf({ status: "completed", updatedAt: 21 }), true],
    ["an earlier handoff", handoffOf({ requestId: "zero", requestedAt: 9, updatedAt: 50 }), false],
    ["a later handoff", handoffOf({ requestId: "second", requestedAt: 11 }), true],
  ])("with %s", (_, handoff, expected) => {
    expect(shown(sandboxOf({ handoff }))).toBe(expected);
  });
});
