import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Heartbeat } from "../../../src/sdk/heartbeat.ts";

let now = 0;
beforeEach(() => {
  vi.useFakeTimers();
  now = 1_000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => {
  vi.useRealTimers();
});

function beating(heartbeatMs: number) {
  const ping = vi.fn();
  const dead = vi.fn();
  const heartbeat = new Heartbeat({ heartbeatMs, ping, dead });
  const tick = (passedMs: number) => {
    now += passedMs;
    vi.advanceTimersToNextTimer();
  };
  return { heartbeat, ping, dead, tick };
}

describe("the heartbeat", () => {
  it("pings at once and at every tick, and is dead after two heartbeats of silence", () => {
    const { ping, dead, tick } = beating(10_000);
    expect(ping).toHaveBeenCalledTimes(1);
    for (let count = 0; count < 4; count += 1) tick(5_000);
    expect(ping).toHaveBeenCalledTimes(5);
    expect(dead).not.toHaveBeenCalled();
    tick(5_000);
    expect(dead).toHaveBeenCalledTimes(1);
  });

  it("lives as long as it hears something", () => {
    const { heartbeat, dead, tick } = beating(10_000);
    for (let count = 0; count < 20; count += 1) {
      tick(5_000);
      heartbeat.heard();
    }
    expect(dead).not.toHaveBeenCalled();
  });

  it("proves nothing by a tick that came late: a hidden tab or a suspended machine asks first", () => {
    const { heartbeat, ping, dead, tick } = beating(10_000);
    tick(60_000);
    expect(dead).not.toHaveBeenCalled();
    expect(ping).toHaveBeenCalledTimes(2);
    heartbeat.heard();
    tick(5_000);
    expect(dead).not.toHaveBeenCalled();
  });

  it("stops", () => {
    const { heartbeat } = beating(10_000);
    heartbeat.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
