/** Percentiles, and how a path compares with its reference over the rounds of one run. */

/** What one turn of one path gave. */
export interface Sample {
  /** Milliseconds, or what else the scenario's unit is. Never empty. */
  readonly values: readonly number[];
  /** Where it is not the scenario's. */
  readonly unit?: "ms" | "MB";
  /** Where the scenario counts something per second. */
  readonly perSecond?: number;
  /** Microseconds of a server's processor time for each thing counted. */
  readonly cpuMicros?: number;
}

export interface Summary {
  readonly samples: number;
  /** In the unit of the samples. */
  readonly p50: number;
  readonly p99: number;
  readonly perSecond?: number;
  readonly cpuMicros?: number;
}

/** Path divided by reference, one ratio per round: the median of them, the smallest and the largest. */
export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Comparison {
  /** How far the path's median lies above the reference's, over all rounds together. */
  readonly addedP50: number;
  /** Absent where a turn's value is not above zero: the ratio would mean nothing. */
  readonly p50?: Ratio;
  readonly p99?: Ratio;
  readonly perSecond?: Ratio;
  readonly cpuMicros?: Ratio;
}

/** Nearest rank: always a value that was measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined)
    throw new Error("nothing was measured, so there is no percentile; run more samples");
  return value;
}

/** The median; of an even number of values, what lies between the two in the middle. */
export function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const below = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const above = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return (below + above) / 2;
}

/** `perSecond` and `cpuMicros` of several samples are their means, since all turns of a path last equally long. */
export function summarize(samples: readonly Sample[]): Summary {
  const values = samples.flatMap((sample) => sample.values);
  const rates = samples.flatMap(({ perSecond }) => perSecond ?? []);
  const costs = samples.flatMap(({ cpuMicros }) => cpuMicros ?? []);
  return {
    samples: values.length,
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    ...(rates.length > 0 && { perSecond: mean(rates) }),
    ...(costs.length > 0 && { cpuMicros: mean(costs) }),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Each list has one sample per round, in the order of the rounds.
 * @param costReference what processor time is compared with; empty: nothing
 */
export function compare(
  path: readonly Sample[],
  reference: readonly Sample[],
  costReference: readonly Sample[] = reference,
): Comparison {
  const own = path.map((sample) => summarize([sample]));
  const times = reference.map((sample) => summarize([sample]));
  const costs = costReference.map((sample) => summarize([sample]));
  const ratio = <K extends "p50" | "p99" | "perSecond" | "cpuMicros">(
    name: K,
  ): { readonly [P in K]?: Ratio } => {
    const other = name === "cpuMicros" ? costs : times;
    const ratios = own.map((summary, round) => {
      const [above = 0, below = 0] = [summary[name], other[round]?.[name]];
      return above > 0 && below > 0 ? above / below : Number.NaN;
    });
    if (ratios.some(Number.isNaN)) return {};
    const all: Ratio = { median: middle(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
    return { [name]: all } as { readonly [P in K]: Ratio };
  };
  return {
    addedP50: summarize(path).p50 - summarize(reference).p50,
    ...ratio("p50"),
    ...ratio("p99"),
    ...ratio("perSecond"),
    ...ratio("cpuMicros"),
  };
}
