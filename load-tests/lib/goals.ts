/** What the gateway is meant to reach, and whether a run says that it does. */
import type { Goal, PathResult, Result } from "./scenario.ts";
import { middle, percentile, type Ratio } from "./stats.ts";

/** Names of paths, as `field.ts` and the scenarios have them. */
const BATON = ["baton ws", "baton uws"] as const;
const [BATON_WS, BATON_UWS] = BATON;
const BATCHED = "ws, batched";
const UWS = ["uWS, publish", "uWS, send loop"] as const;
const SOCKET_IO = "Socket.IO + Redis adapter";

type Value = (round: PathResult["rounds"][number]) => number;
const p50: Value = (round) => round.p50;
const p99: Value = (round) => round.p99;

/** Those about whose scenario the run has a result. */
export function goalsOf(results: readonly Result[]): Goal[] {
  const by = (id: string): Result | undefined => results.find((result) => result.id === id);
  const cost = by("fan-out-cost");
  const latency = by("fan-out-latency");
  const memory = by("idle-memory");
  return [
    ...(cost ? costGoals(cost) : []),
    ...(latency ? latencyGoals(latency) : []),
    ...(memory ? memoryGoals(memory) : []),
    ...added(by("input-latency"), "input: p99 added on its way to the browser", 1),
    ...added(by("frame-latency-12"), "picture of 12 KB: p99 added on its way to the viewer", 2),
    ...added(by("frame-latency-60"), "picture of 60 KB: p99 added on its way to the viewer", 2),
    ...results.flatMap(({ goals = [] }) => goals),
  ];
}

function costGoals(cost: Result): Goal[] {
  const uws = better(cost, UWS, p50);
  const ratio = (of: string, to: string, limit: number, noise?: Ratio): Goal =>
    atMost(`processor time of a delivery: ${of} against ${to}`, between(cost, of, to, p50), limit, noise);
  return [
    ratio(BATON_WS, BATCHED, 1.25, between(cost, `${BATCHED}, again`, BATCHED, p50)),
    ratio(BATON_UWS, uws, 1.15, between(cost, "uWS, publish, again", "uWS, publish", p50)),
    ...BATON.map((own) =>
      atLeast(`the same: ${SOCKET_IO} against ${own}`, between(cost, SOCKET_IO, own, p50), 3),
    ),
    ...["nchan", "NATS"].flatMap((other) => BATON.map((own) => ratio(own, other, 1))),
  ];
}

function latencyGoals(latency: Result): Goal[] {
  const uws = "uWS behind commits";
  const noise = between(latency, `${uws}, again`, uws, p99);
  return BATON.map((own) =>
    atMost(
      `p99 at 20,000 deliveries a second: ${own} against ${uws}`,
      between(latency, own, uws, p99),
      1,
      noise,
    ),
  );
}

function memoryGoals(memory: Result): Goal[] {
  const limits = [
    [BATON_WS, 8],
    [BATON_UWS, 3],
  ] as const;
  return limits.map(([name, limit]) => {
    const path = memory.paths.find((one) => one.name === name);
    return judged(
      `memory of an idle subscriber: ${name}`,
      path && spreadOf(path.rounds.map(p50)),
      limit,
      " KB",
    );
  });
}

function added(result: Result | undefined, what: string, limitMs: number): Goal[] {
  if (!result) return [];
  const [reference] = result.paths;
  const gateway = result.paths.find(({ kind }) => kind === "gateway");
  const differences = gateway?.rounds.map(
    (round, index) => round.p99 - (reference?.rounds[index]?.p99 ?? Number.NaN),
  );
  return [judged(what, differences && spreadOf(differences), limitMs, " ms")];
}

/** Of several ways to do the same, the one with the lower median. */
function better(result: Result, names: readonly [string, ...string[]], value: Value): string {
  const medianOf = (name: string): number => {
    const path = result.paths.find((one) => one.name === name);
    return path ? percentile(path.rounds.map(value), 0.5) : Infinity;
  };
  return names.reduce((best, name) => (medianOf(name) < medianOf(best) ? name : best));
}

/** One ratio per round. Undefined: one of the two was not measured. */
function between(result: Result, of: string, to: string, value: Value): Ratio | undefined {
  const [own, other] = [of, to].map((name) => result.paths.find((path) => path.name === name)?.rounds);
  if (!own || !other) return undefined;
  return spreadOf(
    own.map((round, index) => value(round) / (other[index] ? value(other[index]) : Number.NaN)),
  );
}

function spreadOf(values: readonly number[]): Ratio {
  return { median: middle(values), min: Math.min(...values), max: Math.max(...values) };
}

/** @param noise what the reference's repetition differs by from the reference */
function atMost(what: string, ratio: Ratio | undefined, limit: number, noise?: Ratio): Goal {
  return judged(what, ratio, limit, "", noise);
}

function atLeast(what: string, ratio: Ratio | undefined, limit: number): Goal {
  const goal = { what, limit: `at least ${limit}` };
  if (!ratio) return { ...goal, verdict: "not measured" };
  const far = ratio.median / limit;
  return {
    ...goal,
    measured: shown(ratio),
    verdict: far >= 1 ? "met" : "missed",
    by: percent(Math.abs(far - 1)),
  };
}

function judged(what: string, found: Ratio | undefined, limit: number, unit: string, noise?: Ratio): Goal {
  const goal = { what, limit: `at most ${limit}${unit}` };
  if (!found) return { ...goal, verdict: "not measured" };
  const far = found.median / limit;
  const excess = found.median - limit;
  const within = noise !== undefined && excess <= noise.max - 1;
  return {
    ...goal,
    measured: shown(found, unit),
    verdict: far <= 1 ? "met" : within ? "noise" : "missed",
    by: percent(Math.abs(far - 1)),
  };
}

function shown({ median, min, max }: Ratio, unit = ""): string {
  return `${median.toFixed(2)}${unit} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function percent(share: number): string {
  return `by ${(share * 100).toFixed(0)} %`;
}

export const GOAL_HEADS = ["goal", "limit", "measured", "verdict"] as const;

const VERDICTS: Readonly<Record<Goal["verdict"], string>> = {
  met: "met",
  missed: "**missed**",
  noise: "missed, within the noise",
  "not measured": "not measured",
};

export function rowOf({ what, limit, measured, verdict, by }: Goal): string[] {
  return [what, limit, measured ?? "", `${VERDICTS[verdict]}${by === undefined ? "" : ` ${by}`}`];
}
