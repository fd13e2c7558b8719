/** How many transitions a second one Redis takes, and what each costs it. */
import { startWorker } from "../lib/processes.ts";
import { cpuMicrosOf, startRedis, type BenchRedis, type Fsync } from "../lib/redis.ts";
import { takeStepTurns, type Context, type Result, type Scenario, type Steps } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";
import type { Load, LoadOrder } from "../lib/transitions-process.ts";

/** Calls under way at a time, in all processes together. */
const IN_FLIGHT = 64;
const PROCESSES = 2;

type Ask = (order: LoadOrder) => Promise<Load>;

export const transitions: Scenario = {
  id: "transitions",
  async run(context) {
    return [await withFsync(context, "everysec"), await withFsync(context, "always")];
  },
};

async function withFsync(context: Context, fsync: Fsync): Promise<Result> {
  const title = `Transitions, appendfsync ${fsync}`;
  const redis = await startRedis(context, fsync);
  const workers = await Promise.all(
    Array.from({ length: PROCESSES }, (_, index) =>
      startWorker(context.resources, "transitions-process.ts", [redis.url, `${fsync}-${index}`]),
    ),
  );
  const asks = workers.map(({ ask }): Ask => ask);
  const by = (way: LoadOrder["way"]) => () => measure(redis, asks, way, context.plan.transitionsMs);
  const paths = await takeStepTurns(context, title, [
    { name: "plain writes", kind: "reference", measure: by("plain") },
    { name: "transitions", kind: "gateway", measure: by("transitions") },
    { name: "plain writes again", kind: "control", measure: by("plain") },
  ]);
  const costs = paths.filter(({ kind }) => kind === "gateway").map(({ cpuMicros = Number.NaN }) => cpuMicros);
  const most = Math.round(1e6 / Math.min(...costs));
  return {
    id: `transitions-${fsync}`,
    title,
    measured: `of one of ${IN_FLIGHT} that are under way at a time`,
    counted: "all processes together",
    cpuOf: "Redis's main thread",
    paths,
    notes: [`At that cost, a core of Redis's own that is fully used would be ${most} transitions a second.`],
  };
}

async function measure(
  redis: BenchRedis,
  asks: readonly Ask[],
  way: LoadOrder["way"],
  windowMs: number,
): Promise<Steps> {
  const steps: Record<string, Sample> = {};
  for (let count = 1; count <= asks.length; count += 1) {
    const before = await cpuMicrosOf(redis.client);
    const order: LoadOrder = { way, inFlight: IN_FLIGHT / count, windowMs };
    const loads = await Promise.all(asks.slice(0, count).map((ask) => ask(order)));
    const cpuMicros = (await cpuMicrosOf(redis.client)) - before;
    const total = loads.reduce((sum, load) => sum + load.total, 0);
    steps[count === 1 ? "1 process" : `${count} processes`] = {
      values: loads.flatMap(({ taken }) => taken),
      perSecond: loads.reduce((sum, { taken }) => sum + taken.length, 0) / (windowMs / 1_000),
      cpuMicros: cpuMicros / total,
    };
  }
  return steps;
}
