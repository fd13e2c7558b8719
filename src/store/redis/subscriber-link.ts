/**
 * One subscriber connection to one master. It brings the channels it was given into the state they are wanted in and
 * proves with probes to itself that messages arrive. When anything is wrong it goes down for good; the bus opens
 * another one.
 */
import type { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";

export interface SubscriberLinkOptions {
  readonly endpoint: string;
  readonly open: () => Promise<Connection>;
  /** A channel in a slot that the master serves, of this link alone. */
  readonly probeChannel: string;
  /** Publishes there by another way than this link; answers how many subscribers that server has. */
  readonly publish: (channel: string, message: string) => Promise<number>;
  /** For the server's answer to a subscription. */
  readonly timeoutMs: number;
  /** For a probe to come back. */
  readonly probeTimeoutMs: number;
  readonly onMessage: (channel: string, message: string) => void;
  /** The server confirmed the subscription; every later message will come. */
  readonly onSubscribed: (channel: string) => void;
  /** All channels that were wanted when the connection came up are subscribed. Once. */
  readonly onSettled: () => void;
  /** Once, unless it was closed. */
  readonly onDown: (reason: string) => void;
}

interface Subscription {
  wanted: boolean;
  /** What the server confirmed last. */
  on: boolean;
  /** A command for this channel is under way; the next one waits for it. */
  busy: boolean;
}

export class SubscriberLink {
  readonly #options: SubscriberLinkOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Channels without which the link is not settled; `undefined` before it is up and after it settled. */
  #unsettled: Set<string> | undefined;
  #connection: Connection | undefined;
  #ended = false;
  #probes = 0;
  /** The newest probe that came back. */
  #seen = 0;
  readonly #awaited = new Map<number, () => void>();

  constructor(options: SubscriberLinkOptions) {
    this.#options = options;
    this.add(options.probeChannel);
    options.open().then(
      (connection) => this.#up(connection),
      (error: unknown) => this.fail(error instanceof Error ? error.message : String(error)),
    );
  }

  get endpoint(): string {
    return this.#options.endpoint;
  }

  /** Channels that were wanted when it came up are not all subscribed yet. */
  get settling(): boolean {
    return this.#connection === undefined || this.#unsettled !== undefined;
  }

  add(channel: string): void {
    const subscription = this.#subscriptions.get(channel) ?? { wanted: true, on: false, busy: false };
    this.#subscriptions.set(channel, subscription);
    subscription.wanted = true;
    void this.#reconcile(channel, subscription);
  }

  drop(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    subscription.wanted = false;
    this.#settle(channel);
    void this.#reconcile(channel, subscription);
  }

  /**
   * Sends itself a message; the link fails when it does not come back.
   * @throws Error it did not, or could not be sent, which proves nothing about the link
   */
  async probe(): Promise<void> {
    if (!this.#subscriptions.get(this.#options.probeChannel)?.on)
      throw new Error("The subscriber is not connected.");
    this.#probes += 1;
    const probe = this.#probes;
    const back = new Promise<void>((resolve) => {
      this.#awaited.set(probe, resolve);
    });
    try {
      const receivers = await this.#options.publish(this.#options.probeChannel, String(probe));
      // Nobody: the subscriber listens at a server that no longer publishes this slot.
      if (receivers === 0 && this.#seen < probe) this.fail("its server does not know of its subscriptions");
      await new Deadline(this.#options.probeTimeoutMs).race(back, () => {
        this.fail(`a message to itself did not come back within ${this.#options.probeTimeoutMs} ms`);
        return new Error("A probe of the subscriber did not come back.");
      });
    } finally {
      this.#awaited.delete(probe);
    }
    if (this.#ended) throw new Error("The subscriber went down.");
  }

  fail(reason: string): void {
    if (this.#ended) return;
    this.close();
    this.#options.onDown(reason);
  }

  close(): void {
    this.#ended = true;
    this.#connection?.destroy("the subscriber is replaced");
    for (const resolve of this.#awaited.values()) resolve();
  }

  #up(connection: Connection): void {
    if (this.#ended) return connection.destroy("the subscriber is replaced");
    this.#connection = connection;
    connection.onDown((reason) => this.fail(reason));
    connection.onMessage((channel, message) => {
      if (channel === this.#options.probeChannel) this.#probed(Number(message));
      else this.#options.onMessage(channel, message);
    });
    this.#unsettled = new Set(
      [...this.#subscriptions].flatMap(([channel, { wanted }]) => (wanted ? [channel] : [])),
    );
    for (const [channel, subscription] of this.#subscriptions) void this.#reconcile(channel, subscription);
  }

  async #reconcile(channel: string, subscription: Subscription): Promise<void> {
    const connection = this.#connection;
    if (!connection || subscription.busy) return;
    subscription.busy = true;
    while (!this.#ended && subscription.wanted !== subscription.on) {
      const { wanted } = subscription;
      const command = connection.command(wanted ? "SSUBSCRIBE" : "SUNSUBSCRIBE", channel);
      const { timeoutMs } = this.#options;
      try {
        await new Deadline(timeoutMs).race(command, () => new Error(`no answer within ${timeoutMs} ms`));
      } catch (error) {
        return this.fail(`a subscription failed: ${error instanceof Error ? error.message : String(error)}`);
      }
      subscription.on = wanted;
    }
    subscription.busy = false;
    if (this.#ended) return;
    if (subscription.wanted) {
      if (channel !== this.#options.probeChannel) this.#options.onSubscribed(channel);
      this.#settle(channel);
    } else {
      this.#subscriptions.delete(channel);
    }
  }

  #settle(channel: string): void {
    if (!this.#unsettled?.delete(channel) || this.#unsettled.size > 0) return;
    this.#unsettled = undefined;
    this.#options.onSettled();
  }

  #probed(probe: number): void {
    this.#seen = Math.max(this.#seen, probe);
    this.#awaited.get(probe)?.();
  }
}
