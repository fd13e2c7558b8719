import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bucket } from "../../../src/limits/bucket.ts";
import { KeyedBuckets } from "../../../src/limits/keyed-buckets.ts";

const rates = fc.record({
  capacity: fc.double({ min: 0.5, max: 10_000, noNaN: true }),
  perSecond: fc.double({ min: 0.01, max: 10_000, noNaN: true }),
});
const steps = fc.array(
  fc.record({
    pauseMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
    amount: fc.double({ min: 0.01, max: 20_000, noNaN: true }),
  }),
  { maxLength: 60 },
);

describe("a bucket", () => {
  it("never gives more than its capacity and what came back in any stretch of time", () => {
    fc.assert(
      fc.property(rates, steps, (rate, steps) => {
        let now = 1_000;
        const bucket = new Bucket(rate, () => now);
        const taken: { at: number; amount: number }[] = [];
        for (const { pauseMs, amount } of steps) {
          now += pauseMs;
          if (bucket.take(amount) === 0) taken.push({ at: now, amount });
        }
        for (const [from, first] of taken.entries()) {
          let sum = 0;
          let largest = 0;
          for (const { at, amount } of taken.slice(from)) {
            sum += amount;
            largest = Math.max(largest, amount);
            const most = Math.max(rate.capacity, largest) + (rate.perSecond * (at - first.at)) / 1_000;
            expect(sum).toBeLessThanOrEqual(most + 0.001);
          }
        }
      }),
    );
  });

  it("tells a wait after which it gives, and short of which it does not", () => {
    fc.assert(
      fc.property(rates, steps, (rate, steps) => {
        let now = 0;
        const bucket = new Bucket(rate, () => now);
        for (const { pauseMs, amount } of steps) {
          now += pauseMs;
          const waitMs = bucket.take(amount);
          expect(bucket.waitMs(amount)).toBeGreaterThanOrEqual(waitMs);
          if (waitMs === 0) continue;
          expect(Number.isInteger(waitMs) && waitMs > 0).toBe(true);
          now += Math.max(0, waitMs - 2);
          if (waitMs > 2) expect(bucket.waitMs(amount)).toBeGreaterThan(0);
          now += 2;
          expect(bucket.take(amount)).toBe(0);
        }
      }),
    );
  });

  it("gives all of a full one at once, then one each time it is due, and is full again in the end", () => {
    let now = 0;
    const bucket = new Bucket({ capacity: 3, perSecond: 2 }, () => now);
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 0, 500]);
    now = 499;
    expect(bucket.take()).toBe(1);
    now = 500;
    expect([bucket.take(), bucket.take()]).toEqual([0, 500]);
    now = 1_000_000;
    expect(bucket.level).toBe(1);
    expect([bucket.take(3), bucket.take()]).toEqual([0, 500]);
  });

  it("takes nothing when it does not give", () => {
    const bucket = new Bucket({ capacity: 3, perSecond: 1 }, () => 0);
    bucket.take(2);
    for (let round = 0; round < 10; round += 1) expect(bucket.take(2)).toBe(1_000);
    expect(bucket.take(1)).toBe(0);
  });

  it("gives more than it holds only when full, and lets the next wait for it", () => {
    let now = 0;
    const bucket = new Bucket({ capacity: 10, perSecond: 1 }, () => now);
    expect(bucket.take(25)).toBe(0);
    expect([bucket.take(25), bucket.take(1)]).toEqual([25_000, 16_000]);
    now = 25_000;
    expect(bucket.take(25)).toBe(0);
  });

  it("is charged into debt, but no deeper than one empty bucket more", () => {
    let now = 0;
    const bucket = new Bucket({ capacity: 5, perSecond: 1 }, () => now);
    for (let charge = 0; charge < 100; charge += 1) bucket.charge();
    expect(bucket.level).toBe(-1);
    expect(bucket.take()).toBe(6_000);
    now = 6_000;
    expect(bucket.take()).toBe(0);
  });

  it("loses nothing to a clock that stands still or goes back", () => {
    let now = 1_000;
    const bucket = new Bucket({ capacity: 2, perSecond: 1 }, () => now);
    bucket.take(2);
    now = 0;
    expect(bucket.take()).toBe(1_000);
    now = 1_000;
    expect(bucket.take()).toBe(0);
  });
});

describe("buckets by key", () => {
  const rate = { capacity: 2, perSecond: 1 };

  it("hold each key to its own rate", () => {
    let now = 0;
    const buckets = new KeyedBuckets({ rate, maxKeys: 10, now: () => now });
    expect([buckets.take("a"), buckets.take("a"), buckets.take("a"), buckets.take("b")]).toEqual([
      0, 0, 1_000, 0,
    ]);
    expect([buckets.waitMs("a"), buckets.waitMs("b"), buckets.waitMs("c")]).toEqual([1_000, 0, 0]);
    now = 1_000;
    expect(buckets.take("a")).toBe(0);
  });

  it("never hold more keys than they may, whoever comes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.nat(3_000)), { maxLength: 300 }),
        (maxKeys, uses) => {
          let now = 0;
          const buckets = new KeyedBuckets({ rate, maxKeys, now: () => now });
          for (const [key, pauseMs] of uses) {
            now += pauseMs;
            buckets.take(`key ${key}`);
            expect(buckets.size).toBeLessThanOrEqual(maxKeys);
          }
        },
      ),
    );
  });

  it("remember who is throttled through a flood of others", () => {
    const buckets = new KeyedBuckets({ rate, maxKeys: 100, now: () => 0 });
    for (let use = 0; use < 3; use += 1) buckets.take("bad");
    for (let other = 0; other < 10_000; other += 1) buckets.take(`other ${other}`);
    expect([buckets.take("bad") > 0, buckets.size <= 100]).toEqual([true, true]);
  });

  it("forget who was not heard of for long as others come, without a timer", () => {
    let now = 0;
    const buckets = new KeyedBuckets({ rate, maxKeys: 10_000, now: () => now });
    for (let key = 0; key < 1_000; key += 1) buckets.take(`old ${key}`);
    now = 10_000;
    for (let key = 0; key < 600; key += 1) buckets.take("new");
    expect(buckets.size).toBe(1);
  });

  it("forget those behind one that is always busy", () => {
    let now = 0;
    const buckets = new KeyedBuckets({ rate, maxKeys: 10_000, now: () => now });
    for (const key of ["busy", "old 1", "old 2", "old 3"]) buckets.take(key);
    for (let use = 0; use < 100; use += 1) {
      now += 300;
      buckets.take("busy");
    }
    expect(buckets.size).toBe(1);
  });

  it("forget nobody who has still to wait", () => {
    let now = 0;
    const buckets = new KeyedBuckets({ rate: { capacity: 100, perSecond: 1 }, maxKeys: 10, now: () => now });
    for (let use = 0; use < 100; use += 1) buckets.take("a");
    now = 50_000;
    for (let use = 0; use < 50; use += 1) buckets.take("b");
    const given = Array.from({ length: 100 }, () => buckets.take("a")).filter((waitMs) => waitMs === 0);
    expect(given).toHaveLength(50);
  });

  it("without a rate give everything and keep nothing", () => {
    const buckets = new KeyedBuckets({ rate: undefined, maxKeys: 1, now: () => 0 });
    for (let use = 0; use < 1_000; use += 1) expect(buckets.take("a")).toBe(0);
    buckets.charge("a");
    expect([buckets.waitMs("a"), buckets.size]).toEqual([0, 0]);
  });
});
