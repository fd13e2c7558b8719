/** What the nodes ask of Redis for each step of a pass, counted by listening to everything that Redis executes. */
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import * as scripts from "../../src/store/redis/scripts.ts";
import { SANDBOX_ID } from "./client.ts";

const NAMES = new Map(Object.entries(scripts).map(([name, { sha }]) => [sha, name]));
/** Arguments of EVALSHA before its first key. */
const FIRST_KEY = 3;
/** How long calls are still counted after a step has arrived: a node may have more to say. */
const TRAIL_MS = 20;
/** In a step's ECHO, before its number. */
const MARK = "bench:";
/** Only a commit that went in counts the version up. */
const COMMITTED = "HINCRBY";

export interface CountOptions {
  readonly monitor: Redis;
  /** Another connection, to mark where a step begins and ends. */
  readonly client: Redis;
  readonly steps: Readonly<Record<string, () => Promise<number>>>;
  readonly count: number;
}

/** Listening slows Redis down, so that nothing is timed meanwhile. Resolves to a line for each step. */
export async function countCalls({ monitor, client, steps, count }: CountOptions): Promise<string[]> {
  const counts = Object.keys(steps).map((step) => ({ step, calls: new Map<string, number>() }));
  let current: Map<string, number> | undefined;
  let marks = 0;
  let onMark = (): void => {};
  monitor.on("monitor", (_time: string, args: readonly string[], source: string) => {
    const [command = "", argument = ""] = args;
    if (command.toUpperCase() === "ECHO" && argument.startsWith(MARK)) {
      current = counts[Number(argument.slice(MARK.length))]?.calls;
      marks += 1;
      return onMark();
    }
    const name = nameOf(command.toUpperCase(), args, source);
    if (name !== undefined) current?.set(name, (current.get(name) ?? 0) + 1);
  });
  const mark = async (step: number): Promise<void> => {
    const seen = new Promise<void>((resolve) => {
      const expected = marks + 1;
      onMark = () => {
        if (marks >= expected) resolve();
      };
    });
    await client.echo(`${MARK}${step}`);
    await seen;
  };
  for (let pass = 0; pass < count; pass += 1) {
    for (const [index, take] of Object.values(steps).entries()) {
      await mark(index);
      await take();
      // What a step leaves behind is the step's as well.
      await delay(TRAIL_MS);
    }
  }
  await mark(counts.length);
  return counts.map(
    ({ step, calls }) => `Calls of the store for "${step}", on average: ${described(calls, count)}.`,
  );
}

function nameOf(command: string, args: readonly string[], source: string): string | undefined {
  const key = source === "lua" ? args[1] : args[FIRST_KEY];
  if (!key?.endsWith(`box:${SANDBOX_ID}`)) return undefined;
  if (source === "lua") return command === COMMITTED ? COMMITTED : undefined;
  return command === "EVALSHA" ? (NAMES.get(args[1] ?? "") ?? "other") : undefined;
}

function described(calls: ReadonlyMap<string, number>, count: number): string {
  const committed = calls.get(COMMITTED) ?? 0;
  const each = [...calls].filter(([name]) => name !== COMMITTED);
  return each
    .map(([name, times]) => {
      const refused =
        name === "COMMIT" && times > committed ? `, ${mean(times - committed, count)} of them in vain` : "";
      return `${mean(times, count)} ${name}${refused}`;
    })
    .join(" and ");
}

function mean(times: number, count: number): string {
  return (times / count).toFixed(1);
}
