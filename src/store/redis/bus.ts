/**
 * Brings what commits publish to this node's listeners. A message is parsed once however many listen. Links are
 * thrown away at the first doubt; when their channels are subscribed again, listeners are told that they may have
 * missed something.
 */
import type { Connection } from "./connection.ts";
import { backoffMs, Deadline } from "./deadline.ts";
import { closed, unavailable } from "./errors.ts";
import type { RedisLogger } from "./logger.ts";
import { SubscriberLink } from "./subscriber-link.ts";

/** Where messages go. */
export interface Receiver {
  /** Must not change `message`: all receivers of a channel get the same one. */
  message(message: unknown): void;
  /** Messages may have been missed; later ones will come. */
  lost(): void;
}

export interface ChannelName {
  readonly partition: number;
  readonly name: string;
}

export interface BusOptions {
  readonly endpointOf: (partition: number) => string | undefined;
  /** A partition that the endpoint serves, or `undefined` when there is none. */
  readonly partitionOf: (endpoint: string) => number | undefined;
  readonly probeChannel: (partition: number) => string;
  readonly open: (endpoint: string) => Promise<Connection>;
  readonly publish: (partition: number, channel: string, message: string) => Promise<number>;
  /** Finds out anew which endpoint serves what. Never rejects. */
  readonly refresh: () => Promise<void>;
  readonly timeoutMs: number;
  readonly probeMs: number;
  readonly logger: RedisLogger;
}

interface Entry {
  readonly receiver: Receiver;
  /** `waiting`: `subscribe` has not resolved. `lost`: to be told so once the channel is up again. */
  status: "waiting" | "up" | "lost";
  readonly confirm: () => void;
}

interface Channel extends ChannelName {
  readonly entries: Set<Entry>;
  link: SubscriberLink | undefined;
  /** The server confirmed it on this link. */
  up: boolean;
}

export class Bus {
  readonly #options: BusOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #links = new Map<string, SubscriberLink>();
  /** Links that failed in a row, by endpoint. */
  readonly #failures = new Map<string, number>();
  /** Endpoints that are not to be connected to before their timer. */
  readonly #resting = new Map<string, NodeJS.Timeout>();
  readonly #prober: NodeJS.Timeout;
  #closed = false;

  constructor(options: BusOptions) {
    this.#options = options;
    this.#prober = setInterval(() => {
      for (const link of this.#links.values()) void this.#probe(link).catch(() => {});
    }, options.probeMs);
  }

  /**
   * Resolves once every later message reaches the receiver. One receiver may subscribe to several channels; it is told
   * of a loss once for all that were lost together.
   * @throws BatonError `unavailable`
   */
  async subscribe(channels: readonly ChannelName[], receiver: Receiver): Promise<() => void> {
    if (this.#closed) throw closed();
    const joined = channels.map((name) => this.#join(name, receiver));
    const leave = (): void => {
      for (const { channel, entry } of joined) this.#leave(channel, entry);
    };
    const { timeoutMs } = this.#options;
    try {
      await new Deadline(timeoutMs).race(Promise.all(joined.map(async ({ confirmed }) => confirmed)), () =>
        unavailable(
          `Redis did not confirm a subscription within ${timeoutMs} ms. Try again; check that Redis runs.`,
        ),
      );
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  /** @throws Error messages would not arrive now */
  async check(): Promise<void> {
    if ([...this.#channels.values()].some(({ up }) => !up)) throw unavailable("A subscription is missing.");
    await Promise.all([...this.#links.values()].map(async (link) => this.#probe(link)));
  }

  /** Another endpoint may serve some partitions now. */
  reassign(): void {
    for (const link of this.#links.values()) {
      const moved = this.#channelsOf(link).some(
        ({ partition }) => this.#options.endpointOf(partition) !== link.endpoint,
      );
      if (moved || this.#options.partitionOf(link.endpoint) === undefined)
        link.fail("another master serves its slots");
    }
    for (const endpoint of this.#failures.keys())
      if (this.#options.partitionOf(endpoint) === undefined) this.#failures.delete(endpoint);
    this.#placeAll();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#prober);
    for (const timer of this.#resting.values()) clearTimeout(timer);
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#channels.clear();
  }

  #join(name: ChannelName, receiver: Receiver) {
    const channel = this.#channels.get(name.name) ?? {
      ...name,
      entries: new Set(),
      link: undefined,
      up: false,
    };
    this.#channels.set(name.name, channel);
    let confirm = (): void => {};
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve;
    });
    const entry: Entry = { receiver, status: channel.up ? "up" : "waiting", confirm };
    channel.entries.add(entry);
    if (channel.up) confirm();
    else this.#place(channel);
    return { channel, entry, confirmed };
  }

  #leave(channel: Channel, entry: Entry): void {
    if (!channel.entries.delete(entry) || channel.entries.size > 0) return;
    this.#channels.delete(channel.name);
    channel.link?.drop(channel.name);
  }

  #place(channel: Channel): void {
    if (channel.link || this.#closed) return;
    const endpoint = this.#options.endpointOf(channel.partition);
    if (endpoint === undefined) return this.#rest("");
    if (this.#resting.has(endpoint)) return;
    const link = this.#links.get(endpoint) ?? this.#connect(endpoint);
    channel.link = link;
    link.add(channel.name);
  }

  #placeAll(): void {
    for (const channel of this.#channels.values()) this.#place(channel);
  }

  #connect(endpoint: string): SubscriberLink {
    const { open, publish, probeChannel, partitionOf, timeoutMs, probeMs, logger } = this.#options;
    const partition = partitionOf(endpoint) ?? 0;
    const link: SubscriberLink = new SubscriberLink({
      endpoint,
      open: async () => open(endpoint),
      probeChannel: probeChannel(partition),
      publish: async (channel, message) => publish(partition, channel, message),
      timeoutMs,
      probeTimeoutMs: 2 * probeMs,
      onMessage: (channel, message) => this.#deliver(channel, message),
      onSubscribed: (name) => this.#subscribed(name, link),
      onSettled: () => this.#settled(link),
      onDown: (reason) => {
        logger.warn(
          { redis: endpoint, reason },
          "The subscriber connection to Redis is lost; opening another.",
        );
        this.#down(link);
      },
    });
    this.#links.set(endpoint, link);
    return link;
  }

  #deliver(name: string, text: string): void {
    const channel = this.#channels.get(name);
    if (!channel) return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#options.logger.warn(
        { channel: name },
        "A message that is not JSON was published here; ignored.",
      );
    }
    for (const { receiver } of channel.entries) this.#tell(() => receiver.message(message));
  }

  #subscribed(name: string, link: SubscriberLink): void {
    const channel = this.#channels.get(name);
    if (channel?.link !== link) return;
    channel.up = true;
    for (const entry of channel.entries) {
      if (entry.status !== "waiting") continue;
      entry.status = "up";
      entry.confirm();
    }
    // A channel that came to a link which had settled before, from one that went down.
    if (!link.settling) this.#tellLost([channel]);
  }

  #settled(link: SubscriberLink): void {
    this.#tellLost(this.#channelsOf(link).filter(({ up }) => up));
  }

  #tellLost(channels: readonly Channel[]): void {
    const receivers = new Set<Receiver>();
    for (const { entries } of channels) {
      for (const entry of entries) {
        if (entry.status !== "lost") continue;
        entry.status = "up";
        receivers.add(entry.receiver);
      }
    }
    for (const receiver of receivers) this.#tell(() => receiver.lost());
  }

  #down(link: SubscriberLink): void {
    this.#links.delete(link.endpoint);
    for (const channel of this.#channelsOf(link)) {
      channel.link = undefined;
      channel.up = false;
      for (const entry of channel.entries) if (entry.status === "up") entry.status = "lost";
    }
    this.#rest(link.endpoint);
  }

  /** @param endpoint empty for a slot that nobody serves */
  #rest(endpoint: string): void {
    if (this.#closed || this.#resting.has(endpoint)) return;
    const failures = this.#failures.get(endpoint) ?? 0;
    this.#failures.set(endpoint, failures + 1);
    const timer = setTimeout(() => {
      void this.#options.refresh().then(() => {
        this.#resting.delete(endpoint);
        this.#placeAll();
      });
    }, backoffMs(failures));
    this.#resting.set(endpoint, timer);
  }

  async #probe(link: SubscriberLink): Promise<void> {
    await link.probe();
    this.#failures.delete(link.endpoint);
  }

  #channelsOf(link: SubscriberLink): Channel[] {
    return [...this.#channels.values()].filter((channel) => channel.link === link);
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.logger.warn({ err: error }, "A listener of the store failed; the others go on.");
    }
  }
}
