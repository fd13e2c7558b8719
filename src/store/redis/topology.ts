/** Which master serves which partition. One for all, unless Redis is a Cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { ALL_PARTITIONS, slotOf, tagOf } from "./keys.ts";
import { addressText, parseAddress, type Address, type RedisPlace } from "./url.ts";

/** Nodes that are asked at a time. */
const ASKED = 8;
/** Between two refreshes: an outage makes many calls ask for one. */
const REST_MS = 250;
/** How long the others have once one of them answered. */
const OTHERS_MS = 200;

export interface TopologyOptions {
  readonly place: RedisPlace;
  readonly timeoutMs: number;
  /** A connection to ask for the slots; a new one if need be. */
  readonly connectionTo: (address: Address) => Promise<{ connection: Connection; done: () => void }>;
  /** Some partition is served by another endpoint now. */
  readonly onChange: () => void;
}

export class Topology {
  readonly #options: TopologyOptions;
  /** By partition; empty until a Cluster was asked. */
  #endpoints: readonly string[];
  /** Every node that a Cluster told of: any of them can be asked. */
  #known: readonly Address[];
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;

  constructor(options: TopologyOptions) {
    const { place } = options;
    this.#options = options;
    this.#known = place.addresses;
    const single = place.kind === "sentinel" ? place.masterName : addressText(place.addresses[0]);
    this.#endpoints = place.kind === "cluster" ? [] : ALL_PARTITIONS.map(() => single);
  }

  /** `undefined`: not known yet, or nobody serves it. */
  endpointOf(partition: number): string | undefined {
    return this.#endpoints[partition] || undefined;
  }

  get endpoints(): ReadonlySet<string> {
    return new Set(this.#endpoints.filter((endpoint) => endpoint !== ""));
  }

  /** The server behind an endpoint, or `undefined` for the one that the Sentinels name. */
  addressOf(endpoint: string): Address | undefined {
    return this.#options.place.kind === "sentinel" ? undefined : parseAddress(endpoint, 0);
  }

  /** A Cluster said where a slot is. */
  moved(partition: number, endpoint: string): void {
    const endpoints = [...this.#endpoints];
    endpoints[partition] = endpoint;
    this.#replace(endpoints);
  }

  /**
   * Asks a Cluster anew; several calls at the same time are one.
   * @throws Error why the last of the nodes could not tell
   */
  async refresh(): Promise<void> {
    if (this.#options.place.kind !== "cluster") return;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
      this.#refreshedAt = performance.now();
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const restMs = this.#refreshedAt + REST_MS - performance.now();
    if (restMs > 0) await sleep(restMs);
    const everybody = [...this.#known, ...this.#options.place.addresses];
    const unique = [...new Map(everybody.map((address) => [addressText(address), address])).values()];
    const asked = shuffled(unique)
      .slice(0, ASKED)
      .map((address) => this.#ask(address));
    await Promise.any(asked).catch((error: AggregateError) => {
      throw error.errors.at(-1);
    });
    // One node's word is not enough: a master that was just replaced is often the first to answer.
    const wait = new Deadline(OTHERS_MS);
    const answers = await Promise.allSettled(
      asked.map(async (answer) => wait.race(answer, () => new Error("late"))),
    );
    const [newest] = answers
      .flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
      .sort((a, b) => b.epoch - a.epoch);
    if (!newest) return;
    if (newest.nodes.length > 0) this.#known = newest.nodes;
    this.#replace(ALL_PARTITIONS.map((partition) => newest.masterOf(slotOf(tagOf(partition))) ?? ""));
  }

  async #ask(address: Address) {
    const { connection, done } = await this.#options.connectionTo(address);
    try {
      const limit = new Deadline(this.#options.timeoutMs);
      const answers = Promise.all([
        connection.command("CLUSTER", "SLOTS"),
        connection.command("CLUSTER", "INFO"),
      ]);
      const [slots, info] = await limit.race(
        answers,
        () => new Error(`${addressText(address)} does not answer.`),
      );
      const epoch = Number(/cluster_current_epoch:(\d+)/.exec(String(info))?.[1] ?? 0);
      return { epoch, ...parseSlots(slots, address) };
    } finally {
      done();
    }
  }

  #replace(endpoints: readonly string[]): void {
    const before = this.#endpoints;
    this.#endpoints = endpoints;
    if (ALL_PARTITIONS.some((partition) => before[partition] !== endpoints[partition]))
      this.#options.onChange();
  }
}

/** @param asked the node that answered; a node that doesn't know its own host leaves it empty */
function parseSlots(reply: unknown, asked: Address) {
  const ranges = (reply as readonly (readonly unknown[])[]).map(([from, to, ...nodes]) => ({
    from: Number(from),
    to: Number(to),
    nodes: (nodes as readonly (readonly unknown[])[]).map(([host, port]) => ({
      host: typeof host === "string" && host !== "" && host !== "?" ? host : asked.host,
      port: Number(port),
    })),
  }));
  return {
    nodes: ranges.flatMap(({ nodes }) => nodes),
    masterOf(slot: number): string | undefined {
      const [master] = ranges.find(({ from, to }) => from <= slot && slot <= to)?.nodes ?? [];
      return master && addressText(master);
    },
  };
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
