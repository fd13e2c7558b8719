/**
 * All load of one contender: its publisher and its subscribers, on one core beside Redis. What is published goes as fast
 * as the slowest subscriber takes it, or at a pace; every subscriber must get every event, in order.
 */
import { setTimeout as delay } from "node:timers/promises";
import { cpuMicrosOf } from "./cpu-time.ts";
import { subscribe, type Dialect } from "./dialects.ts";
import { beginningOf, FieldEvents } from "./field-events.ts";
import { serve } from "./processes.ts";
import { openPublisher, type PublisherKind } from "./publishers.ts";
import { RawSocket } from "./raw-socket.ts";
import { viewerToken } from "./viewer-token.ts";

export interface LoadSettings {
  readonly dialect: Dialect;
  readonly url: string;
  readonly channel: string;
  readonly subscribers: number;
  /** What an event's text begins with, where that is not what Baton sends. */
  readonly beginning?: string;
  /** Of Baton's tokens. */
  readonly secret?: string;
  readonly publisher: PublisherKind;
  readonly address: string;
  /** Processes whose processor time is taken. */
  readonly serverPids: readonly number[];
}

export interface TurnOrder {
  /** Events under way, or `perSecond`. */
  readonly window?: number;
  readonly perSecond?: number;
  readonly settleMs: number;
  readonly forMs: number;
}

export interface Turn {
  readonly deliveries: number;
  readonly ms: number;
  readonly serverMicros: number;
  readonly loadMicros: number;
  /** Deliveries that one call of the system brought. */
  readonly perRead: number;
  /** Milliseconds from publishing to arrival at each subscriber. Empty where events leave at no pace. */
  readonly latencies: readonly number[];
}

/** Handshakes under way at a time. */
const BATCH = 100;
/** How long an event may be on its way to the last subscriber. */
const LOST_MS = 20_000;
/** Events that are told apart at a time; more are never under way. */
const RING = 4_096;

serve(async ([text = "{}"]) => {
  const settings = JSON.parse(text) as LoadSettings;
  const { channel, subscribers, serverPids } = settings;
  const events = new FieldEvents(channel);
  const publisher = await openPublisher({
    kind: settings.publisher,
    address: settings.address,
    channel,
    created: events.created,
  });
  const first = events.seq;
  const last = new Int32Array(subscribers).fill(first);
  const missing = new Int32Array(RING);
  const sentAt = new Float64Array(RING);
  let latencies: number[] | undefined;
  let deliveries = 0;
  /** Number of the last event that all have. */
  let complete = first;
  let window = 0;
  let onComplete = (): void => {};
  let pace: NodeJS.Timeout | undefined;

  const publish = (): void => {
    const step = events.next();
    const slot = step.state.seq % RING;
    missing[slot] = subscribers;
    sentAt[slot] = performance.now();
    publisher.publish(step);
  };
  const arrived = (subscriber: number, seq: number): void => {
    if (seq !== (last[subscriber] ?? 0) + 1)
      throw new Error(`subscriber ${subscriber} got event ${seq} after ${last[subscriber]}`);
    last[subscriber] = seq;
    deliveries += 1;
    const slot = seq % RING;
    latencies?.push(performance.now() - (sentAt[slot] ?? 0));
    const left = (missing[slot] ?? 0) - 1;
    missing[slot] = left;
    if (left > 0) return;
    complete = seq;
    while (events.seq - complete < window) publish();
    onComplete();
  };

  const sockets: RawSocket[] = [];
  const join = async (subscriber: number): Promise<RawSocket> =>
    subscribe({
      dialect: settings.dialect,
      url: settings.url,
      channel,
      ...(settings.secret !== undefined && {
        token: await viewerToken(settings.secret, channel, subscriber),
      }),
      beginning: settings.beginning ?? beginningOf(channel),
      onEvent: (seq) => arrived(subscriber, seq),
      onEnd: (why) => {
        throw new Error(`subscriber ${subscriber} of ${settings.url} has ended: ${why.message}`);
      },
    });
  while (sockets.length < subscribers) {
    const count = Math.min(BATCH, subscribers - sockets.length);
    sockets.push(
      ...(await Promise.all(Array.from({ length: count }, (_, index) => join(sockets.length + index)))),
    );
  }

  const turn = async ({ window: asked = 0, perSecond = 0, settleMs, forMs }: TurnOrder): Promise<Turn> => {
    window = asked;
    while (events.seq - complete < window) publish();
    pace = perSecond > 0 ? setInterval(publish, 1_000 / perSecond) : undefined;
    await delay(settleMs);
    const mark = () => ({
      at: performance.now(),
      deliveries,
      reads: RawSocket.reads,
      server: cpuMicrosOf(serverPids),
      load: process.cpuUsage(),
    });
    const before = mark();
    if (perSecond > 0) latencies = [];
    await delay(forMs);
    const after = mark();
    window = 0;
    clearInterval(pace);
    await within(LOST_MS, () => complete === events.seq);
    const taken = latencies ?? [];
    latencies = undefined;
    const delivered = after.deliveries - before.deliveries;
    return {
      deliveries: delivered,
      ms: after.at - before.at,
      serverMicros: after.server - before.server,
      loadMicros: after.load.user + after.load.system - before.load.user - before.load.system,
      perRead: delivered / Math.max(1, after.reads - before.reads),
      latencies: taken,
    };
  };
  /** Resolves as soon as `done`, which is asked at the completion of every event. */
  const within = async (ms: number, done: () => boolean): Promise<void> => {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`event ${complete + 1} did not reach all subscribers`)),
        ms,
      );
      onComplete = () => {
        if (!done()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    onComplete = () => {};
  };

  return {
    info: { eventBytes: String(Buffer.byteLength(beginningOf(channel))) },
    answer: (question) => turn(question as TurnOrder),
    close: async () => {
      window = 0;
      clearInterval(pace);
      for (const socket of sockets) socket.terminate();
      await publisher.close();
    },
  };
});
