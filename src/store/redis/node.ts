/** One master: a connection for what is asked of it, and a second one when replicas have to acknowledge. */
import type { Connection, Argument } from "./connection.ts";
import { unavailable } from "./errors.ts";
import { Lane } from "./lane.ts";
import type { Script } from "./script.ts";

export interface RedisNodeOptions {
  readonly replicas: number;
  /** How long the replicas have. */
  readonly waitMs: number;
  readonly open: (purpose: string) => Promise<Connection>;
  readonly onUp: () => void;
  readonly onTrouble: (reason: string) => void;
}

export class RedisNode {
  readonly #options: RedisNodeOptions;
  readonly #reads: Lane;
  /** Apart, because WAIT holds up whatever comes behind it on its connection. */
  readonly #writes: Lane;
  /** By connection: the WAIT that will be sent next, for everything that was written until then. */
  readonly #next = new WeakMap<Connection, Promise<number>>();
  readonly #last = new WeakMap<Connection, Promise<unknown>>();

  constructor(options: RedisNodeOptions) {
    this.#options = options;
    const { open, onUp, onTrouble } = options;
    this.#reads = new Lane({ open: async () => open("store"), onUp, onTrouble });
    this.#writes =
      options.replicas === 0
        ? this.#reads
        : new Lane({ open: async () => open("durable"), onUp: () => {}, onTrouble });
  }

  get current(): Connection | undefined {
    return this.#reads.current;
  }

  async ready(): Promise<void> {
    await Promise.all([this.#reads.get(), this.#writes.get()]);
  }

  async send<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return work(await this.#reads.get());
  }

  /** @throws BatonError `unavailable` when too few replicas acknowledged; what the script did may last all the same */
  async durable(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const { replicas, waitMs } = this.#options;
    const connection = await this.#writes.get();
    const answer = await connection.script(script, keys, args);
    if (replicas === 0) return answer;
    const acknowledged = await this.#wait(connection);
    if (acknowledged >= replicas) return answer;
    throw unavailable(
      `Only ${acknowledged} of ${replicas} Redis replicas acknowledged the change within ${waitMs} ms, so it may be lost ` +
        "or may last. Repeat it with the same idempotency key; check the replicas with INFO replication.",
    );
  }

  /**
   * Whatever is wrong, both connections are replaced.
   * @param silentMs nothing was heard for so long: a connection that is younger is not to blame
   */
  suspect(reason: string, silentMs = 0): void {
    for (const { current } of [this.#reads, this.#writes])
      if (current && performance.now() - current.openedAt >= silentMs) current.destroy(reason);
  }

  close(): void {
    this.#reads.close();
    this.#writes.close();
  }

  /**
   * How many replicas have everything that this connection wrote. One WAIT at a time: those who ask meanwhile share
   * the next, so that the number of commits in flight does not become the number of round trips.
   */
  #wait(connection: Connection): Promise<number> {
    const waiting = this.#next.get(connection);
    if (waiting) return waiting;
    const next = this.#waitAfter(connection, this.#last.get(connection));
    this.#next.set(connection, next);
    this.#last.set(
      connection,
      next.catch(() => undefined),
    );
    return next;
  }

  async #waitAfter(connection: Connection, last: Promise<unknown> | undefined): Promise<number> {
    await last;
    // Answers that came in one piece with the last WAIT's belong to this one.
    await new Promise((resolve) => setImmediate(resolve));
    this.#next.delete(connection);
    const { replicas, waitMs } = this.#options;
    return Number(await connection.command("WAIT", replicas, waitMs));
  }
}
