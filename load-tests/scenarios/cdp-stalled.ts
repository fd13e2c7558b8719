/** How much memory a client costs that asks for a lot and then reads nothing of it. */
import { setTimeout as delay } from "node:timers/promises";
import { CdpClient } from "../lib/cdp-client.ts";
import { CdpStub } from "../lib/cdp-stub.ts";
import { startGate, startRelay, type Between } from "../lib/cdp-ways.ts";
import { Resources, within } from "../lib/resources.ts";
import { takeStepTurns, type Context, type Scenario, type StepPath, type Steps } from "../lib/scenario.ts";

const TITLE = "Client that stops reading";
/** Less than takes the machine's memory where nothing holds it back. */
const SNAPSHOT_BYTES = 256_000_000;
const ROUNDS = 3;
/** After the client has gone, for what only its absence makes free. */
const SETTLE_MS = 300;
/** How long the rest of what the browser has to send may take to be thrown away. */
const END_MS = 30_000;

type Start = (resources: Resources, cdpUrl: string) => Promise<Between>;

export const cdpStalled: Scenario = {
  id: "cdp-stalled",
  async run(context) {
    const path = (name: string, kind: StepPath["kind"], start: Start): StepPath => ({
      name,
      kind,
      measure: () => measure(context, start),
    });
    const paths = await takeStepTurns(
      context,
      TITLE,
      [
        path("plain relay", "reference", startRelay),
        path("gate", "gateway", startGate),
        path("plain relay again", "control", startRelay),
      ],
      { unit: "MB", rounds: Math.min(ROUNDS, context.plan.rounds), warmUp: false },
    );
    const measured =
      "that the process in between occupies before, at most while the client does not read, and after the client " +
      "has gone; and what the browser could send meanwhile";
    const notes = [
      `The browser has ${SNAPSHOT_BYTES / 1e6} MB to send, in events of 100 KB, and sends them as fast as they are read. ` +
        `The client reads nothing for ${context.plan.stalledMs} ms.`,
    ];
    return [{ id: "cdp-stalled", title: TITLE, unit: "MB", measured, paths, notes }];
  },
};

/** Each turn has processes of its own: memory that was used once is not all given back. */
async function measure({ plan, resources }: Context, start: Start): Promise<Steps> {
  const own = new Resources();
  resources.onClose(() => own.close());
  try {
    const stub = await CdpStub.start(own);
    stub.snapshotBytes = SNAPSHOT_BYTES;
    const between = await start(own, stub.url);
    const client = await CdpClient.attach(own, between.url);
    const before = await between.ask({ of: "memory" });

    const highest = between.ask({ of: "peak", forMs: plan.stalledMs });
    const asked = stub.nextSnapshot();
    client.ask("HeapProfiler.takeHeapSnapshot").catch(() => {});
    client.stall();
    const { sentBytes, ended } = await within(asked, "the arrival of the client's command");
    const peak = await highest;
    const sent = sentBytes();

    client.leave();
    await within(ended, "the end of what the browser had to send", END_MS);
    await delay(SETTLE_MS);
    const after = await between.ask({ of: "memory" });
    const megabytes = (bytes: number) => ({ values: [bytes / 1e6] });
    return {
      before: megabytes(before),
      "at most": megabytes(peak),
      after: megabytes(after),
      "sent by the browser": megabytes(sent),
    };
  } finally {
    await own.close();
  }
}
