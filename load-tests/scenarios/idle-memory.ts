/** How much memory a subscriber costs who is connected, and to whom nothing is sent. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { FIELD, fieldRedis, loadOf, startOrSay, type Contender, type Served } from "../lib/field.ts";
import type { IdleQuestion } from "../lib/idle-process.ts";
import { Resources } from "../lib/resources.ts";
import { takeTurns, type Context, type Path, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";

const TITLE = "Memory of an idle subscriber";
const CHANNEL = "idle";
const ROUNDS = 2;
/** For what a join leaves behind to be done with. */
const SETTLE_MS = 300;
/** The least of so many looks counts: the engine gives pages back some time after it has collected what was in them. */
const LOOKS = 3;
/** More of them before the first that counts: code that has not run for several collections is thrown away. */
const EARLY_LOOKS = 10;
/** A process has more open than its sockets. */
const SPARE_FILES = 500;
const { loop, uws, batonWs, batonUws, socketIo } = FIELD;

export const idleMemory: Scenario = {
  id: "idle-memory",
  async run(context) {
    const redisUrl = await fieldRedis(context);
    const { plan, say } = context;
    const most = Math.max(...plan.idle);
    if (most + SPARE_FILES > openFiles())
      throw new Error(
        `${most} connections need as many open files; raise the limit of open files (ulimit -Hn) to ${most + SPARE_FILES}`,
      );
    const sizes = plan.idle.map((size) => size.toLocaleString("en")).join(", ");
    const missing: string[] = [];
    const paths: Path[] = [];
    const again: Contender = { ...loop, name: "ws, again", kind: "control" };
    const contenders = [
      { ...loop, name: "ws", kind: "reference" as const },
      { ...uws, name: "uWS" },
      socketIo,
      batonWs,
      batonUws,
      again,
    ];
    for (const [index, contender] of contenders.entries()) {
      const start = (resources: Resources): Promise<Served | string> =>
        startOrSay(contender, resources, { redisUrl, channel: CHANNEL }, say);
      const trial = new Resources();
      context.resources.onClose(() => trial.close());
      const there = await start(trial);
      await trial.close();
      if (typeof there === "string") missing.push(there);
      else {
        const { name, kind } = contender;
        let turn = 0;
        const measure = (): Promise<Sample> => take(context, start, `${CHANNEL}-${index}-${(turn += 1)}`);
        paths.push({ name, kind, measure });
      }
    }
    return [
      {
        id: "idle-memory",
        title: TITLE,
        unit: "KB",
        measured: `that the server occupies for each subscriber: the slope of a line through ${sizes} of them`,
        oneValue: true,
        paths: await takeTurns(context, TITLE, paths, {
          unit: "KB",
          rounds: Math.min(ROUNDS, plan.rounds),
          warmUp: false,
        }),
        notes: missing,
      },
    ];
  },
};

/** Each turn has processes of its own: memory that was used once is not all given back. */
async function take(
  { plan, resources }: Context,
  start: (resources: Resources) => Promise<Served | string>,
  channel: string,
): Promise<Sample> {
  const own = new Resources();
  resources.onClose(() => own.close());
  try {
    const server = await start(own);
    if (typeof server === "string") throw new Error(server);
    const { ask } = await loadOf(own, "idle-process.ts", server, channel, 0);
    const points: Point[] = [];
    for (const subscribers of plan.idle) {
      await ask({ subscribers } satisfies IdleQuestion);
      if (points.length === 0) await least(server, EARLY_LOOKS);
      points.push({ x: subscribers, y: await least(server, LOOKS) });
    }
    return { values: [slope(points) / 1_000] };
  } finally {
    await own.close();
  }
}

async function least({ memory }: Served, looks: number): Promise<number> {
  if (!memory) throw new Error("this server cannot be asked for its memory");
  let bytes = Infinity;
  for (let look = 0; look < looks; look += 1) {
    await delay(SETTLE_MS);
    bytes = Math.min(bytes, await memory());
  }
  return bytes;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Of the line with the least squares of distances. */
function slope(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [mx, my] = [mean(({ x }) => x), mean(({ y }) => y)];
  return mean(({ x, y }) => (x - mx) * (y - my)) / mean(({ x }) => (x - mx) ** 2);
}

/** Most that a process may have open: Node raises its own limit as far as it may. */
function openFiles(): number {
  const limits = readFileSync("/proc/self/limits", "latin1");
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
