/** Draws what a delivery costs each server: a bar to the median, and a line from the cheapest round to the dearest. */
import { middle } from "./stats.ts";
import type { PathResult, Result } from "./scenario.ts";

const RESULT_ID = "fan-out-cost";
const [WIDTH, TOP, ROW, BAR, LEFT, RIGHT, BOTTOM] = [760, 66, 30, 16, 205, 70, 44];
const CAP = 4;
/** Steps between the lines of the grid, of which the first that gives few enough is taken. */
const STEPS = [0.5, 1, 2, 5, 10, 20, 50];
const MAX_LINES = 8;

/** A page of its own, for light and dark backgrounds. Undefined: nothing of that was measured. */
export function fanOutChart(results: readonly Result[]): string | undefined {
  const result = results.find(({ id }) => id === RESULT_ID);
  if (!result) return undefined;
  const bars = result.paths.map(barOf).sort((a, b) => a.median - b.median);
  const most = Math.max(...bars.map(({ max }) => max));
  const step = STEPS.find((one) => most / one <= MAX_LINES) ?? most;
  const end = Math.ceil(most / step) * step;
  const x = (value: number): number => LEFT + (value / end) * (WIDTH - LEFT - RIGHT);
  const bottom = TOP + bars.length * ROW;
  const grid = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" width="${WIDTH}" height="${bottom + BOTTOM}" role="img" aria-labelledby="title">
<title id="title">Processor time of a delivery: ${bars.map(({ name, median }) => `${escaped(name)} ${median.toFixed(1)} µs`).join(", ")}</title>
<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .head { font-size: 15px; font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .own { font-weight: 600 }
  .grid { stroke: #d1d9e0 }
  .bar { fill: #8c959f }
  .bar.own { fill: #0969da }
  .noise { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .bar { fill: #656c76 }
    .bar.own { fill: #4493f8 }
    .noise { stroke: #f0f6fc }
  }
</style>
<text class="head" x="12" y="24">Processor time of one delivery (µs, less is better)</text>
<text class="small" x="12" y="44">Server's core, user and system. 1,000 WebSocket subscribers, events of about 250 bytes.</text>
${grid.map((value) => `<line class="grid" x1="${at(x(value))}" x2="${at(x(value))}" y1="${TOP - 6}" y2="${bottom}"/><text class="small" text-anchor="middle" x="${at(x(value))}" y="${bottom + 16}">${String(value)}</text>`).join("\n")}
${bars.map((bar, index) => row(bar, TOP + index * ROW, x)).join("\n")}
<text class="small" x="12" y="${bottom + 36}">Bar: median of the rounds. Line: cheapest to dearest round. "again": the same server once more, to show the noise.</text>
</svg>
`;
}

interface Bar {
  readonly name: string;
  readonly own: boolean;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

function barOf({ name, kind, rounds }: PathResult): Bar {
  const values = rounds.map(({ p50 }) => p50);
  return {
    name,
    own: kind === "gateway",
    median: middle(values),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

function row({ name, own, median, min, max }: Bar, y: number, x: (value: number) => number): string {
  const mid = y + ROW / 2;
  const mark = own ? " own" : "";
  const cap = (value: number): string =>
    `<line class="noise" x1="${at(x(value))}" x2="${at(x(value))}" y1="${mid - CAP}" y2="${mid + CAP}"/>`;
  return [
    `<text class="${mark.trim()}" text-anchor="end" x="${LEFT - 10}" y="${mid + 4}">${escaped(name)}</text>`,
    `<rect class="bar${mark}" x="${LEFT}" y="${mid - BAR / 2}" width="${at(x(median) - LEFT)}" height="${BAR}" rx="2"/>`,
    `<line class="noise" x1="${at(x(min))}" x2="${at(x(max))}" y1="${mid}" y2="${mid}"/>${cap(min)}${cap(max)}`,
    `<text class="${mark.trim()}" x="${at(x(max) + 8)}" y="${mid + 4}">${median.toFixed(1)}</text>`,
  ].join("");
}

function at(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
