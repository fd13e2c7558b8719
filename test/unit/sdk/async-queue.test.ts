import { describe, expect, it, vi } from "vitest";
import { AsyncQueue } from "../../../src/sdk/async-queue.ts";

const bounded = (limit: number, stopped = () => {}) =>
  new AsyncQueue<number>({ limit, full: () => new Error("too slow"), stopped });
const over = { done: true, value: undefined };

describe("a queue", () => {
  it("hands items to waiting consumers in order", async () => {
    const queue = bounded(2);
    const both = [queue.next(), queue.next()];
    queue.push(1);
    queue.push(2);
    expect((await Promise.all(both)).map(({ value }) => value)).toEqual([1, 2]);
  });

  it("keeps what waits when it ends, and drops it when it is cancelled", async () => {
    const ended = bounded(2);
    ended.push(1);
    ended.end();
    ended.push(2);
    expect(await ended.next()).toEqual({ done: false, value: 1 });
    expect(await ended.next()).toEqual(over);
    const cancelled = bounded(2);
    cancelled.push(1);
    cancelled.cancel();
    expect(await cancelled.next()).toEqual(over);
  });

  it("throws its error once, after what waits", async () => {
    const queue = bounded(2);
    queue.push(1);
    queue.fail(new Error("broken"));
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    await expect(queue.next()).rejects.toThrow("broken");
    expect(await queue.next()).toEqual(over);
  });

  it("throws at the limit and forgets what waited", async () => {
    const stopped = vi.fn();
    const queue = bounded(2, stopped);
    for (const item of [1, 2, 3]) queue.push(item);
    expect(stopped).toHaveBeenCalledTimes(1);
    await expect(queue.next()).rejects.toThrow("too slow");
    expect(await queue.next()).toEqual(over);
  });

  it("replaces the oldest at the limit when told to, and says which item is taken", async () => {
    const taken = vi.fn();
    const queue = new AsyncQueue<number>({ limit: 1, full: "replace", taken, stopped: () => {} });
    queue.push(1);
    queue.push(2);
    expect(taken).not.toHaveBeenCalled();
    expect((await queue.next()).value).toBe(2);
    const next = queue.next();
    queue.push(3);
    await next;
    expect(taken.mock.calls).toEqual([[2], [3]]);
  });

  it("stops once, however it ends, and lets every waiting consumer go", async () => {
    const stopped = vi.fn();
    const queue = bounded(2, stopped);
    const both = [queue.next(), queue.next()];
    await queue.return();
    queue.end();
    queue.fail(new Error("late"));
    expect(await Promise.all(both)).toEqual([over, over]);
    expect(await queue.next()).toEqual(over);
    expect(stopped).toHaveBeenCalledTimes(1);
  });
});
