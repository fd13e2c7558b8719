/** Plays scripts until enough messages were sent, round after round, and looks after each what the gateway kept. */
import { inspect } from "node:util";
import * as fc from "fast-check";
import type { Measure, Mode } from "./gateway-child.ts";
import type { Part } from "./part.ts";
import { cdpPart } from "./cdp-part.ts";
import { httpPart } from "./http-part.ts";
import { rawPart } from "./raw-part.ts";
import { socketPart } from "./socket-part.ts";
import { PATIENCE_MS, Stage } from "./stage.ts";
import { Violation } from "./violation.ts";

/** What each part is given of all messages. */
const PARTS = [
  { part: socketPart as Part<unknown>, share: 0.66 },
  { part: cdpPart as Part<unknown>, share: 0.2 },
  { part: httpPart as Part<unknown>, share: 0.04 },
  { part: rawPart as Part<unknown>, share: 0.1 },
];
export const PART_NAMES: readonly string[] = PARTS.map(({ part }) => part.name);

/** Memory is looked at after each; the first one warms up. */
const ROUNDS = 10;
/** Scripts per seed: so few that a failure is found again in seconds. */
const SCRIPTS_PER_SEED = 4;
/** Seeds that are played at a time: most of a script's time is waiting. */
const LANES = 5;
/** Handoffs of the good client's before anything is measured: its sandbox's log and records are full then. */
const WARM_UP = 80;
/** Heap that may come and go between two rounds: caches and compiled code. What leaks passes it in time. */
const HEAP_SLACK_BYTES = 4 * 1024 * 1024;
/** How long rooms, timers and sockets may take to go. */
const QUIET_MS = 6_000;
const LOOK_MS = 50;
/** Looking for a shorter script ends then. */
const SHRINK_MS = 90_000;
const SHRINK_PATIENCE_MS = 1_500;

export interface FuzzOptions {
  readonly seed: number;
  readonly messages: number;
  /** Ends earlier when this is over. */
  readonly minutes?: number;
  /** Default: `open`. */
  readonly mode?: Mode;
  /** Names of parts. Default: all. */
  readonly only?: readonly string[];
  /** One seed at a time, to see a failure again. */
  readonly alone?: boolean;
  /** Told every few seconds. */
  readonly progress?: (line: string) => void;
}

interface Suspect {
  readonly part: Part<unknown>;
  readonly seed: number;
  readonly failure: Failure;
}

export interface Failure {
  readonly part: string;
  readonly seed: number;
  readonly why: string;
  readonly script: readonly string[];
  /** Seen with nothing else beside it. */
  readonly alone?: boolean;
}

export interface FuzzReport {
  readonly messages: Readonly<Record<string, number>>;
  readonly failure: Failure | undefined;
  /** After each round. */
  readonly measures: readonly Measure[];
  readonly answers: ReadonlyMap<string, number>;
  readonly codes: ReadonlyMap<string, number>;
  /** Types of the events that were seen. */
  readonly events: ReadonlySet<string>;
  /** Handoffs of the good client's. */
  readonly witnessed: number;
}

const PROGRESS_MS = 5_000;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const stage = await Stage.open(options.mode);
  try {
    return await new Fuzz(options, stage).run();
  } finally {
    await stage.close();
  }
}

class Fuzz {
  readonly #options: FuzzOptions;
  readonly #stage: Stage;
  readonly #parts: readonly { readonly part: Part<unknown>; readonly share: number }[];
  readonly #messages: Record<string, number> = {};
  readonly #measures: Measure[] = [];
  readonly #began = performance.now();
  #told = 0;
  /** Seeds used, per part. */
  readonly #seeds = new Map<string, number>();

  constructor(options: FuzzOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
    const parts = PARTS.filter(({ part }) => options.only?.includes(part.name) ?? true);
    const whole = parts.reduce((sum, { share }) => sum + share, 0);
    this.#parts = parts.map(({ part, share }) => ({ part, share: share / whole }));
  }

  async run(): Promise<FuzzReport> {
    const stage = this.#stage;
    await stage.warmUp(WARM_UP);
    const start = await this.#quiet(undefined);
    for (let round = 1; round <= ROUNDS && !this.#late; round += 1) {
      const failure = await this.#round(round);
      if (failure) return this.#report(failure);
      try {
        this.#measures.push(await this.#quiet(start));
        if (round === ROUNDS || this.#late) this.#compare();
      } catch (error) {
        const script = ["All scripts so far together; no single one shows it."];
        return this.#report({ part: "all", seed: this.#options.seed, why: (error as Error).message, script });
      }
    }
    return this.#report(undefined);
  }

  /** Seeds of all parts beside each other, until each part has had its messages. */
  async #round(round: number): Promise<Failure | undefined> {
    const { alone = false, messages } = this.#options;
    const suspects: Suspect[] = [];
    const next = (): Part<unknown> | undefined => {
      if (this.#late || suspects.length > 0) return undefined;
      const behind = this.#parts
        .map(({ part, share }) => ({ part, done: (this.#messages[part.name] ?? 0) / (messages * share) }))
        .sort((one, other) => one.done - other.done)[0];
      return behind && behind.done < round / ROUNDS ? behind.part : undefined;
    };
    const lane = async (): Promise<void> => {
      for (let part = next(); part; part = next()) {
        const used = this.#seeds.get(part.name) ?? 0;
        this.#seeds.set(part.name, used + 1);
        const seed = this.#options.seed + used;
        const failure = await this.#check(part, seed, alone);
        if (failure) suspects.push({ part, seed, failure });
      }
    };
    await Promise.all(Array.from({ length: alone ? 1 : LANES }, lane));
    const [first] = suspects;
    if (!first || alone) return first?.failure;
    return (await this.#culprit(suspects)) ?? first.failure;
  }

  /** Which of the seeds fails without the others, with a shorter script if there is one. */
  async #culprit(suspects: readonly Suspect[]): Promise<Failure | undefined> {
    for (const { part, seed } of suspects) {
      const failure = await this.#check(part, seed, true);
      if (failure) return failure;
    }
    return undefined;
  }

  get #late(): boolean {
    const { minutes } = this.#options;
    return minutes !== undefined && performance.now() - this.#began > minutes * 60_000;
  }

  /** The scripts of one seed. @param alone nothing else plays: a failure's script is made shorter */
  async #check(part: Part<unknown>, seed: number, alone: boolean): Promise<Failure | undefined> {
    const stage = this.#stage;
    stage.patienceMs = PATIENCE_MS;
    const property = fc.asyncProperty(part.scripts, async (script) => {
      if (alone) await stage.renew();
      this.#messages[part.name] = (this.#messages[part.name] ?? 0) + part.messages(script);
      this.#tell();
      await part.play(script, stage).catch((error: unknown) => {
        // What is not answered is waited for again with every shorter script.
        if (alone) stage.patienceMs = SHRINK_PATIENCE_MS;
        throw error;
      });
    });
    const { counterexample, errorInstance } = await fc.check(property, {
      seed,
      numRuns: SCRIPTS_PER_SEED,
      endOnFailure: !alone,
      ...(alone && { interruptAfterTimeLimit: SHRINK_MS, markInterruptAsFailure: false }),
    });
    if (alone) await stage.idle();
    if (counterexample === null) return undefined;
    const why = errorInstance instanceof Violation ? errorInstance.message : inspect(errorInstance);
    return { part: part.name, seed, why, script: part.show(counterexample[0]), alone };
  }

  /**
   * What the gateway holds once all who came have gone. @param start what it must be back to
   * @throws Violation
   */
  async #quiet(start: Measure | undefined): Promise<Measure> {
    const stage = this.#stage;
    stage.hangUp();
    const until = performance.now() + QUIET_MS;
    for (;;) {
      const measure = await stage.child.measure();
      if (!measure) throw new Violation(`the gateway died: ${stage.child.takeFaults().join("\n")}`);
      const left = start && leftBehind(start, measure, stage.upstream.connections);
      if (left === undefined) {
        // Empty rooms have closed by themselves; now their sandboxes go, and what is measured is without them.
        await stage.removeAll();
        stage.hangUp();
        return (await stage.child.measure()) ?? measure;
      }
      if (performance.now() > until) throw new Violation(`all have left, and there is still: ${left}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** @throws Violation */
  #compare(): void {
    const [first] = this.#measures;
    const last = this.#measures.at(-1);
    if (!first || !last || last.heapUsed - first.heapUsed <= HEAP_SLACK_BYTES) return;
    throw new Violation(
      `memory grows: ${mega(first.heapUsed)} after the first round, ${mega(last.heapUsed)} after the last`,
    );
  }

  #report(failure: Failure | undefined): FuzzReport {
    const { tally, histories, witnessed } = this.#stage;
    return {
      messages: this.#messages,
      failure,
      measures: this.#measures,
      answers: tally.answers,
      codes: tally.codes,
      events: histories.types,
      witnessed,
    };
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#told < PROGRESS_MS) return;
    this.#told = now;
    const all = Object.values(this.#messages).reduce((sum, each) => sum + each, 0);
    const parts = Object.entries(this.#messages).map(([name, each]) => `${name} ${each}`);
    const perSecond = Math.round((all * 1_000) / (now - this.#began));
    const heap = this.#measures.at(-1);
    this.#options.progress?.(
      `${all} messages (${parts.join(", ")}), ${perSecond}/s${heap ? `, heap ${mega(heap.heapUsed)}` : ""}`,
    );
  }
}

function leftBehind(start: Measure, now: Measure, upstream: number): string | undefined {
  const left = [
    ...(now.rooms > start.rooms ? [`${now.rooms - start.rooms} rooms`] : []),
    ...(now.listeners > start.listeners ? [`${now.listeners - start.listeners} listeners of the store`] : []),
    ...(upstream > 0 ? [`${upstream} connections to browsers`] : []),
    ...Object.entries(now.resources).flatMap(([name, count]) => {
      const more = count - (start.resources[name] ?? 0);
      return more > 0 ? [`${more} × ${name}`] : [];
    }),
  ];
  return left.length === 0 ? undefined : left.join(", ");
}

export function mega(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
