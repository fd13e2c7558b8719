/** A run's results as people read them: a table in the terminal, and a page that is kept. */
import { GOAL_HEADS, rowOf } from "./goals.ts";
import type { Goal, PathResult, Plan, Result, Unit } from "./scenario.ts";
import { middle, type Ratio } from "./stats.ts";

/** A machine with more than this waiting at the start is doing something else as well. */
const QUIET_LOAD = 0.5;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly chromium?: string;
  readonly redis?: string;
  /** Processes that ran or waited to run, averaged over the minute before the run. Zero on Windows. */
  readonly loadAtStart: number;
}

export interface Report {
  readonly startedAt: string;
  readonly durationS: number;
  readonly machine: Machine;
  readonly plan: Plan;
  /** Of what was measured. */
  readonly goals: readonly Goal[];
  readonly results: readonly Result[];
}

/** What the command that wrote it is called, and the chart that it drew, if it did. */
export interface Page {
  readonly command: string;
  readonly chart?: string;
}

const NAMES: Readonly<Record<Unit, string>> = {
  ms: "milliseconds",
  MB: "megabytes",
  µs: "microseconds",
  KB: "kilobytes",
};

export function toText(report: Report): string {
  const parts = report.results.map((result) => {
    const notes = (result.notes ?? []).map((note) => `  ${note}`);
    return [`${result.title}: ${describe(result)}`, ...aligned(table(result)), ...notes].join("\n");
  });
  const goals =
    report.goals.length === 0
      ? []
      : [["Goals", ...aligned([[...GOAL_HEADS], ...report.goals.map(rowOf)])].join("\n")];
  return [...parts, ...goals, ...warnings(report)].join("\n\n");
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell[column === 0 ? "padEnd" : "padStart"](widths[column] ?? 0)).join("  ");
  return rows.map((row) => `  ${line(row)}`);
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((_, column) => (column === 0 ? "---" : "--:")));
  return [line(head), rule, ...rows.map(line)].join("\n");
}

export function toMarkdown(report: Report, { command, chart }: Page): string {
  const { machine, plan } = report;
  const parts = report.results.map((result) =>
    [
      `## ${result.title}`,
      `${capital(describe(result))}.`,
      markdownTable(table(result)),
      ...(result.notes ?? []),
    ].join("\n\n"),
  );
  const goals =
    report.goals.length === 0
      ? []
      : [["## Goals", markdownTable([[...GOAL_HEADS], ...report.goals.map(rowOf)])].join("\n\n")];
  const facts = [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB`,
    machine.system,
    `Node ${machine.node}`,
    ...(machine.chromium === undefined ? [] : [machine.chromium]),
    ...(machine.redis === undefined ? [] : [`Redis ${machine.redis}`]),
    `load ${machine.loadAtStart.toFixed(2)} at the start`,
  ];
  return `${[
    "# Results of the last run",
    `Written by \`${command}\` on ${report.startedAt}; it took ${report.durationS} s. [How to read it](../README.md).`,
    `Machine: ${facts.join(" · ")}.`,
    ...warnings(report).map((warning) => `**${warning}**`),
    `${plan.rounds} rounds. A ratio is path divided by reference, taken in each round: the median, and in brackets the
smallest and the largest. Where a path's ratio lies within the brackets of the reference's own repetition ("again"), the
run shows no difference.`,
    ...(chart === undefined
      ? []
      : [`![Processor time of a delivery, each server under the same load](${chart})`]),
    ...goals,
    ...parts,
  ].join("\n\n")}\n`;
}

interface Extra {
  readonly heads: readonly string[];
  readonly cells: (path: PathResult, none: string) => readonly string[];
}

const RATE: Extra = {
  heads: ["per second", "per second ratio"],
  cells: ({ perSecond, against }, none) => [
    perSecond?.toFixed(1) ?? "",
    against ? ratio(against.perSecond) : none,
  ],
};
const COST: Extra = {
  heads: ["CPU µs each", "CPU ratio"],
  cells: ({ cpuMicros, against, isCostReference }) => [
    cpuMicros?.toFixed(1) ?? "",
    isCostReference ? "reference" : ratio(against?.cpuMicros),
  ],
};

function table({ unit = "ms", counted, cpuOf, oneValue, paths }: Result): string[][] {
  const extras = [...(counted === undefined ? [] : [RATE]), ...(cpuOf === undefined ? [] : [COST])];
  if (oneValue) return oneValueTable(unit, paths, extras);
  const heads = ["path", `p50 ${unit}`, `p99 ${unit}`, `added p50 ${unit}`, "p50 ratio", "p99 ratio"];
  return [
    [...heads, ...extras.flatMap((extra) => extra.heads)],
    ...paths.map((path) => {
      const { name, kind, p50, p99, against } = path;
      const none = kind === "reference" ? "reference" : "";
      return [
        name,
        ms(p50),
        ms(p99),
        against ? signed(against.addedP50) : none,
        against ? ratio(against.p50) : none,
        against ? ratio(against.p99) : none,
        ...extras.flatMap(({ cells }) => cells(path, none)),
      ];
    }),
  ];
}

/** Its median over the rounds, and how far they lie apart. */
function oneValueTable(unit: Unit, paths: readonly PathResult[], extras: readonly Extra[]): string[][] {
  return [
    ["path", unit, "smallest – largest", "ratio", ...extras.flatMap(({ heads }) => heads)],
    ...paths.map((path) => {
      const { name, kind, rounds, against } = path;
      const values = rounds.map(({ p50 }) => p50);
      const none = kind === "reference" ? "reference" : "";
      return [
        name,
        middle(values).toFixed(2),
        `${Math.min(...values).toFixed(2)} – ${Math.max(...values).toFixed(2)}`,
        against ? ratio(against.p50) : none,
        ...extras.flatMap(({ cells }) => cells(path, none)),
      ];
    }),
  ];
}

function describe({ unit = "ms", measured, counted, cpuOf, paths }: Result): string {
  const samples = paths.map((path) => path.samples);
  const [least, most] = [Math.min(...samples), Math.max(...samples)];
  const rate = counted === undefined ? "" : `; per second: ${counted}`;
  const cpu = cpuOf === undefined ? "" : `; CPU: ${cpuOf}`;
  return `${NAMES[unit]} ${measured}${rate}${cpu} (${least === most ? most : `${least} to ${most}`} samples a path)`;
}

function warnings({ machine }: Report): string[] {
  if (machine.loadAtStart <= QUIET_LOAD) return [];
  const load = machine.loadAtStart.toFixed(1);
  return [
    `Preliminary: the machine was busy with other work when the run began (load ${load}, ${machine.cores} cores). ` +
      "Run it again when it is quiet.",
  ];
}

function ms(value: number): string {
  const size = Math.abs(value);
  return `${value < 0 ? "−" : ""}${size.toFixed(size < 10 ? 3 : 1)}`;
}

function signed(value: number): string {
  return value < 0 ? ms(value) : `+${ms(value)}`;
}

function ratio(of: Ratio | undefined): string {
  return of ? `${of.median.toFixed(2)} (${of.min.toFixed(2)}–${of.max.toFixed(2)})` : "";
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
