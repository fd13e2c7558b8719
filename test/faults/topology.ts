/** What a run runs on: gateways, the store below them, and the ways in which each of them can fail. */
import { join } from "node:path";
import { GatewayNode } from "./gateway-node.ts";
import type { Random } from "./random.ts";
import type { Hazard } from "./schedule.ts";
import type { Guarantees } from "./violation.ts";

export interface Topology {
  readonly nodes: readonly GatewayNode[];
  readonly hazards: readonly Hazard[];
  readonly guarantees: Guarantees;
  /** Kills everything. */
  close(): Promise<void>;
}

export interface TopologyOptions {
  /** For logs and data. */
  readonly dir: string;
  readonly random: Random;
}

/** A controller that went away keeps the browser this long: short, so that runs see it end. */
const GRACE_MS = 1_500;
/** How soon a client notices that its node is silent. */
const HEARTBEAT_MS = 1_000;

export function gatewayNode(name: string, dir: string, env: Readonly<Record<string, string>>): GatewayNode {
  return new GatewayNode({
    name,
    logPath: join(dir, `gateway-${name}.log`),
    env: {
      BATON_DATA_DIR: join(dir, `data-${name}`),
      BATON_GRACE_MS: String(GRACE_MS),
      BATON_HEARTBEAT_MS: String(HEARTBEAT_MS),
      ...env,
    },
  });
}

/** SIGSTOP, at its longest for so long that control has moved on without this node, and SIGCONT. */
export function pauses(node: GatewayNode): Hazard {
  return {
    fault: "gateway paused",
    target: `gateway ${node.name}`,
    weight: 4,
    minMs: 200,
    maxMs: 10_000,
    restMs: 2_000,
    begin: async () => node.pause(),
    end: async () => node.resume(),
  };
}

/** SIGKILL, and a new process on the same port later. */
export function kills(node: GatewayNode): Hazard {
  return {
    fault: "gateway killed",
    target: `gateway ${node.name}`,
    weight: 2,
    minMs: 0,
    maxMs: 5_000,
    // Nobody drives until the lease of the gate that died has run out.
    restMs: 8_000,
    begin: () => node.kill(),
    end: () => node.start(),
  };
}

/** One process that forgets everything when it dies: it is only paused. */
export async function memoryTopology({ dir }: TopologyOptions): Promise<Topology> {
  const node = gatewayNode("a", dir, { BATON_STORE: "memory" });
  await node.start();
  return {
    nodes: [node],
    hazards: [pauses(node)],
    guarantees: { durable: true },
    close: () => node.kill(),
  };
}

/** One process whose store is on its disk: killed, and started anew on what it wrote. */
export async function localTopology({ dir }: TopologyOptions): Promise<Topology> {
  const node = gatewayNode("a", dir, { BATON_STORE: "local" });
  await node.start();
  return {
    nodes: [node],
    hazards: [pauses(node), kills(node)],
    guarantees: { durable: true },
    close: () => node.kill(),
  };
}
