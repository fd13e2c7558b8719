/** What a scenario is given and gives back, and the turns in which its paths are measured. */
import type { Resources } from "./resources.ts";
import { compare, summarize, type Comparison, type Sample, type Summary } from "./stats.ts";

/** How much is measured. Counts are per turn of one path. */
export interface Plan {
  readonly rounds: number;
  readonly inputs: number;
  readonly frames: number;
  readonly frameRateMs: number;
  readonly roundTrips: number;
  readonly passes: number;
  readonly transitionsMs: number;
  readonly events: number;
  readonly scripts: number;
  readonly screenshots: number;
  readonly commands: number;
  readonly stalledMs: number;
  /** All together, not per turn. */
  readonly subscribers: number;
  readonly viewers: number;
  readonly viewersMs: number;
  /** Sandboxes that nothing happens in. */
  readonly idleRooms: number;
  readonly idleMs: number;
  /** Each turn of a window, in the scenarios with the field. */
  readonly fieldMs: number;
  /** Each turn of an even pace of events: its p99 is of the few worst of them. */
  readonly paceMs: number;
  /** Events under way at a time. The first is what the goals are about. */
  readonly fieldWindows: readonly [number, ...number[]];
  /** Subscribers who do nothing: how many there are each time that memory is looked at. */
  readonly idle: readonly number[];
}

export interface Context {
  readonly plan: Plan;
  /** Ends with the scenario, also when it fails. */
  readonly resources: Resources;
  readonly say: (line: string) => void;
  /** Something about the machine that only the scenario learns. */
  readonly note: (name: string, value: string) => void;
}

export interface Scenario {
  readonly id: string;
  readonly run: (context: Context) => Promise<readonly Result[]>;
}

/** One way to do the same thing. The first path of a scenario is the reference. */
export interface Path {
  readonly name: string;
  /**
   * `control`: the reference once more, as a path of its own. What it differs by is noise.
   * `yardstick`: something else that is plain, to see the reference by.
   */
  readonly kind: "reference" | "yardstick" | "gateway" | "control";
  readonly measure: () => Promise<Sample>;
}

/** What one turn gave, for each thing that it measured by the way. */
export type Steps = Readonly<Record<string, Sample>>;

/** A path whose turn measures several things. A step is compared with the reference's of that name, or its first. */
export interface StepPath extends Omit<Path, "measure"> {
  readonly measure: () => Promise<Steps>;
}

export interface PathResult extends Summary {
  readonly name: string;
  readonly kind: Path["kind"];
  readonly rounds: readonly Summary[];
  /** Absent for the reference. */
  readonly against?: Comparison;
  /** Others' processor time is compared with this path's. */
  readonly isCostReference?: true;
}

/** A megabyte is a million bytes, a kilobyte a thousand. */
export type Unit = "ms" | "MB" | "µs" | "KB";

export interface TurnOptions {
  /** Default milliseconds. */
  readonly unit?: Unit;
  /** Default: the plan's. */
  readonly rounds?: number;
  /** Default true. False where each turn has new processes anyway. */
  readonly warmUp?: boolean;
}

export interface Result {
  readonly id: string;
  readonly title: string;
  /** Default milliseconds. */
  readonly unit?: Unit;
  /** What the numbers of that unit are. */
  readonly measured: string;
  /** What is counted per second, if anything is. */
  readonly counted?: string;
  /** Whose processor time, if that was taken. */
  readonly cpuOf?: string;
  readonly paths: readonly PathResult[];
  /** A turn gives one number, which has no percentiles. */
  readonly oneValue?: true;
  /** Sentences below the table. */
  readonly notes?: readonly string[];
  /** What the scenario says of goals that it knows itself; those that compare paths are in `goals.ts`. */
  readonly goals?: readonly Goal[];
}

/** What was to be reached, and what became of it. */
export interface Goal {
  readonly what: string;
  /** As it is read: `at most 1.25`. */
  readonly limit: string;
  /** Absent: it was not measured. */
  readonly measured?: string;
  /** `noise`: missed by less than what two runs of the same differ by. */
  readonly verdict: "met" | "missed" | "noise" | "not measured";
  /** By how much, as it is read: `by 4 %`. */
  readonly by?: string;
}

/**
 * Measures the paths in turn, round after round. Each round begins with another path, so that none always has the
 * place after the heaviest one. One turn of each comes first and is thrown away: it warms up the compilers.
 */
export function takeTurns(
  context: Context,
  title: string,
  paths: readonly Path[],
  options: TurnOptions = {},
): Promise<PathResult[]> {
  const single = paths.map(({ measure, ...path }) => ({
    ...path,
    measure: async (): Promise<Steps> => ({ [WHOLE]: await measure() }),
  }));
  return takeStepTurns(context, title, single, options);
}

/** The same for paths with several steps: one result for each step of each path, ordered by step. */
export async function takeStepTurns(
  context: Context,
  title: string,
  paths: readonly StepPath[],
  { unit = "ms", rounds = context.plan.rounds, warmUp = true }: TurnOptions = {},
): Promise<PathResult[]> {
  context.say(`${title}: ${warmUp ? "warming up" : "measuring"}`);
  if (warmUp) for (const path of paths) await path.measure();
  const turns = paths.map((): Steps[] => []);
  for (let round = 0; round < rounds; round += 1) {
    const line: string[] = [];
    for (let turn = 0; turn < paths.length; turn += 1) {
      const index = (turn + round) % paths.length;
      const path = paths[index];
      if (!path) continue;
      const steps = await path.measure();
      turns[index]?.push(steps);
      line.push(
        `${path.name} ${Object.values(steps)
          .map((sample) => shown(sample, unit))
          .join(" · ")}`,
      );
    }
    context.say(`${title}: round ${round + 1}/${rounds}: ${line.join(", ")}`);
  }
  const [reference = []] = turns;
  const names = new Set(turns.flatMap(([first = {}]) => Object.keys(first)));
  return [...names].flatMap((step) => {
    const base = reference.flatMap((steps) => steps[step] ?? Object.values(steps)[0] ?? []);
    // The reference may do without any process in between.
    const costs = turns.map((own) => own.flatMap((steps) => steps[step] ?? []));
    const costIndex = costs.findIndex((own) => own.some(({ cpuMicros }) => cpuMicros !== undefined));
    return paths.flatMap(({ name, kind }, index) => {
      const own = (turns[index] ?? []).flatMap((steps) => steps[step] ?? []);
      if (own.length === 0) return [];
      return {
        name: step === WHOLE ? name : `${step}: ${name}`,
        kind,
        ...summarize(own),
        rounds: own.map((sample) => summarize([sample])),
        ...(index > 0 && { against: compare(own, base, index === costIndex ? [] : costs[costIndex]) }),
        ...(index === costIndex && { isCostReference: true as const }),
      };
    });
  });
}

/** The only step of a path that has no others. */
export const WHOLE = "";

function shown(sample: Sample, unit: Unit): string {
  const { p50, perSecond } = summarize([sample]);
  return perSecond === undefined ? `${p50.toFixed(2)} ${sample.unit ?? unit}` : `${perSecond.toFixed(1)}/s`;
}
