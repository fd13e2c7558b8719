import { clusterTopology } from "./cluster-topology.ts";
import { redisTopology } from "./redis-topology.ts";
import { localTopology, memoryTopology, type Topology, type TopologyOptions } from "./topology.ts";

/** By the name that the command line takes. */
export const topologies: ReadonlyMap<string, (options: TopologyOptions) => Promise<Topology>> = new Map([
  ["redis", redisTopology],
  ["cluster", clusterTopology(1)],
  ["cluster-async", clusterTopology(0)],
  ["local", localTopology],
  ["memory", memoryTopology],
]);
