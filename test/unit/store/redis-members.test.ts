/** Which nodes live, when the answer to a beat is lost. */
import { expect, it, onTestFinished } from "vitest";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import { createSandbox } from "../../contract/store-support.ts";
import { LinkProxy } from "../../support/link-proxy.ts";
import { RedisServer, until } from "../../support/redis.ts";

const MEMBERS = [{ connectionId: "c", name: "anna", role: "operator", watching: false }] as const;

it("a node that was forgotten learns of it though the answer to its first beat is lost, and is seen again", async () => {
  const server = await RedisServer.start();
  onTestFinished(() => server.stop());
  const proxy = await LinkProxy.to(server.port);
  onTestFinished(() => proxy.close());
  const open = async (address: string) => {
    const store = await RedisStore.connect({ url: `redis://${address}`, commandTimeoutMs: 500 });
    onTestFinished(() => store.close());
    return store;
  };
  const [store, peer] = [await open(proxy.address), await open(server.address)];
  await createSandbox(store, "s");
  await store.beat("slow-node", 50);
  await store.announce("s", { nodeId: "slow-node", members: MEMBERS });
  await until(
    async () => (await peer.beat("other", 60_000)).nodes.join(),
    /^other$/,
    "the node to be forgotten",
  );
  proxy.loseAnswerTo("slow-node");
  await expect(store.beat("slow-node", 60_000)).rejects.toMatchObject({ code: "unavailable" });
  const beats: boolean[] = [];
  const beat = async (): Promise<string> => {
    beats.push((await store.beat("slow-node", 60_000)).fresh);
    return "answered";
  };
  await until(beat, /^answered$/, "a beat to be answered");
  expect(beats).toEqual([true]);
  expect((await store.beat("slow-node", 60_000)).fresh).toBe(false);
  await store.announce("s", { nodeId: "slow-node", members: MEMBERS });
  expect(await peer.roster("s")).toEqual([{ nodeId: "slow-node", members: MEMBERS }]);
});
