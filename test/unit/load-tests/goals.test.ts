import { describe, expect, it } from "vitest";
import { fanOutChart } from "../../../load-tests/lib/chart.ts";
import { goalsOf } from "../../../load-tests/lib/goals.ts";
import type { PathResult, Result } from "../../../load-tests/lib/scenario.ts";

function path(name: string, ...values: number[]): PathResult {
  const rounds = values.map((value) => ({ samples: 1, p50: value, p99: value }));
  return {
    name,
    kind: name.startsWith("baton") ? "gateway" : "yardstick",
    samples: 1,
    p50: 0,
    p99: 0,
    rounds,
  };
}

function cost(...paths: PathResult[]): Result {
  return { id: "fan-out-cost", title: "Cost", measured: "of a delivery", oneValue: true, paths };
}

const field = [
  path("ws, batched", 4, 4, 4),
  path("ws, batched, again", 4, 4, 4.4),
  path("uWS, publish", 3, 3, 3),
  path("uWS, publish, again", 3, 3, 3),
  path("uWS, send loop", 2, 2, 2),
  path("Socket.IO + Redis adapter", 15, 15, 15),
  path("nchan", 5, 5, 5),
  path("NATS", 4.5, 4.5, 4.5),
];

describe("the benchmark's goals", () => {
  it("compares round by round, with the cheaper of two ways, and says by how much", () => {
    const goals = goalsOf([cost(...field, path("baton ws", 4.8, 5, 4.4), path("baton uws", 3, 3, 3))]);
    const [ws, uws, socketIoWs] = goals;
    expect(ws).toMatchObject({ verdict: "met", measured: "1.20 (1.10–1.25)", by: "by 4 %" });
    expect(uws).toMatchObject({
      what: expect.stringContaining("uWS, send loop"),
      verdict: "missed",
      by: "by 30 %",
    });
    expect(socketIoWs).toMatchObject({ verdict: "met" });
    expect(goals.map(({ verdict }) => verdict)).not.toContain("not measured");
  });

  it("calls a miss that is smaller than the reference's own spread what it is", () => {
    const [within] = goalsOf([cost(...field, path("baton ws", 5.2, 5.2, 5.2))]);
    expect(within).toMatchObject({ verdict: "noise", by: "by 4 %" });
    const [beyond] = goalsOf([cost(...field, path("baton ws", 5.6, 5.6, 5.6))]);
    expect(beyond).toMatchObject({ verdict: "missed" });
  });

  it("does not call met what was not measured", () => {
    const goals = goalsOf([cost(path("ws, batched", 4))]);
    expect(new Set(goals.map(({ verdict }) => verdict))).toEqual(new Set(["not measured"]));
    expect(goalsOf([])).toEqual([]);
  });

  it("draws a bar for everyone who was measured, the cheapest first", () => {
    const chart = fanOutChart([cost(...field, path("a <b>", 9))]) ?? "";
    expect(chart).toContain("a &lt;b>");
    expect(chart.match(/<rect /g)).toHaveLength(field.length + 1);
    expect(chart.indexOf(">uWS, send loop<")).toBeLessThan(chart.indexOf(">ws, batched<"));
    expect(fanOutChart([])).toBeUndefined();
  });
});
