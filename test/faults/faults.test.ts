/**
 * Real gateways, real stores, a real Chromium, and faults: C1, C2, C4 in the page, H6, E1, E2 and R1 in what everybody
 * was told. A few fixed seeds; `npm run test:faults` goes on for as long as it is told to.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { check } from "./check.ts";
import { runScenario } from "./scenario.ts";
import { shortcomings, summarize } from "./summary.ts";
import { topologies } from "./topologies.ts";

const STRIKE_MS = 8_000;
/** Start, strikes, and the longest that rest may take. */
const TEST_MS = 90_000;

it.each([
  { topology: "redis", seed: 14 },
  { topology: "local", seed: 7 },
])(
  "nobody types out of turn and nothing acknowledged is lost: $topology, seed $seed",
  async ({ topology, seed }) => {
    const dir = await mkdtemp(join(tmpdir(), "baton-faults-"));
    // The history of a failed run stays.
    onTestFinished(async ({ task }) => {
      if (task.result?.state === "pass") await rm(dir, { recursive: true });
    });
    const start = topologies.get(topology);
    if (!start) throw new Error(`there is no topology ${topology}`);
    const { history, guarantees, path } = await runScenario({ seed, start, durationMs: STRIKE_MS, dir });
    expect(check(history, guarantees), `history: ${path}`).toEqual([]);
    expect(shortcomings(summarize(history), STRIKE_MS), `history: ${path}`).toEqual([]);
  },
  TEST_MS,
);
