/** A Redis that comes back without its last moments, under two nodes: what is promised then, and what is not. */
import { describe, expect, it, onTestFinished } from "vitest";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { createGateway } from "../../src/gateway.ts";
import { connect } from "../../src/sdk/node.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { until } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";
import { RedisServer } from "../support/redis.ts";

const REQUEST = { reason: "mfa", message: "Type the code" } as const;

async function twoNodes(redis: RedisServer) {
  const provider = new FakeBrowserProvider();
  const node = async () => {
    const store = await RedisStore.connect({
      url: `redis://${redis.address}`,
      probeMs: 200,
      commandTimeoutMs: 500,
    });
    const gateway = createGateway({ port: 0, store, browsers: provider, settings: { nodeTtlMs: 1_000 } });
    const url = await gateway.listen();
    onTestFinished(() => gateway.close());
    const client = (role: "agent" | "operator" | "worker", name: string) => {
      const made = connect({ url, role, name, reconnectMinMs: 5, reconnectMaxMs: 50 });
      onTestFinished(() => made.close());
      return made;
    };
    return { url, client };
  };
  const [a, b] = [await node(), await node()];
  await a
    .client("worker", "w")
    .createSandbox({ sandboxId: "s", browser: { cdpUrl: "ws://127.0.0.1:1/fake" } });
  const agent = a.client("agent", "bot").sandbox("s");
  const anna = b.client("operator", "anna").sandbox("s");
  const received = () =>
    provider.browser.received.map(({ event }) => (event.kind === "text" ? event.text : event));
  return { a, b, agent, anna, received };
}

describe("a Redis that lost its last changes", () => {
  it("C1, E2: who drives is settled anew under an epoch newer than the lost one, and everybody gets a fresh snapshot", async () => {
    const redis = await RedisServer.start({ config: { appendonly: "no", save: "" } });
    onTestFinished(() => redis.stop());
    const { a, agent, anna, received } = await twoNodes(redis);
    await agent.input.text("agent 1");
    await anna.takeControl({ controller: "anna" });
    await anna.input.text("anna 1");
    const remembered = await until(anna, ({ sandbox }) => sandbox.control.phase === "active");
    await redis.client.save();
    // All of this is acknowledged, and lost.
    await anna.releaseControl({ controller: "anna" });
    await agent.waitForControl();
    await agent.requestHumanHandoff(REQUEST);
    await anna.cancelHumanHandoff();
    await agent.waitForControl();
    await agent.input.text("agent 2");
    const lost = await until(agent, ({ sandbox }) => sandbox.handoff?.status === "cancelled");
    expect(lost.sandbox.epoch).toBeGreaterThan(remembered.sandbox.epoch);

    const watcher = await RawClient.greeted(a.url, { role: "viewer", name: "vera" });
    await redis.kill();
    await redis.start();
    for (const seat of [agent, anna]) {
      const { sandbox } = await until(
        seat,
        ({ sandbox: now }) => now.epoch > lost.sandbox.epoch && now.control.phase === "active",
      );
      expect(sandbox).toMatchObject({ handoff: null, control: { mode: "human", controller: "anna" } });
    }
    await watcher.ping();
    // No input of the lost history goes on; the one whom Redis remembers drives.
    await expect(agent.input.text("not mine")).rejects.toMatchObject({ code: "not_controller" });
    await anna.input.text("anna 2");
    expect(received()).toEqual(["agent 1", "anna 1", "agent 2", "anna 2"]);
    await agent.requestHumanHandoff(REQUEST);
    await anna.completeHumanHandoff({ controller: "anna" });
    await agent.waitForControl();
  });
});
