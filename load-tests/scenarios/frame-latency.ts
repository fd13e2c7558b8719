/** From the browser's WebSocket to a viewer's: how long a picture is on its way. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CdpStub } from "../lib/cdp-stub.ts";
import { Client, createSandbox, SANDBOX_ID } from "../lib/client.ts";
import { startProcess } from "../lib/processes.ts";
import { within } from "../lib/resources.ts";
import { takeTurns, type Context, type Result, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";

/** A simple page and a busy one at 1280 by 800. */
const SIZES_KB = [12, 60];
/** Most that a viewer may ask for, so that the gateway's pacing (17 ms) never decides. */
const MAX_FPS = 60;
/** Time from one frame to the next, longer than that pacing. */
const GAP_MS = 20;
/** So that no path gains by seeing the same bytes again. */
const PICTURES = 8;

/** One path: `onFrame` is told when a frame has reached the viewer, from the end of `start` to the end of `stop`. */
interface Watching {
  readonly stub: CdpStub;
  readonly start: (onFrame: (at: number) => void) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export const frameLatency: Scenario = {
  id: "frame-latency",
  async run(context) {
    const [relay, gateway, again] = await Promise.all([
      throughRelay(context),
      throughGateway(context),
      throughRelay(context),
    ]);
    const results: Result[] = [];
    for (const size of SIZES_KB) {
      const pictures = Array.from({ length: PICTURES }, () => CdpStub.frame(randomBytes(size * 1024)));
      const by = (watching: Watching) => () => measure(watching, pictures, context.plan.frames);
      const title = `Frame latency, ${size} KB`;
      const paths = await takeTurns(context, title, [
        { name: "plain relay", kind: "reference", measure: by(relay) },
        { name: "gateway", kind: "gateway", measure: by(gateway) },
        { name: "plain relay again", kind: "control", measure: by(again) },
      ]);
      const measured =
        "from the browser's send of Page.screencastFrame to the arrival of the picture at the viewer";
      results.push({ id: `frame-latency-${size}`, title, measured, paths });
    }
    return results;
  },
};

async function throughGateway({ resources }: Context): Promise<Watching> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "gateway-process.ts");
  await createSandbox(url, stub.url);
  const client = await Client.join(resources, url);
  return {
    stub,
    start: (onFrame) => client.watch({ maxFps: MAX_FPS }, onFrame),
    stop: () => client.unwatch(),
  };
}

async function throughRelay({ resources }: Context): Promise<Watching> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "relay-process.ts", [stub.url]);
  const client = await Client.open(resources, url);
  return {
    stub,
    start: async (onFrame) => {
      client.onBinary = (_bytes, at) => onFrame(at);
      client.send({ type: "preview.start", id: "start", sandboxId: SANDBOX_ID });
    },
    stop: async () => {
      const stopped = stub.next("Page.stopScreencast");
      client.send({ type: "preview.stop", id: "stop", sandboxId: SANDBOX_ID });
      await within(stopped, "the end of the screencast");
    },
  };
}

/** The next frame leaves when the last one was acknowledged to the browser and `GAP_MS` have passed. */
async function measure(
  { stub, start, stop }: Watching,
  pictures: readonly Buffer[],
  count: number,
): Promise<Sample> {
  const values: number[] = [];
  let arrived: (at: number) => void = () => {};
  const casting = stub.next("Page.startScreencast");
  await start((at) => arrived(at));
  await within(casting, "the start of the screencast");
  for (let index = 0; index < count; index += 1) {
    const picture = pictures[index % pictures.length];
    if (!picture) throw new Error("there is no picture to send");
    const acknowledged = stub.next("Page.screencastFrameAck");
    const arriving = new Promise<number>((resolve) => (arrived = resolve));
    const rested = delay(GAP_MS);
    const sentAt = stub.sendFrame(picture);
    values.push((await within(arriving, "the arrival of a frame at the viewer")) - sentAt);
    await within(acknowledged, "the acknowledgement of a frame");
    await rested;
  }
  await stop();
  return { values };
}
