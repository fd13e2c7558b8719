/** The ways from a CDP client to a browser: straight, through a relay that does nothing else, and through the gate. */
import { createSandbox, SANDBOX_ID } from "./client.ts";
import { startWorker } from "./processes.ts";
import type { Resources } from "./resources.ts";
import type { Path } from "./scenario.ts";
import type { UsageQuestion } from "./usage.ts";

/** What is between the client and the browser. */
export interface Between {
  /** `ws://`, for a CDP client. */
  readonly url: string;
  readonly ask: (question: UsageQuestion) => Promise<number>;
}

export interface Relay extends Between {
  /** Messages that clients have sent so far. */
  readonly commands: () => Promise<number>;
}

/** One way, as the one that is compared with others. */
export interface Way extends Omit<Path, "measure"> {
  readonly url: string;
  /** Absent: nothing is between. */
  readonly between?: Between;
}

export async function startRelay(resources: Resources, cdpUrl: string): Promise<Relay> {
  const { info, ask } = await startWorker(resources, "cdp-relay-process.ts", [cdpUrl]);
  return { url: info["url"] ?? "", ask, commands: () => ask({ of: "commands" }) };
}

/** An agent's way through a gateway of its own. The agent holds control, as it does until somebody takes it. */
export async function startGate(resources: Resources, cdpUrl: string): Promise<Between> {
  const { info, ask } = await startWorker(resources, "gateway-process.ts");
  const { url = "" } = info;
  await createSandbox(url, cdpUrl);
  return { url: `${url.replace(/^http/, "ws")}/v1/sandboxes/${SANDBOX_ID}/cdp`, ask };
}

/** Microseconds of processor time that `between` used while `work` was under way; undefined where nothing is between. */
export async function cpuMicrosOf(
  between: Between | undefined,
  work: () => Promise<void>,
): Promise<number | undefined> {
  const before = await between?.ask({ of: "cpu" });
  await work();
  const after = await between?.ask({ of: "cpu" });
  return before === undefined || after === undefined ? undefined : after - before;
}
