/** Two gateways on one Redis, each behind a proxy of its own that breaks its links. */
import { CuttingProxy } from "../support/cutting-proxy.ts";
import { RedisServer } from "../support/redis.ts";
import type { GatewayNode } from "./gateway-node.ts";
import type { Random } from "./random.ts";
import type { Hazard } from "./schedule.ts";
import { gatewayNode, kills, pauses, type Topology, type TopologyOptions } from "./topology.ts";

/** A Redis that loses nothing it answered, also when it is killed. */
export const DURABLE = { appendonly: "yes", appendfsync: "always" } as const;
/** Of the replies while links are cut after execution. */
const CUT_SHARE = 0.15;

export async function redisTopology({ dir, random }: TopologyOptions): Promise<Topology> {
  const redis = await RedisServer.start({ config: DURABLE });
  const target = { host: "127.0.0.1", port: redis.port };
  const proxies = [await CuttingProxy.start(target), await CuttingProxy.start(target)];
  const nodes = proxies.map((proxy, index) =>
    gatewayNode("ab"[index] ?? "", dir, {
      BATON_STORE: "redis",
      BATON_REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
    }),
  );
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await redis.stop();
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    nodes,
    hazards: [
      ...nodes.flatMap((node) => [pauses(node), kills(node)]),
      ...proxies.flatMap((proxy, index) => linkHazards(proxy, nodes[index], random)),
      ...serverHazards(redis),
    ],
    guarantees: { durable: true },
    close,
  };
}

function linkHazards(proxy: CuttingProxy, node: GatewayNode | undefined, random: Random): Hazard[] {
  const hazard = (
    fault: string,
    weight: number,
    longest: { readonly minMs: number; readonly maxMs: number },
    begin: () => void,
  ): Hazard => ({
    fault,
    target: `links of gateway ${node?.name}`,
    weight,
    ...longest,
    restMs: 2_000,
    begin: async () => begin(),
    end: async () => proxy.pass(),
  });
  const drawn = random.fork(`links of ${node?.name}`);
  return [
    hazard("links cut", 1, { minMs: 0, maxMs: 0 }, () => proxy.cut()),
    hazard("links cut after execution", 3, { minMs: 300, maxMs: 4_000 }, () =>
      proxy.cutReplies(() => drawn.chance(CUT_SHARE)),
    ),
    hazard("links half-open", 2, { minMs: 500, maxMs: 10_000 }, () =>
      proxy.swallow(...drawn.pick([["up"], ["down"], ["up", "down"]] as const)),
    ),
    hazard("links slow", 1, { minMs: 300, maxMs: 4_000 }, () => proxy.delay(drawn.between(20, 400))),
    hazard("Redis out of reach", 3, { minMs: 200, maxMs: 12_000 }, () => proxy.refuse()),
  ];
}

function serverHazards(redis: RedisServer): Hazard[] {
  return [
    {
      fault: "Redis paused",
      target: "Redis",
      weight: 2,
      minMs: 200,
      maxMs: 7_000,
      restMs: 4_000,
      begin: async () => redis.pause(),
      end: async () => redis.resume(),
    },
    {
      fault: "Redis killed",
      target: "Redis",
      weight: 1,
      minMs: 0,
      maxMs: 4_000,
      restMs: 4_000,
      begin: () => redis.kill(),
      end: () => redis.start(),
    },
  ];
}
