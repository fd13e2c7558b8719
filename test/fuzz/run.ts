/** `npm run test:fuzz -- [--messages N] [--minutes M] [--seed S] [--only socket,cdp,http,raw] [--tokens] [--alone]` */
import { parseArgs } from "node:util";
import { fuzz, mega, PART_NAMES } from "./fuzz.ts";
import { describeFailure } from "./report.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "2000000" },
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    only: { type: "string" },
    /** Callers have to show tokens. */
    tokens: { type: "boolean", default: false },
    /** One seed at a time, as the report of a failure says. */
    alone: { type: "boolean", default: false },
  },
});
const only = values.only?.split(",");
for (const name of only ?? [])
  if (!PART_NAMES.includes(name)) throw new Error(`--only takes ${PART_NAMES.join(", ")}; ${name} is none`);

const seed = Number(values.seed);
console.log(`seed ${seed}`);
const began = performance.now();
const report = await fuzz({
  seed,
  messages: Number(values.messages),
  ...(values.minutes !== undefined && { minutes: Number(values.minutes) }),
  alone: values.alone,
  mode: values.tokens ? "tokens" : "open",
  ...(only && { only }),
  progress: (line) => console.log(line),
});
const all = Object.values(report.messages).reduce((sum, each) => sum + each, 0);
console.log(
  `\n${all} messages in ${((performance.now() - began) / 1_000).toFixed(0)} s: ${JSON.stringify(report.messages)}`,
);
console.log(`handoffs of the good client: ${report.witnessed}`);
console.log(`heap after each tenth: ${report.measures.map(({ heapUsed }) => mega(heapUsed)).join(", ")}`);
console.log(`resident: ${report.measures.map(({ rss }) => mega(rss)).join(", ")}`);
console.log(
  `longest stop of the event loop: ${Math.max(0, ...report.measures.map(({ longestBlockMs }) => longestBlockMs)).toFixed(0)} ms`,
);
console.log(`answers: ${list(report.answers)}`);
console.log(`refusals: ${list(report.codes)}`);
console.log(`events: ${[...report.events].sort().join(", ")}`);
if (report.failure) {
  console.log(`\n${describeFailure(report.failure, values.tokens ? "tokens" : "open")}`);
  process.exitCode = 1;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
