/** Which fault strikes what, when and for how long: decided by the seed before the run starts. */
import type { Random } from "./random.ts";

/** A kind of fault that a topology can inflict on one of its parts. */
export interface Hazard {
  readonly fault: string;
  /** The part that it strikes, by name: two faults never strike one part at a time. */
  readonly target: string;
  readonly weight: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Longest that the part is left alone afterwards. */
  readonly restMs: number;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export interface Strike<H> {
  readonly hazard: H;
  readonly atMs: number;
  readonly forMs: number;
}

/** Rest between the beginnings of two faults; how long at most is drawn for each run. */
const MIN_REST_MS = 300;
const MAX_RESTS_MS = [1_500, 4_000, 8_000] as const;
/** Of the kinds of fault, those that one run has: few at a time, or all that is ever seen is their mixture. */
const KINDS_SHARE = 0.4;

/** Of the faults, those that last nearly as long as they can. */
const LONG_SHARE = 0.4;

type Planned = Pick<Hazard, "fault" | "target" | "weight" | "minMs" | "maxMs" | "restMs">;

/** Faults begin within `durationMs`; some end after it. Faults of different parts overlap. */
export function plan<H extends Planned>(
  random: Random,
  hazards: readonly H[],
  durationMs: number,
): Strike<H>[] {
  const strikes: Strike<H>[] = [];
  const busyUntil = new Map<string, number>();
  const chosen = choose(random, hazards);
  const maxRestMs = random.pick(MAX_RESTS_MS);
  let atMs = random.between(MIN_REST_MS, maxRestMs);
  while (atMs < durationMs) {
    const hazard = random.weighted(chosen);
    // Many small races, and absences that are long enough for everybody else to go on.
    const share = random.chance(LONG_SHARE) ? 0.75 + random.next() / 4 : random.next() ** 2;
    const forMs = Math.round(hazard.minMs + (hazard.maxMs - hazard.minMs) * share);
    if ((busyUntil.get(hazard.target) ?? 0) <= atMs) {
      strikes.push({ hazard, atMs, forMs });
      busyUntil.set(hazard.target, atMs + forMs + random.between(0, hazard.restMs));
    }
    atMs += random.between(MIN_REST_MS, maxRestMs);
  }
  return strikes;
}

function choose<H extends Planned>(random: Random, hazards: readonly H[]): readonly H[] {
  const likely = hazards.filter(({ weight }) => weight > 0);
  const kinds = [...new Set(likely.map(({ fault }) => fault))];
  const kept = new Set(kinds.filter(() => random.chance(KINDS_SHARE)));
  // At least one that strikes.
  kept.add(random.weighted(likely).fault);
  return likely.filter(({ fault }) => kept.has(fault));
}
