import { describe, expect, it } from "vitest";
import { Random } from "./random.ts";
import { plan } from "./schedule.ts";
import { shortcomings, type Summary, together } from "./summary.ts";

const HAZARDS = [
  { fault: "paused", target: "a", weight: 3, minMs: 200, maxMs: 8_000, restMs: 500 },
  { fault: "killed", target: "a", weight: 1, minMs: 0, maxMs: 100, restMs: 500 },
  { fault: "paused", target: "b", weight: 3, minMs: 200, maxMs: 8_000, restMs: 500 },
  { fault: "never", target: "c", weight: 0, minMs: 0, maxMs: 0, restMs: 500 },
];

describe("the schedule", () => {
  it("follows from the seed alone", () => {
    expect(plan(new Random(7), HAZARDS, 60_000)).toEqual(plan(new Random(7), HAZARDS, 60_000));
    expect(plan(new Random(7), HAZARDS, 60_000)).not.toEqual(plan(new Random(8), HAZARDS, 60_000));
  });

  it("strikes within the time, as long as each fault may last, and no part twice at once", () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const strikes = plan(new Random(seed), HAZARDS, 60_000);
      expect(strikes.length).toBeGreaterThan(2);
      for (const [index, { hazard, atMs, forMs }] of strikes.entries()) {
        expect(atMs).toBeLessThan(60_000);
        expect(hazard.fault).not.toBe("never");
        expect(forMs).toBeGreaterThanOrEqual(hazard.minMs);
        expect(forMs).toBeLessThanOrEqual(hazard.maxMs);
        const same = strikes.slice(0, index).filter((other) => other.hazard.target === hazard.target);
        for (const other of same) expect(other.atMs + other.forMs).toBeLessThanOrEqual(atMs);
      }
    }
  });

  it("gives each part of a run numbers of its own", () => {
    const random = new Random(3);
    const before = random.fork("agent").next();
    random.fork("person").next();
    expect(random.fork("agent").next()).toBe(before);
    expect(random.fork("person").next()).not.toBe(before);
  });
});

describe("the summary", () => {
  const summary: Summary = {
    runs: 1,
    faults: { paused: 2 },
    handoffs: 4,
    claims: 6,
    reached: 100,
    refused: 100,
    lost: 0,
    unavailableMs: 900,
  };

  it("calls a run that did too little by its name", () => {
    expect(shortcomings(summary, 60_000)).toEqual([]);
    expect(shortcomings({ ...summary, handoffs: 1 }, 60_000)).toEqual(["handoffs: 1 of at least 2"]);
    expect(shortcomings({ ...summary, reached: 0 }, 60_000)).toEqual(["reached: 0 of at least 60"]);
    expect(shortcomings({ ...summary, faults: {} }, 60_000)).toEqual(["no fault struck"]);
  });

  it("adds runs up, and keeps the longest absence", () => {
    const other = { ...summary, faults: { paused: 1, killed: 1 }, lost: 1, unavailableMs: 300 };
    expect(together(summary, other)).toEqual({
      runs: 2,
      faults: { paused: 3, killed: 1 },
      handoffs: 8,
      claims: 12,
      reached: 200,
      refused: 200,
      lost: 1,
      unavailableMs: 900,
    });
  });
});
