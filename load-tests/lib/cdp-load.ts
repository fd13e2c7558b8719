/** Sends one command again and again, with so many under way at a time. */
import { CdpClient } from "./cdp-client.ts";
import { cpuMicrosOf, type Way } from "./cdp-ways.ts";
import { within, type Resources } from "./resources.ts";
import type { StepPath, Steps } from "./scenario.ts";
import type { Sample } from "./stats.ts";

const TURN_MS = 30_000;

export interface Load {
  readonly method: string;
  readonly params: object;
  readonly underWay: number;
  /** Commands of a turn. */
  readonly count: number;
  readonly perSecond: "commands" | "megabytes";
}

/** A client of its own on that way; its turns take one step for each of the loads. */
export async function loadPath(
  resources: Resources,
  { name, kind, url, between }: Way,
  loads: Readonly<Record<string, Load>>,
): Promise<StepPath> {
  const client = await CdpClient.attach(resources, url);
  const measure = async (): Promise<Steps> => {
    const steps: Record<string, Sample> = {};
    for (const [step, load] of Object.entries(loads)) steps[step] = await take(client, between, load);
    return steps;
  };
  return { name, kind, measure };
}

/** Each of the lanes sends its next command when its last one is answered. */
async function take(client: CdpClient, between: Way["between"], load: Load): Promise<Sample> {
  const { method, params, underWay, count, perSecond } = load;
  const values: number[] = [];
  let begun = 0;
  let bytes = 0;
  const lane = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      const at = performance.now();
      const answerBytes = await client.ask(method, params);
      values.push(performance.now() - at);
      bytes += answerBytes;
    }
  };
  let seconds = Number.NaN;
  const cpuMicros = await cpuMicrosOf(between, async () => {
    const from = performance.now();
    await within(Promise.all(Array.from({ length: underWay }, lane)), `the answers to ${method}`, TURN_MS);
    seconds = (performance.now() - from) / 1_000;
  });
  return {
    values,
    perSecond: (perSecond === "commands" ? count : bytes / 1e6) / seconds,
    ...(cpuMicros !== undefined && { cpuMicros: cpuMicros / count }),
  };
}
