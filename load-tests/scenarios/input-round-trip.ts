/** From a person's mouse move to the answer that Chromium has handled it, against the same over plain CDP. */
import { setTimeout as delay } from "node:timers/promises";
import type { CdpClient } from "../lib/cdp-client.ts";
import { Client, move } from "../lib/client.ts";
import { startRealBrowser } from "../lib/real-browser.ts";
import { takeTurns, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";

const TITLE = "Input round trip";
/** Chromium answers a move once per frame. Random gaps, so that no path falls into step with the frames. */
const MIN_GAP_MS = 2;
const MAX_GAP_MS = 20;

export const inputRoundTrip: Scenario = {
  id: "input-round-trip",
  async run(context) {
    const { plan, resources } = context;
    const { gatewayUrl, direct, directAgain } = await startRealBrowser(context);
    const client = await Client.join(resources, gatewayUrl);
    await client.drive();
    const count = plan.roundTrips;
    const byCdp = (cdp: CdpClient) => () =>
      measure(count, (x, y) =>
        cdp.send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y, button: "none", buttons: 0 }),
      );
    const paths = await takeTurns(context, TITLE, [
      { name: "direct CDP", kind: "reference", measure: byCdp(direct) },
      { name: "gateway", kind: "gateway", measure: () => measure(count, (x, y) => client.call(move(x, y))) },
      { name: "direct CDP again", kind: "control", measure: byCdp(directAgain) },
    ]);
    const measured =
      "from the send of a mouse move to the answer that Chromium has handled it, on an animated page";
    return [{ id: "input-round-trip", title: TITLE, measured, paths }];
  },
};

async function measure(count: number, send: (x: number, y: number) => Promise<unknown>): Promise<Sample> {
  const values: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = performance.now();
    await send(100 + (index % 1_000), 200 + (index % 3));
    values.push(performance.now() - at);
    await delay(MIN_GAP_MS + Math.random() * (MAX_GAP_MS - MIN_GAP_MS));
  }
  return { values };
}
