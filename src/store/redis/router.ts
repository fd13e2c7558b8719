/** Sends what is to be done to the master that serves the partition, within a time limit. */
import type { BatonError } from "../../../protocol/errors.ts";
import { Connection, type Argument } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { asUnavailable, closed, movedTo, unavailable, wordOf } from "./errors.ts";
import { ALL_PARTITIONS } from "./keys.ts";
import type { RedisLogger } from "./logger.ts";
import { RedisNode } from "./node.ts";
import type { Script } from "./script.ts";
import { Topology } from "./topology.ts";
import { addressText, parseAddress, type Address, type RedisPlace } from "./url.ts";

/** Times that a Cluster may send one call elsewhere. */
const MAX_MOVES = 5;

export interface RouterOptions {
  readonly place: RedisPlace;
  /** Of this process, for CLIENT LIST. */
  readonly name: string;
  /** Replicas that must have a durable write before it counts. */
  readonly replicas: number;
  readonly commandTimeoutMs: number;
  readonly logger: RedisLogger;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #topology: Topology;
  readonly #nodes = new Map<string, RedisNode>();
  readonly #onChange = new Set<() => void>();
  readonly #closing = new AbortController();

  /** @throws Error why there is no Redis to work with */
  static async connect(options: RouterOptions): Promise<Router> {
    const router = new Router(options);
    try {
      const deadline = new Deadline(options.commandTimeoutMs);
      const late = (): Error => new Error(`no answer within ${options.commandTimeoutMs} ms`);
      await deadline.race(router.#topology.refresh(), late);
      router.#useNodes();
      if (router.#nodes.size === 0) throw router.#unserved();
      // One of a Cluster's masters may be failing over just now; the sandboxes of the others can be served.
      const ready = [...router.#nodes.values()].map(async (node) => node.ready());
      const any = Promise.any(ready).catch((error: AggregateError) => {
        throw error.errors[0];
      });
      await deadline.race(any, late);
      return router;
    } catch (error) {
      router.close();
      throw asUnavailable(error, options.place.addresses.map(addressText).join(", "));
    }
  }

  private constructor(options: RouterOptions) {
    this.#options = options;
    this.#topology = new Topology({
      place: options.place,
      timeoutMs: options.commandTimeoutMs,
      connectionTo: async (address) => this.#connectionTo(address),
      onChange: () => {
        this.#useNodes();
        for (const listener of this.#onChange) listener();
      },
    });
  }

  get timeoutMs(): number {
    return this.#options.commandTimeoutMs;
  }

  endpointOf(partition: number): string | undefined {
    return this.#topology.endpointOf(partition);
  }

  /** Partitions in groups whose keys one script may name together. */
  get groups(): readonly (readonly number[])[] {
    return this.#options.place.kind === "cluster" ? ALL_PARTITIONS.map((one) => [one]) : [ALL_PARTITIONS];
  }

  /** One partition of each master. */
  get representatives(): readonly number[] {
    const byEndpoint = new Map(ALL_PARTITIONS.map((partition) => [this.endpointOf(partition), partition]));
    return [...byEndpoint.values()];
  }

  onChange(listener: () => void): void {
    this.#onChange.add(listener);
  }

  /** Looks for the masters anew, when Redis is a Cluster. Never throws: what was known stays. */
  async refresh(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await this.#topology.refresh().catch((error: Error) => {
      this.#options.logger.warn(
        { reason: error.message },
        "The Redis Cluster's nodes do not say where the slots are.",
      );
    });
  }

  /** A connection of the caller's own. */
  async open(endpoint: string, purpose: string): Promise<Connection> {
    return this.#open(this.#topology.addressOf(endpoint), purpose);
  }

  async script(
    partition: number,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    return this.#run(partition, async (node) =>
      node.send((connection) => connection.script(script, keys, args)),
    );
  }

  async command(partition: number, name: string, ...args: Argument[]): Promise<unknown> {
    return this.#run(partition, async (node) => node.send((connection) => connection.command(name, ...args)));
  }

  /** As `script`, and enough replicas have what it wrote. The script must write whatever it answers. */
  async durable(
    partition: number,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    return this.#run(partition, async (node) => node.durable(script, keys, args));
  }

  close(): void {
    this.#closing.abort();
    for (const node of this.#nodes.values()) node.close();
    this.#nodes.clear();
    this.#onChange.clear();
  }

  async #run(partition: number, work: (node: RedisNode) => Promise<unknown>): Promise<unknown> {
    const deadline = new Deadline(this.timeoutMs);
    for (let moves = 0; ; moves += 1) {
      if (this.#closing.signal.aborted) throw closed();
      const endpoint = this.endpointOf(partition);
      const node = endpoint === undefined ? undefined : this.#nodes.get(endpoint);
      if (endpoint === undefined || !node) throw this.#unserved();
      const sentAt = performance.now();
      try {
        return await deadline.race(work(node), () => {
          // After a move not much of the time may have been left.
          const silentMs = performance.now() - sentAt;
          if (silentMs > this.timeoutMs / 2) node.suspect("it does not answer", silentMs);
          return unavailable(
            `Redis at ${endpoint} did not answer within ${this.timeoutMs} ms. Try again; check that Redis runs and is not overloaded.`,
          );
        });
      } catch (error) {
        const word = wordOf(error);
        const moved = movedTo(error);
        if (word === "READONLY" || word === "UNBLOCKED") node.suspect("it is a replica now");
        if (word === "CLUSTERDOWN") void this.refresh();
        if (!moved || moves >= MAX_MOVES) throw asUnavailable(error, endpoint);
        const host = moved.host || parseAddress(endpoint, 0).host;
        this.#topology.moved(partition, addressText({ host, port: moved.port }));
        void this.refresh();
      }
    }
  }

  #unserved(): BatonError {
    void this.refresh();
    return unavailable(
      "No master of the Redis Cluster serves this sandbox's slot now. Try again; see CLUSTER INFO for slots that nobody covers.",
    );
  }

  #useNodes(): void {
    const { logger, replicas, commandTimeoutMs } = this.#options;
    const { endpoints } = this.#topology;
    for (const [endpoint, node] of this.#nodes) {
      if (endpoints.has(endpoint)) continue;
      this.#nodes.delete(endpoint);
      node.close();
    }
    if (this.#closing.signal.aborted) return;
    for (const endpoint of endpoints) {
      if (this.#nodes.has(endpoint)) continue;
      const node = new RedisNode({
        replicas,
        waitMs: Math.floor(commandTimeoutMs / 4),
        open: async (purpose) => this.open(endpoint, purpose),
        onUp: () => logger.info({ redis: endpoint }, "Connected to Redis."),
        onTrouble: (reason) => {
          logger.warn({ redis: endpoint, reason }, "No connection to Redis; trying again.");
          void this.refresh();
        },
      });
      this.#nodes.set(endpoint, node);
    }
  }

  async #connectionTo(address: Address): Promise<{ connection: Connection; done: () => void }> {
    const existing = this.#nodes.get(addressText(address))?.current;
    if (existing) return { connection: existing, done: () => {} };
    const connection = await this.#open(address, "topology", true);
    return { connection, done: () => connection.destroy("it told what it knows") };
  }

  async #open(address: Address | undefined, purpose: string, anyRole = false): Promise<Connection> {
    const { signal } = this.#closing;
    if (signal.aborted) throw closed();
    const { place, name, commandTimeoutMs } = this.#options;
    return Connection.open({
      place,
      address,
      anyRole,
      name: `${name}:${purpose}`,
      timeoutMs: commandTimeoutMs,
      signal,
    });
  }
}
