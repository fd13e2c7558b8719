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
  /** `control`: the reference once more, as a path of its own. What it differs by is noise. */
  readonly kind: "reference" | "gateway" | "control";
  readonly measure: () => Promise<Sample>;
}

export interface PathResult extends Summary {
  readonly name: string;
  readonly kind: Path["kind"];
  readonly rounds: readonly Summary[];
  /** Absent for the reference. */
  readonly against?: Comparison;
}

export interface Result {
  readonly id: string;
  readonly title: string;
  /** What the milliseconds are. */
  readonly measured: string;
  /** What is counted per second, if anything is. */
  readonly counted?: string;
  readonly paths: readonly PathResult[];
}

/**
 * Measures the paths in turn, round after round. Each round begins with another path, so that none always has the
 * place after the heaviest one. One turn of each comes first and is thrown away: it warms up the compilers.
 */
export async function takeTurns(
  context: Context,
  title: string,
  paths: readonly Path[],
): Promise<PathResult[]> {
  context.say(`${title}: warming up`);
  for (const path of paths) await path.measure();
  const samples = paths.map((): Sample[] => []);
  for (let round = 0; round < context.plan.rounds; round += 1) {
    const line: string[] = [];
    for (let turn = 0; turn < paths.length; turn += 1) {
      const index = (turn + round) % paths.length;
      const path = paths[index];
      if (!path) continue;
      const sample = await path.measure();
      samples[index]?.push(sample);
      const { p50, perSecond } = summarize([sample]);
      const shown = perSecond === undefined ? `${p50.toFixed(2)} ms` : `${perSecond.toFixed(1)}/s`;
      line.push(`${path.name} ${shown}`);
    }
    context.say(`${title}: round ${round + 1}/${context.plan.rounds}: ${line.join(", ")}`);
  }
  const reference = samples[0] ?? [];
  return paths.map(({ name, kind }, index) => {
    const own = samples[index] ?? [];
    return {
      name,
      kind,
      ...summarize(own),
      rounds: own.map((sample) => summarize([sample])),
      ...(index > 0 && { against: compare(own, reference) }),
    };
  });
}
