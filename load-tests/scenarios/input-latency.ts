/** From a person's WebSocket to the browser's: how long a mouse move is on its way. */
import { setTimeout as delay } from "node:timers/promises";
import { CdpStub } from "../lib/cdp-stub.ts";
import { Client, createSandbox, move } from "../lib/client.ts";
import { startProcess } from "../lib/processes.ts";
import { within } from "../lib/resources.ts";
import { takeTurns, type Context, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";

/** A mouse reports 125 times a second. */
const GAP_MS = 8;
const TITLE = "Input latency";

export const inputLatency: Scenario = {
  id: "input-latency",
  async run(context) {
    const [relay, gateway, again] = await Promise.all([
      throughRelay(context),
      throughGateway(context),
      throughRelay(context),
    ]);
    const paths = await takeTurns(context, TITLE, [
      { name: "plain relay", kind: "reference", measure: relay },
      { name: "gateway", kind: "gateway", measure: gateway },
      { name: "plain relay again", kind: "control", measure: again },
    ]);
    const measured = "from the client's send of a mouse move to the arrival of Input.dispatchMouseEvent";
    return [{ id: "input-latency", title: TITLE, measured, paths }];
  },
};

async function throughGateway({ resources, plan }: Context): Promise<() => Promise<Sample>> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "gateway-process.ts");
  await createSandbox(url, stub.url);
  const client = await Client.join(resources, url);
  await client.drive();
  return () => measure(client, stub, plan.inputs);
}

async function throughRelay({ resources, plan }: Context): Promise<() => Promise<Sample>> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "relay-process.ts", [stub.url]);
  const client = await Client.open(resources, url);
  return () => measure(client, stub, plan.inputs);
}

/** One at a time: the next is sent `GAP_MS` after the last one arrived. */
async function measure(client: Client, stub: CdpStub, count: number): Promise<Sample> {
  const values: number[] = [];
  for (let x = 0; x < count; x += 1) {
    const arriving = stub.next("Input.dispatchMouseEvent");
    const sentAt = client.send(move(x, 100));
    const { at, params } = await within(arriving, "the arrival of an input at the browser");
    if (params["x"] !== x)
      throw new Error(`the browser got a move to ${String(params["x"])} instead of ${x}`);
    values.push(at - sentAt);
    await delay(GAP_MS);
  }
  return { values };
}
