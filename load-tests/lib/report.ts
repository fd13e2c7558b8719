/** A run's results as people read them: a table in the terminal, and a page that is kept. */
import type { PathResult, Plan, Result } from "./scenario.ts";
import type { Ratio } from "./stats.ts";

/** A machine with more than this waiting at the start is doing something else as well. */
const QUIET_LOAD = 0.5;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly chromium?: string;
  /** Processes that ran or waited to run, averaged over the minute before the run. Zero on Windows. */
  readonly loadAtStart: number;
}

export interface Report {
  readonly startedAt: string;
  readonly durationS: number;
  readonly machine: Machine;
  readonly plan: Plan;
  readonly results: readonly Result[];
}

const HEAD = ["path", "p50 ms", "p99 ms", "added p50 ms", "p50 ratio", "p99 ratio"];

export function toText(report: Report): string {
  const parts = report.results.map((result) => {
    const rows = table(result);
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? "").length)),
    );
    const lines = rows.map((row) =>
      row.map((cell, column) => cell[column === 0 ? "padEnd" : "padStart"](widths[column] ?? 0)).join("  "),
    );
    return [`${result.title}: ${describe(result)}`, ...lines.map((line) => `  ${line}`)].join("\n");
  });
  return [...parts, ...warnings(report)].join("\n\n");
}

export function toMarkdown(report: Report): string {
  const { machine, plan } = report;
  const parts = report.results.map((result) => {
    const [head = [], ...rows] = table(result);
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    const rule = line(head.map((_, column) => (column === 0 ? "---" : "--:")));
    return [
      `## ${result.title}`,
      "",
      `${capital(describe(result))}.`,
      "",
      line(head),
      rule,
      ...rows.map(line),
    ].join("\n");
  });
  const facts = [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB`,
    machine.system,
    `Node ${machine.node}`,
    ...(machine.chromium === undefined ? [] : [machine.chromium]),
    `load ${machine.loadAtStart.toFixed(2)} at the start`,
  ];
  return `${[
    "# Results of the last run",
    `Written by \`npm run bench\` on ${report.startedAt}; it took ${report.durationS} s. [How to read it](../README.md).`,
    `Machine: ${facts.join(" · ")}.`,
    ...warnings(report).map((warning) => `**${warning}**`),
    `${plan.rounds} rounds. A ratio is path divided by reference, taken in each round: the median, and in brackets the
smallest and the largest. Where a path's ratio lies within the brackets of the reference's own repetition ("again"), the
run shows no difference.`,
    ...parts,
  ].join("\n\n")}\n`;
}

function table(result: Result): string[][] {
  const counts = result.counted !== undefined;
  const head = counts ? [...HEAD, "per second", "per second ratio"] : HEAD;
  return [head, ...result.paths.map((path) => row(path, counts))];
}

function row({ name, kind, p50, p99, perSecond, against }: PathResult, counts: boolean): string[] {
  const none = kind === "reference" ? "reference" : "";
  return [
    name,
    ms(p50),
    ms(p99),
    against ? signed(against.addedP50) : none,
    against ? ratio(against.p50) : none,
    against ? ratio(against.p99) : none,
    ...(counts ? [perSecond?.toFixed(1) ?? "", against?.perSecond ? ratio(against.perSecond) : none] : []),
  ];
}

function describe({ measured, counted, paths }: Result): string {
  const samples = paths.map((path) => path.samples);
  const [least, most] = [Math.min(...samples), Math.max(...samples)];
  const rate = counted === undefined ? "" : `; per second: ${counted}`;
  return `milliseconds ${measured}${rate} (${least === most ? most : `${least} to ${most}`} samples a path)`;
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
  return value.toFixed(value < 10 ? 3 : 1);
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${ms(Math.abs(value))}`;
}

function ratio({ median, min, max }: Ratio): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
