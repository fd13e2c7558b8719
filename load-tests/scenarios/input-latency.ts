/** From a person's WebSocket to the browser's: how long a mouse move is on its way, also while pictures come. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CdpStub } from "../lib/cdp-stub.ts";
import { Client, createSandbox, move } from "../lib/client.ts";
import { startProcess, startWorker, type Worker } from "../lib/processes.ts";
import { within } from "../lib/resources.ts";
import { takeTurns, type Context, type PathResult, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";
import type { WatchersQuestion } from "../lib/watchers-process.ts";

/** A mouse reports 125 times a second. */
const GAP_MS = 8;
const VIEWERS = 5;
/** A page that changes as a whole, at the pace of a screen. */
const PICTURE_BYTES = 400_000;
const FRAME_GAP_MS = 1_000 / 60;
/** So that no path gains by seeing the same bytes again. */
const PICTURES = 4;
const MEASURED = "from the client's send of a mouse move to the arrival of Input.dispatchMouseEvent";

/** A client that drives, and the browser it drives. */
interface Way {
  readonly client: Client;
  readonly stub: CdpStub;
  /** Where viewers come in. */
  readonly address: string;
}

export const inputLatency: Scenario = {
  id: "input-latency",
  async run(context) {
    const [relay, gateway, again] = await Promise.all([
      throughRelay(context),
      throughGateway(context),
      throughRelay(context),
    ]);
    const turns = (title: string, by: (way: Way) => () => Promise<Sample>): Promise<PathResult[]> =>
      takeTurns(context, title, [
        { name: "plain relay", kind: "reference", measure: by(relay) },
        { name: "gateway", kind: "gateway", measure: by(gateway) },
        { name: "plain relay again", kind: "control", measure: by(again) },
      ]);
    const { inputs } = context.plan;
    const alone = await turns("Input latency", (way) => () => measure(way, inputs));
    const watchers = await startWorker(context.resources, "watchers-process.ts", [String(VIEWERS)]);
    const pictures = Array.from({ length: PICTURES }, () => CdpStub.frame(randomBytes(PICTURE_BYTES)));
    const streaming = `Input latency while ${VIEWERS} viewers stream`;
    const beside = await turns(
      streaming,
      (way) => () => whileStreaming(way, watchers, pictures, () => measure(way, inputs)),
    );
    return [
      { id: "input-latency", title: "Input latency", measured: MEASURED, paths: alone },
      {
        id: "input-latency-streaming",
        title: streaming,
        measured: `${MEASURED}, while the browser sends 60 pictures a second of ${PICTURE_BYTES / 1_000} KB each`,
        paths: beside,
      },
    ];
  },
};

async function throughGateway({ resources }: Context): Promise<Way> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "gateway-process.ts");
  await createSandbox(url, stub.url);
  const client = await Client.join(resources, url);
  await client.drive();
  return { client, stub, address: `${url.replace(/^http/, "ws")}/v1/connect` };
}

async function throughRelay({ resources }: Context): Promise<Way> {
  const stub = await CdpStub.start(resources);
  const { url = "" } = await startProcess(resources, "relay-process.ts", [stub.url]);
  return { client: await Client.open(resources, url), stub, address: url };
}

/** Each frame leaves when the last one was acknowledged to the browser, and not before its time has come. */
async function whileStreaming<T>(
  { stub, address }: Way,
  watchers: Worker,
  pictures: readonly Buffer[],
  task: () => Promise<T>,
): Promise<T> {
  const ask = (question: WatchersQuestion): Promise<number> => watchers.ask<number>(question);
  const casting = stub.next("Page.startScreencast");
  await ask({ do: "watch", url: address });
  await within(casting, "the start of the screencast");
  const before = await ask({ do: "tell" });
  const over = new AbortController();
  const stream = async (): Promise<void> => {
    for (let sent = 0; !over.signal.aborted; sent += 1) {
      const acknowledged = stub.next("Page.screencastFrameAck");
      const rested = delay(FRAME_GAP_MS);
      const picture = pictures[sent % pictures.length];
      if (picture) stub.sendFrame(picture);
      await within(acknowledged, "the acknowledgement of a frame");
      await rested;
    }
  };
  const ended = async (): Promise<T> => {
    try {
      return await task();
    } finally {
      over.abort();
    }
  };
  const [result] = await Promise.all([ended(), stream()]);
  const frames = await ask({ do: "leave" });
  if (frames === before) throw new Error("no frame reached a viewer; nothing was measured beside them");
  return result;
}

/** One at a time: the next is sent `GAP_MS` after the last one arrived. */
async function measure({ client, stub }: Way, count: number): Promise<Sample> {
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
