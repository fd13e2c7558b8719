import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Pacer } from "../../../src/room/pacer.ts";

let pacer: Pacer<string>;
let calls: { at: number; items: readonly string[] }[];
let start: number;

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1_000);
  start = performance.now();
  calls = [];
  pacer = new Pacer((items) => void calls.push({ at: performance.now() - start, items }));
});
afterEach(() => vi.useRealTimers());

describe("Pacer", () => {
  it("calls back at the times asked for, whatever the order, and those of one millisecond together", () => {
    for (const [item, ms] of [
      ["c", 30.2],
      ["a", 10.9],
      ["b", 20],
      ["a too", 10.1],
      ["d", 90],
    ] as const) {
      pacer.at(item, start + ms);
    }
    vi.advanceTimersByTime(1_000);
    expect(calls.map(({ items }) => items)).toEqual([["a", "a too"], ["b"], ["c"], ["d"]]);
    for (const [index, ms] of [10, 20, 30, 90].entries()) {
      expect(Math.abs((calls[index]?.at ?? 0) - ms)).toBeLessThanOrEqual(1);
    }
  });

  it("calls back once for one that waits already", () => {
    pacer.at("a", start + 10);
    pacer.at("a", start + 30);
    vi.advanceTimersByTime(1_000);
    expect(calls).toHaveLength(1);
    pacer.at("a", performance.now() + 10);
    vi.advanceTimersByTime(1_000);
    expect(calls).toHaveLength(2);
  });

  it("does not call back for what was dropped, nor after it was cleared", () => {
    pacer.at("a", start + 10);
    pacer.at("b", start + 10);
    pacer.drop("a");
    pacer.drop("never there");
    vi.advanceTimersByTime(20);
    expect(calls.map(({ items }) => items)).toEqual([["b"]]);
    pacer.at("c", performance.now() + 10);
    pacer.clear();
    expect(vi.getTimerCount()).toBe(0);
    pacer.at("c", performance.now() + 10);
    vi.advanceTimersByTime(20);
    expect(calls.map(({ items }) => items)).toEqual([["b"], ["c"]]);
  });
});
