/** `npm run bench`: measures the gateway against plainer ways to do the same. README.md says how and why. */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";
import { parseArgs } from "node:util";
import { fanOutChart } from "./lib/chart.ts";
import { goalsOf } from "./lib/goals.ts";
import { toMarkdown, toText, type Report } from "./lib/report.ts";
import { Resources } from "./lib/resources.ts";
import type { Plan, Result, Scenario } from "./lib/scenario.ts";
import { batonPass } from "./scenarios/baton-pass.ts";
import { cdpCommands } from "./scenarios/cdp-commands.ts";
import { cdpScreenshots } from "./scenarios/cdp-screenshots.ts";
import { cdpScript } from "./scenarios/cdp-script.ts";
import { cdpStalled } from "./scenarios/cdp-stalled.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { fanOutCost } from "./scenarios/fan-out-cost.ts";
import { fanOutLatency } from "./scenarios/fan-out-latency.ts";
import { frameLatency } from "./scenarios/frame-latency.ts";
import { frameRate } from "./scenarios/frame-rate.ts";
import { idleMemory } from "./scenarios/idle-memory.ts";
import { idleRooms } from "./scenarios/idle-rooms.ts";
import { inputLatency } from "./scenarios/input-latency.ts";
import { inputRoundTrip } from "./scenarios/input-round-trip.ts";
import { reconnect } from "./scenarios/reconnect.ts";
import { transitions } from "./scenarios/transitions.ts";
import { viewers } from "./scenarios/viewers.ts";

const SCENARIOS: readonly Scenario[] = [
  inputLatency,
  frameLatency,
  frameRate,
  inputRoundTrip,
  batonPass,
  transitions,
  fanOut,
  cdpScript,
  cdpCommands,
  cdpScreenshots,
  cdpStalled,
  fanOutCost,
  fanOutLatency,
  idleMemory,
  reconnect,
  viewers,
  idleRooms,
];
const FULL: Plan = {
  rounds: 5,
  inputs: 500,
  frames: 100,
  frameRateMs: 1_500,
  roundTrips: 45,
  passes: 60,
  transitionsMs: 1_000,
  events: 40,
  scripts: 12,
  screenshots: 6,
  commands: 400,
  stalledMs: 3_000,
  fieldMs: 800,
  paceMs: 5_000,
  fieldWindows: [4, 1, 16],
  idle: [2_000, 4_000, 6_000],
  subscribers: 10_000,
  viewers: 500,
  viewersMs: 6_000,
  idleRooms: 10_000,
  idleMs: 5_000,
};
const QUICK: Plan = {
  rounds: 2,
  inputs: 40,
  frames: 12,
  frameRateMs: 400,
  roundTrips: 10,
  passes: 10,
  transitionsMs: 150,
  events: 8,
  scripts: 4,
  screenshots: 3,
  commands: 100,
  stalledMs: 800,
  fieldMs: 400,
  paceMs: 800,
  fieldWindows: [4],
  idle: [1_000, 2_000],
  subscribers: 1_000,
  viewers: 500,
  viewersMs: 1_000,
  idleRooms: 2_000,
  idleMs: 1_000,
};
/** Those that the goals are about, by their ids. */
const FIELD: ReadonlySet<string> = new Set([
  "fan-out-cost",
  "fan-out-latency",
  "idle-memory",
  "reconnect",
  "viewers",
  "idle-rooms",
  "input-latency",
  "frame-latency",
]);
/** Something hangs if a run is not over by then. */
const MAX_RUN_MS = 45 * 60_000;
const RESULTS = new URL("results/", import.meta.url);
const CHART = "fan-out.svg";

const USAGE = `npm run bench [-- --quick] [-- --only <scenario>] [-- --field]
  --quick   fewer samples, less than 20 s a scenario, a minute where it is the field's; writes no results
  --field   the scenarios that the goals are about; writes results/field.json, field.md and the chart
  --only    one of ${SCENARIOS.map(({ id }) => id).join(", ")}; writes no results
`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
/** What the scenario of the moment holds. */
let resources = new Resources();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean" },
      only: { type: "string" },
      field: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const scenarios = SCENARIOS.filter(({ id }) =>
    values.only === undefined ? !values.field || FIELD.has(id) : id === values.only,
  );
  if (scenarios.length === 0) {
    say(`There is no scenario ${values.only}.\n${USAGE}`);
    return 2;
  }
  const plan = values.quick ? QUICK : FULL;
  const report = await measure(scenarios, plan);
  say(`\n${toText(report)}\n`);
  if (values.quick || values.only !== undefined) return 0;
  await mkdir(RESULTS, { recursive: true });
  const name = values.field ? "field" : "latest";
  const drawn = fanOutChart(report.results);
  if (drawn !== undefined) await writeFile(new URL(CHART, RESULTS), drawn);
  const page = {
    command: `npm run bench${values.field ? " -- --field" : ""}`,
    ...(drawn !== undefined && { chart: CHART }),
  };
  await writeFile(new URL(`${name}.json`, RESULTS), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(new URL(`${name}.md`, RESULTS), toMarkdown(report, page));
  say(
    `Written to load-tests/results: ${[`${name}.json`, `${name}.md`, ...(drawn ? [CHART] : [])].join(", ")}.`,
  );
  return 0;
}

async function measure(scenarios: readonly Scenario[], plan: Plan): Promise<Report> {
  const startedAt = new Date();
  const [loadAtStart = 0] = loadavg();
  const facts: Record<string, string> = {};
  const results: Result[] = [];
  for (const scenario of scenarios) {
    resources = new Resources();
    try {
      const note = (name: string, value: string): void => void (facts[name] = value);
      results.push(...(await scenario.run({ plan, resources, say, note })));
    } finally {
      await resources.close();
    }
  }
  const { chromium, redis } = facts;
  return {
    startedAt: startedAt.toISOString(),
    durationS: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown processor",
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 1024 ** 3),
      system: `${type()} ${release()} ${arch()}`,
      node: process.versions.node,
      ...(chromium !== undefined && { chromium }),
      ...(redis !== undefined && { redis }),
      loadAtStart,
    },
    plan,
    goals: goalsOf(results),
    results,
  };
}

let stopping = false;

/** Ends what runs, whatever it is doing. */
function stop(why: string, code: number): void {
  if (stopping) return;
  stopping = true;
  process.stderr.write(`${why}: ending what the benchmark started\n`);
  resources.close().then(
    () => process.exit(code),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}

function failed(error: unknown): void {
  // What was under way when the run was stopped fails, of course.
  if (!stopping) console.error(error);
  stop("Failed", 1);
}

process.once("SIGINT", () => stop("Interrupted", 130));
process.once("SIGTERM", () => stop("Terminated", 143));
// Thrown in a socket's handler, where nobody awaits it.
process.on("uncaughtException", failed);
setTimeout(() => stop(`Not done after ${MAX_RUN_MS / 60_000} minutes`, 1), MAX_RUN_MS).unref();

main().then((code) => (process.exitCode = code), failed);
