/**
 * Two gateways on a Redis Cluster of three masters with a replica each. No proxies: a Cluster tells its clients where
 * its servers are, and they would go around them. Masters that die cut links after execution by themselves.
 */
import { type RedisCluster, type RedisServer, startCluster, until } from "../support/redis.ts";
import type { Hazard } from "./schedule.ts";
import { gatewayNode, kills, pauses, type Topology, type TopologyOptions } from "./topology.ts";

/** Longer than the Cluster takes to replace a master. */
const REPLACED_MS = 6_000;

/** With `replicas`, a change is answered when a replica has it; without, a failover may lose the newest. */
export function clusterTopology(replicas: 0 | 1): (options: TopologyOptions) => Promise<Topology> {
  return async ({ dir }) => {
    // A master that comes back before it is replaced must not have forgotten anything: it would be the master again.
    const cluster = await startCluster({ appendonly: "yes", appendfsync: "always" });
    const nodes = ["a", "b"].map((name) =>
      gatewayNode(name, dir, {
        BATON_STORE: "redis",
        BATON_REDIS_URL: cluster.url,
        BATON_REDIS_REPLICAS: String(replicas),
      }),
    );
    const close = async (): Promise<void> => {
      await Promise.all(nodes.map((node) => node.kill()));
      await cluster.stop();
    };
    try {
      await Promise.all(nodes.map((node) => node.start()));
    } catch (error) {
      await close();
      throw error;
    }
    return {
      nodes,
      hazards: [...nodes.flatMap((node) => [pauses(node), kills(node)]), ...clusterHazards(cluster)],
      guarantees: { durable: replicas > 0 },
      close,
    };
  };
}

/** They strike the part of the Cluster that holds the sandbox; one at a time, so that one of the two servers lives. */
function clusterHazards(cluster: RedisCluster): Hazard[] {
  const servers = [...cluster.masters, ...cluster.replicas];
  let struck: RedisServer | undefined;
  const hazard = (
    fault: string,
    lasts: Pick<Hazard, "weight" | "minMs" | "maxMs">,
    begin: (master: RedisServer) => Promise<void> | void,
    end: (master: RedisServer) => Promise<void> | void = () => {},
  ): Hazard => ({
    fault,
    target: "Cluster",
    ...lasts,
    restMs: 4_000,
    begin: async () => {
      struck = await masterOfSandbox(servers);
      await begin(struck);
    },
    end: async () => {
      if (!struck) return;
      await end(struck);
      await untilPaired(servers);
    },
  });
  return [
    hazard(
      "master killed",
      { weight: 4, minMs: REPLACED_MS, maxMs: 9_000 },
      (master) => master.kill(),
      (master) => master.start(),
    ),
    hazard(
      "master paused until it is replaced",
      { weight: 4, minMs: 3_000, maxMs: 8_000 },
      (master) => master.pause(),
      (master) => master.resume(),
    ),
    hazard(
      "master paused",
      { weight: 2, minMs: 200, maxMs: 1_500 },
      (master) => master.pause(),
      (master) => master.resume(),
    ),
    hazard("failover ordered", { weight: 2, minMs: 0, maxMs: 0 }, async (master) => {
      const replica = await replicaOf(master, servers);
      await replica?.client.call("CLUSTER", "FAILOVER");
    }),
  ];
}

async function masterOfSandbox(servers: readonly RedisServer[]): Promise<RedisServer> {
  for (const server of servers) {
    const [role] = (await server.client.call("ROLE")) as [string];
    if (role === "master" && (await server.client.keys("*box:struck")).length > 0) return server;
  }
  throw new Error("no master holds the sandbox");
}

async function replicaOf(
  master: RedisServer,
  servers: readonly RedisServer[],
): Promise<RedisServer | undefined> {
  for (const server of servers) {
    const [role, , port] = (await server.client.call("ROLE")) as [string, string, number];
    if (role === "slave" && port === master.port) return server;
  }
  return undefined;
}

/** The next fault must not find a master that is alone: that is the one loss that nothing protects from. */
async function untilPaired(servers: readonly RedisServer[]): Promise<void> {
  const pairs = async (): Promise<string> => {
    const infos = await Promise.all(servers.map(({ client }) => client.info("replication")));
    const paired = infos.filter((info) => /role:master[^]*state=online/.test(info));
    const following = infos.filter((info) => /role:slave[^]*master_link_status:up/.test(info));
    return `${paired.length} paired masters, ${following.length} replicas`;
  };
  await until(pairs, /^3 paired masters, 3 replicas$/, "a replica for each master");
}
