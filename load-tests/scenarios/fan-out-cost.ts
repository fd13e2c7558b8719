/** What a delivery costs a server that has always something to deliver. */
import { FIELD, fieldRedis, loadAll, SUBSCRIBERS, type Loaded } from "../lib/field.ts";
import type { Turn } from "../lib/field-load-process.ts";
import { takeStepTurns, type Result, type Scenario, type StepPath, type Steps } from "../lib/scenario.ts";

const TITLE = "Cost of a delivery";
const SETTLE_MS = 200;

export const fanOutCost: Scenario = {
  id: "fan-out-cost",
  async run(context) {
    const redisUrl = await fieldRedis(context);
    context.say(`${TITLE}: each of the servers gets ${SUBSCRIBERS} subscribers`);
    const { loaded, missing } = await loadAll(context, Object.values(FIELD), redisUrl);
    const { fieldWindows: windows, fieldMs } = context.plan;
    const [first] = windows;
    const turns = new Map<string, Turn[]>();
    const paths = loaded.map((one) => path(one, windows, fieldMs, turns));
    const all = await takeStepTurns(context, TITLE, paths, { unit: "µs" });
    return windows.map((window): Result => {
      const prefix = `${stepOf(window)}: `;
      const own = all.filter(({ name }) => name.startsWith(prefix));
      const seen = own.map(({ name }) => described(name.slice(prefix.length), turns.get(name) ?? []));
      return {
        id: window === first ? "fan-out-cost" : `fan-out-cost-${window}`,
        title: `${TITLE}, ${stepOf(window)}`,
        unit: "µs",
        measured: `of the server's processor time for each delivery to one of ${SUBSCRIBERS} subscribers, user and system`,
        counted: "deliveries",
        oneValue: true,
        paths: own.map((result) => ({ ...result, name: result.name.slice(prefix.length) })),
        notes: [
          `Share of its core that the server used, and deliveries that one read of a subscriber brought: ${seen.join("; ")}.`,
          ...(window === first ? missing : []),
        ],
      };
    });
  },
};

function stepOf(window: number): string {
  return `${window} under way`;
}

function path(
  { contender, turn }: Loaded,
  windows: readonly number[],
  forMs: number,
  turns: Map<string, Turn[]>,
): StepPath {
  const { name, kind } = contender;
  const measure = async (): Promise<Steps> => {
    const steps: Record<string, Steps[string]> = {};
    for (const window of windows) {
      const taken = await turn({ window, settleMs: SETTLE_MS, forMs });
      const key = `${stepOf(window)}: ${name}`;
      turns.set(key, [...(turns.get(key) ?? []), taken]);
      steps[stepOf(window)] = {
        values: [taken.serverMicros / taken.deliveries],
        perSecond: (taken.deliveries / taken.ms) * 1_000,
      };
    }
    return steps;
  };
  return { name, kind, measure };
}

function described(name: string, turns: readonly Turn[]): string {
  const mean = (of: (turn: Turn) => number): number =>
    turns.reduce((sum, turn) => sum + of(turn), 0) / Math.max(1, turns.length);
  const busy = mean(({ serverMicros, ms }) => serverMicros / ms / 10);
  return `${name} ${busy.toFixed(0)} %, ${mean(({ perRead }) => perRead).toFixed(1)}`;
}
