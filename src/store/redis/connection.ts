/**
 * One connection to one Redis server. It is used until anything is wrong with it and then thrown away: it never
 * reconnects, never queues and never sends a command twice. Whoever needs another opens another.
 */
import { isIP } from "node:net";
import { Redis, type RedisOptions as AllOptions } from "ioredis";
import { Deadline } from "./deadline.ts";
import { wordOf } from "./errors.ts";
import type { Script } from "./script.ts";
import type { Address, RedisPlace } from "./url.ts";

/** Sharded channels and declared script keys came with it. */
const OLDEST_MAJOR = 7;

type RedisOptions = Omit<AllOptions, "replyMapping">;

export type Argument = string | number;

export interface ConnectionOptions {
  readonly place: RedisPlace;
  /** A server, or `undefined` for the one that the Sentinels call the master. */
  readonly address: Address | undefined;
  /** A replica will do as well: it knows the Cluster as a master does. */
  readonly anyRole?: boolean;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  /** For each step of the way: TCP, a Sentinel's answer, the greeting. */
  readonly timeoutMs: number;
  /** Ends an attempt, and nothing once it succeeded. */
  readonly signal: AbortSignal;
}

export class Connection {
  readonly #redis: Redis;
  /** On the monotonic clock. */
  readonly openedAt = performance.now();
  readonly #onDown = new Set<(reason: string) => void>();
  #down: string | undefined;
  #lastError: Error | undefined;

  /** @throws Error why there is no usable connection; the attempt leaves nothing behind */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(redisOptions(options));
    // A Sentinel that does not answer may cost one step, each of them.
    const steps = options.address ? 1 : 1 + options.place.addresses.length;
    const abort = (): void => connection.destroy("the store is closed");
    options.signal.addEventListener("abort", abort, { once: true });
    try {
      await new Deadline(steps * options.timeoutMs).race(
        connection.#greet(options),
        () => new Error(`no answer within ${steps * options.timeoutMs} ms`),
      );
      return connection;
    } catch (error) {
      // ioredis rejects with no more than that the connection is closed; why, it says in an event.
      const reason = wordOf(error) === "" ? connection.#lastError : undefined;
      connection.destroy("the attempt failed");
      throw reason ?? error;
    } finally {
      options.signal.removeEventListener("abort", abort);
    }
  }

  private constructor(options: RedisOptions) {
    this.#redis = new Redis(options);
    this.#redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    this.#redis.on("end", () => this.destroy(this.#lastError?.message ?? "Redis closed the connection"));
    // A channel's slot has moved, or the server ended a subscription: this connection does not hear it any more.
    this.#redis.on("moved", () => this.destroy("Redis ended a subscription: its slot has moved"));
  }

  get alive(): boolean {
    return this.#down === undefined;
  }

  /** Called once, at once when it is down already. */
  onDown(listener: (reason: string) => void): void {
    if (this.#down === undefined) this.#onDown.add(listener);
    else listener(this.#down);
  }

  onMessage(listener: (channel: string, message: string) => void): void {
    this.#redis.on("smessage", (channel: string, message: string) => {
      if (this.alive) listener(channel, message);
    });
  }

  /** Not bounded in time: the caller has the deadline. Rejects when the connection goes down. */
  async command(name: string, ...args: Argument[]): Promise<unknown> {
    return this.#redis.call(name, ...args);
  }

  async script(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#redis.call("EVALSHA", script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (wordOf(error) !== "NOSCRIPT") throw error;
      return this.#redis.call("EVAL", script.lua, keys.length, ...keys, ...args);
    }
  }

  /** Ends it at once, also when the other side is gone. */
  destroy(reason: string): void {
    if (this.#down !== undefined) return;
    this.#down = reason;
    this.#redis.disconnect();
    for (const listener of this.#onDown) listener(reason);
    this.#onDown.clear();
  }

  async #greet({ place, anyRole = false }: ConnectionOptions): Promise<void> {
    await this.#redis.connect();
    const fields = (await this.#redis.call("HELLO")) as readonly unknown[];
    const field = (name: string): unknown => fields[fields.indexOf(name) + 1];
    const [version, mode, role] = [String(field("version")), field("mode"), field("role")];
    if (Number.parseInt(version, 10) < OLDEST_MAJOR) {
      throw new Error(`it is Redis ${version}; version ${OLDEST_MAJOR}.0 or later is needed`);
    }
    if (mode === "sentinel") throw new Error("it is a Sentinel; use redis+sentinel://host:port/masterName");
    if ((mode === "cluster") !== (place.kind === "cluster")) {
      throw new Error(
        mode === "cluster"
          ? "it belongs to a Cluster; use redis+cluster://host:port"
          : "it does not belong to a Cluster; use redis://host:port.",
      );
    }
    if (role !== "master" && !anyRole) {
      throw new Error(
        "it is a replica; name the master, or use redis+sentinel:// or redis+cluster:// to have it found",
      );
    }
  }
}

function redisOptions({ place, address, name, timeoutMs }: ConnectionOptions): RedisOptions {
  const tls = place.tls ? { tls: tlsFor(address) } : {};
  return {
    ...place.credentials,
    db: place.db,
    connectionName: name,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    // How long the other side has to close too, once this one has: one that is gone never does.
    disconnectTimeout: 20,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    ...(address ? { ...address, ...tls } : { ...sentinelOptions(place, timeoutMs), ...tls }),
  };
}

function sentinelOptions(place: RedisPlace, timeoutMs: number): RedisOptions {
  const { username, password } = place.sentinelCredentials;
  // Another one first each time: the first may be the one that does not know of the failover yet.
  const start = Math.floor(Math.random() * place.addresses.length);
  return {
    sentinels: [...place.addresses.slice(start), ...place.addresses.slice(0, start)],
    name: place.masterName,
    updateSentinels: false,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: timeoutMs,
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(place.tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
  };
}

function tlsFor(address: Address | undefined): { servername?: string } {
  return address && isIP(address.host) === 0 ? { servername: address.host } : {};
}
