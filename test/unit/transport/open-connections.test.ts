import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OpenConnections } from "../../../src/transport/open-connections.ts";

const EVERY_MS = 15_000;

class Counted {
  beats = 0;
  beat(): void {
    this.beats += 1;
  }
}

describe("open connections", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function filled(count: number, everyMs = EVERY_MS): { open: OpenConnections<Counted>; all: Counted[] } {
    const open = new OpenConnections<Counted>(everyMs);
    const all = Array.from({ length: count }, () => new Counted());
    for (const one of all) open.add(one);
    open.start();
    return { open, all };
  }

  const beatsOf = (all: readonly Counted[]): number => all.reduce((sum, { beats }) => sum + beats, 0);

  it("each have one beat in the time between two", () => {
    const { open, all } = filled(1_000);
    for (let round = 1; round <= 3; round += 1) {
      vi.advanceTimersByTime(EVERY_MS);
      expect(new Set(all.map(({ beats }) => beats))).toEqual(new Set([round]));
    }
    open.stop();
    vi.advanceTimersByTime(EVERY_MS);
    expect(beatsOf(all)).toBe(3_000);
  });

  it("never have theirs all at once", () => {
    const { all } = filled(1_000);
    let most = 0;
    for (let passed = 0; passed < EVERY_MS; passed += 1) {
      const before = beatsOf(all);
      vi.advanceTimersByTime(1);
      most = Math.max(most, beatsOf(all) - before);
    }
    expect(most).toBeLessThanOrEqual(1_000 / 60);
  });

  it("keep their own time, whoever comes and goes", () => {
    const { open, all } = filled(128);
    const [kept] = all.slice(-1);
    vi.advanceTimersByTime(EVERY_MS);
    for (const one of all.slice(0, -1)) open.delete(one);
    for (let index = 0; index < 500; index += 1) open.add(new Counted());
    expect(open.size).toBe(501);
    for (let round = 2; round <= 4; round += 1) {
      vi.advanceTimersByTime(EVERY_MS);
      expect(kept?.beats).toBe(round);
    }
    expect(beatsOf(all.slice(0, -1)), "those who left").toBe(127);
  });

  it("beat together where the time is too short to divide", () => {
    const { open, all } = filled(10, 20);
    vi.advanceTimersByTime(20);
    expect(all.map(({ beats }) => beats)).toEqual(all.map(() => 1));
    expect([...open]).toEqual(all);
  });
});
