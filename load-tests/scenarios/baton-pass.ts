/** How long it takes to pass the baton between an agent on one node and a person on another, in Redis round trips. */
import { setTimeout as delay } from "node:timers/promises";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { CdpStub } from "../lib/cdp-stub.ts";
import { Client, createSandbox, PERSON, SANDBOX_ID } from "../lib/client.ts";
import { startProcess } from "../lib/processes.ts";
import { startRedis, type BenchRedis } from "../lib/redis.ts";
import { within } from "../lib/resources.ts";
import { takeStepTurns, WHOLE, type Context, type Scenario, type Steps } from "../lib/scenario.ts";
import { countCalls } from "../lib/store-calls.ts";

const TITLE = "Baton pass over two nodes";
/** Between two things that are measured, so that none finds the other's work under way. */
const GAP_MS = 5;
const NOOP = "return 1";

/** Each does one thing and resolves to the milliseconds that it took. In this order they lead back to the beginning. */
type PassSteps = Readonly<Record<string, () => Promise<number>>>;

export const batonPass: Scenario = {
  id: "baton-pass",
  async run(context) {
    const { plan } = context;
    const redis = await startRedis(context, "everysec");
    const steps = await twoNodes(context, redis);
    const [script, ping, again] = await Promise.all([noop(redis), pingOf(redis), noop(redis)]);
    const count = plan.passes;
    const paths = await takeStepTurns(context, TITLE, [
      { name: "no-op script", kind: "reference", measure: () => measure(count, { [WHOLE]: script }) },
      { name: "PING", kind: "yardstick", measure: () => measure(count, { [WHOLE]: ping }) },
      { name: "gateway", kind: "gateway", measure: () => measure(count, steps) },
      { name: "no-op script again", kind: "control", measure: () => measure(count, { [WHOLE]: again }) },
    ]);
    context.say(`${TITLE}: counting the store's calls`);
    const monitor = await redis.client.monitor();
    context.resources.onClose(() => monitor.disconnect());
    const notes = await countCalls({ monitor, client: redis.client, steps, count: Math.min(count, 40) });
    const measured = "from the call to the moment when its effect has arrived, and of one Redis round trip";
    return [{ id: "baton-pass", title: TITLE, measured, paths, notes }];
  },
};

async function measure(count: number, steps: PassSteps): Promise<Steps> {
  const values = Object.entries(steps).map(([name, step]) => ({ name, step, taken: [] as number[] }));
  for (let pass = 0; pass < count; pass += 1) {
    for (const { step, taken } of values) {
      taken.push(await step());
      await delay(GAP_MS);
    }
  }
  return Object.fromEntries(values.map(({ name, taken }) => [name, { values: taken }]));
}

/** The agent on one node, the person on the other, and a browser that both nodes are attached to. */
async function twoNodes({ resources }: Context, redis: BenchRedis): Promise<PassSteps> {
  const stub = await CdpStub.start(resources);
  const nodes = [redis.url, redis.url].map((url) => startProcess(resources, "gateway-process.ts", [url]));
  const [{ url: a = "" } = {}, { url: b = "" } = {}] = await Promise.all(nodes);
  await createSandbox(a, stub.url);
  const agent = await Client.join(resources, a, "agent");
  const person = await Client.join(resources, b);
  await within(untilAttached(redis, 2), "the attachment of both nodes to the browser");

  const sandboxId = SANDBOX_ID;
  const controller = PERSON;
  /** From `call` to an event at `client`; returns when the call is answered too. */
  const until = async (client: Client, mode: string, call: () => Promise<unknown>): Promise<number> => {
    const active = client.next(`control.active (${mode})`, (event) => isActive(event, mode));
    const from = performance.now();
    const [{ at }] = await Promise.all([active, call()]);
    return at - from;
  };
  return {
    "agent asks → agent is stopped": () =>
      until(agent, "shared", () =>
        agent.call({
          type: "handoff.request",
          sandboxId,
          reason: "approval",
          message: "Please look at this.",
        }),
      ),
    "person accepts → person drives": () =>
      timed(() => person.call({ type: "handoff.accept", sandboxId, controller })),
    "person completes → agent drives": () =>
      until(agent, "ai", () => person.call({ type: "handoff.complete", sandboxId, controller })),
    "person takes → person drives": () =>
      timed(() => person.call({ type: "control.take", sandboxId, controller })),
    "person releases → agent drives": () =>
      until(agent, "ai", () => person.call({ type: "control.release", sandboxId, controller })),
  };
}

function isActive({ type, changes }: SandboxEvent, mode: string): boolean {
  return type === "control.active" && changes.control?.mode === mode;
}

/** Resolves when so many nodes have a gate and see the browser live. */
async function untilAttached(redis: BenchRedis, nodes: number): Promise<void> {
  const store = await RedisStore.connect({ url: redis.url });
  try {
    for (;;) {
      const loaded = await store.load(SANDBOX_ID);
      const live = Object.values(loaded?.state.gates ?? {}).filter(({ status }) => status === "live");
      if (live.length >= nodes) return;
      await delay(20);
    }
  } finally {
    await store.close();
  }
}

async function noop({ connect }: BenchRedis): Promise<() => Promise<number>> {
  const redis = await connect();
  const sha = String(await redis.script("LOAD", NOOP));
  return () => timed(() => redis.evalsha(sha, 0));
}

async function pingOf({ connect }: BenchRedis): Promise<() => Promise<number>> {
  const redis = await connect();
  return () => timed(() => redis.ping());
}

/** How long `call` takes to be answered. */
async function timed(call: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await call();
  return performance.now() - from;
}
