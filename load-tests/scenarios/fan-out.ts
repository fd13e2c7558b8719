/** From a change on one node to a thousand subscribers on another. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { Client, createSandbox, SANDBOX_ID } from "../lib/client.ts";
import { sharedNow } from "../lib/clock.ts";
import { controllerOf } from "../lib/numbered-event.ts";
import { startProcess, startWorker, type Worker } from "../lib/processes.ts";
import { startRedis } from "../lib/redis.ts";
import { within } from "../lib/resources.ts";
import { takeStepTurns, type Context, type Scenario, type Steps } from "../lib/scenario.ts";
import type { ArrivalQuestion, Arrivals } from "../lib/subscribers-process.ts";

const TITLE = "Fan-out to 1,000 over two nodes";
const SUBSCRIBERS = 1_000;
/** Between two events, give or take a quarter: far more than one takes. */
const GAP_MS = 100;

/** Makes an event of this number happen on node A; resolves when it is answered. */
type Cause = (event: number) => Promise<unknown>;

export const fanOut: Scenario = {
  id: "fan-out",
  async run(context) {
    const { url: redisUrl } = await startRedis(context, "everysec");
    context.say(`${TITLE}: ${SUBSCRIBERS} subscribers join each of three pairs of nodes`);
    const [gateway, relay, again] = await Promise.all([
      throughGateway(context, redisUrl),
      throughRelay(context, redisUrl, "relay"),
      throughRelay(context, redisUrl, "again"),
    ]);
    const paths = await takeStepTurns(context, TITLE, [
      { name: "plain relay", kind: "reference", measure: relay(gateway.text) },
      { name: "gateway", kind: "gateway", measure: gateway.measure },
      { name: "plain relay again", kind: "control", measure: again(gateway.text) },
    ]);
    const measured =
      "of a call on node A until it is answered, from there until a subscriber on node B has the event, and both together";
    return [{ id: "fan-out", title: TITLE, measured, paths }];
  },
};

async function throughGateway(
  { resources, plan }: Context,
  redisUrl: string,
): Promise<{ measure: () => Promise<Steps>; text: string }> {
  const nodes = [redisUrl, redisUrl].map((url) => startProcess(resources, "gateway-process.ts", [url]));
  const [{ url: a = "" } = {}, { url: b = "" } = {}] = await Promise.all(nodes);
  await createSandbox(a);
  const address = `${b.replace(/^http/, "ws")}/v1/connect`;
  const subscribers = await startWorker(resources, "subscribers-process.ts", [
    address,
    String(SUBSCRIBERS),
    "join",
  ]);
  const driver = await Client.join(resources, a);
  const cause: Cause = (event) =>
    driver.call({
      type: "control.take",
      sandboxId: SANDBOX_ID,
      controller: controllerOf(event),
      force: true,
    });
  const sample = driver.next("control.taken", ({ type }) => type === "control.taken");
  await cause(0);
  const { event } = await sample;
  return {
    measure: measureWith(subscribers, plan.events, cause),
    text: JSON.stringify({ type: "event", event }),
  };
}

/** Resolves to what takes the text of a real event, so that as many bytes travel. */
async function throughRelay(
  { resources, plan }: Context,
  redisUrl: string,
  name: string,
): Promise<(text: string) => () => Promise<Steps>> {
  const nodes = [0, 1].map(() => startProcess(resources, "fan-out-relay-process.ts", [redisUrl, name]));
  const [{ url: a = "" } = {}, { url: b = "" } = {}] = await Promise.all(nodes);
  const subscribers = await startWorker(resources, "subscribers-process.ts", [b, String(SUBSCRIBERS)]);
  const socket = new WebSocket(a, { perMessageDeflate: false });
  resources.onClose(() => socket.terminate());
  await within(once(socket, "open"), "the connection to the relay");
  let answered = (): void => {};
  socket.on("message", (_data, isBinary) => {
    if (isBinary) answered();
  });
  return (text) => {
    const cause: Cause = (event) => {
      const answer = new Promise<void>((resolve) => (answered = resolve));
      socket.send(text.replaceAll(`"${controllerOf(0)}"`, `"${controllerOf(event)}"`));
      return within(answer, "the relay's answer");
    };
    return measureWith(subscribers, plan.events, cause);
  };
}

function measureWith({ ask }: Worker, count: number, cause: Cause): () => Promise<Steps> {
  let event = 0;
  return async () => {
    const steps = {
      "call → answer": [] as number[],
      "answer → first": [] as number[],
      "answer → median": [] as number[],
      "answer → last": [] as number[],
      "call → last": [] as number[],
    };
    for (let turn = 0; turn < count; turn += 1) {
      await delay(GAP_MS * (0.75 + Math.random() / 2));
      event += 1;
      const calledAt = sharedNow();
      await cause(event);
      const answeredAt = sharedNow();
      const { first, median, last } = await ask<Arrivals>({ event } satisfies ArrivalQuestion);
      steps["call → answer"].push(answeredAt - calledAt);
      steps["answer → first"].push(first - answeredAt);
      steps["answer → median"].push(median - answeredAt);
      steps["answer → last"].push(last - answeredAt);
      steps["call → last"].push(last - calledAt);
    }
    return Object.fromEntries(Object.entries(steps).map(([name, values]) => [name, { values }]));
  };
}
