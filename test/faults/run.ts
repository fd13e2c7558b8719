/** `npm run test:faults -- --minutes N [--seed S] [--topology redis|cluster|local|memory]`: run after run until the time is over. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect, parseArgs } from "node:util";
import { check } from "./check.ts";
import { ofKind } from "./history.ts";
import { runScenario } from "./scenario.ts";
import { shortcomings, summarize, type Summary, together } from "./summary.ts";
import { topologies } from "./topologies.ts";
import type { Violation } from "./violation.ts";

/** One run strikes for this long. Short, so that a failing seed can be run again alone, and its log stays whole. */
const RUN_MS = 30_000;
const MAX_SHOWN = 5;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    topology: { type: "string", default: "redis" },
    /** This many runs, in place of minutes. */
    runs: { type: "string" },
    /** Only faults whose name matches this regular expression. */
    only: { type: "string" },
    /** Leaves the histories of runs that held, too. */
    keep: { type: "boolean", default: false },
  },
});
const start = topologies.get(values.topology);
if (!start) throw new Error(`--topology must be one of ${[...topologies.keys()].join(", ")}`);
const firstSeed = Number(values.seed);
const deadline = performance.now() + Number(values.minutes) * 60_000;
const base = await mkdtemp(join(tmpdir(), "baton-faults-"));
let total: Summary | undefined;
let failures = 0;

for (let run = 0; goesOn(run); run += 1) {
  const seed = firstSeed + run;
  const dir = join(base, String(seed));
  await mkdir(dir);
  try {
    const { history, guarantees, path } = await runScenario({
      seed,
      start,
      durationMs: RUN_MS,
      dir,
      ...(values.only !== undefined && { only: new RegExp(values.only) }),
    });
    const summary = summarize(history);
    total = total ? together(total, summary) : summary;
    const violations = check(history, guarantees);
    const lacking = shortcomings(summary, RUN_MS);
    console.log(
      `seed ${seed} ${violations.length === 0 && lacking.length === 0 ? "held" : "FAILED"}: ${words(summary)}`,
    );
    for (const { text } of ofKind(history, "note")) console.log(`  note: ${text}`);
    if (violations.length === 0 && lacking.length === 0) {
      if (values.keep) console.log(`  history: ${path}`);
      else await rm(dir, { recursive: true });
      continue;
    }
    failures += 1;
    for (const what of lacking) console.log(`  too little: ${what}`);
    for (const found of violations.slice(0, MAX_SHOWN)) show(found);
    if (violations.length > MAX_SHOWN) console.log(`  and ${violations.length - MAX_SHOWN} more violations`);
    console.log(
      `  history: ${path}\n  again: npm run test:faults -- --topology ${values.topology} --seed ${seed} --runs 1${values.only === undefined ? "" : ` --only "${values.only}"`}`,
    );
  } catch (error) {
    failures += 1;
    console.log(`seed ${seed} FAILED: ${inspect(error)}`);
    console.log(`  history and logs: ${dir}`);
  }
}
if (total) console.log(`\n${values.topology}, ${total.runs} runs, ${failures} failed: ${words(total)}`);
process.exitCode = failures === 0 ? 0 : 1;

function goesOn(run: number): boolean {
  if (values.runs !== undefined) return run < Number(values.runs);
  return run === 0 || performance.now() < deadline;
}

function show({ rule, what, excerpt }: Violation): void {
  console.log(`  ${rule}: ${what}`);
  for (const entry of excerpt) console.log(`    ${JSON.stringify(entry).slice(0, 600)}`);
}

function words({ faults, handoffs, claims, reached, refused, lost, unavailableMs }: Summary): string {
  const struck = Object.entries(faults).map(([fault, count]) => `${count} × ${fault}`);
  return [
    `${handoffs} handoffs completed, ${claims} claims, ${reached} inputs reached the page, ${refused} refused`,
    ...(lost > 0 ? [`${lost} acknowledged calls lost`] : []),
    `longest without an answer ${(unavailableMs / 1_000).toFixed(1)} s`,
    struck.join(", "),
  ].join("; ");
}
