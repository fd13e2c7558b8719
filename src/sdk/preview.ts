import type { FrameHeader } from "../../protocol/frame.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import type { CallOptions, PreviewFrame, SandboxHandle } from "./api.ts";
import { AsyncQueue, endAt } from "./async-queue.ts";
import { Retry } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import type { BatonError } from "../../protocol/errors.ts";
import type { Ending } from "./ending.ts";
import type { Follower } from "./follower.ts";
import { notify } from "./listeners.ts";

type PreviewListener = Parameters<SandboxHandle["preview"]>[1];
type FrameReceiver = (header: FrameHeader, jpeg: Uint8Array) => void;
/** Who gets the frames of which stream of the present socket. */
export type Streams = Map<number, FrameReceiver>;

interface Consumer {
  readonly options: PreviewOptions;
  frame(frame: PreviewFrame, shown: () => void): void;
  alive?(alive: boolean, newestSeq: number): void;
  ended(ending: Ending): void;
}

/** What a consumer who names nothing gets at least when another one, a thumbnail say, asks for little. */
const ORDINARY = { maxFps: 30, quality: 70 } as const;

/** One stream of a sandbox's picture, shared by all consumers of this client. */
export class PreviewHub {
  readonly #connection: Connection;
  readonly #follower: Follower;
  readonly #sandboxId: string;
  readonly #streams: Streams;
  readonly #consumers = new Set<Consumer>();
  readonly #retry: Retry;
  /** The options, as text, that were asked for on the present socket. */
  #asked: string | undefined;
  #cancelStart: (() => void) | undefined;
  #stream: number | undefined;
  #newest: PreviewFrame | undefined;
  #acknowledged = 0;

  constructor(connection: Connection, follower: Follower, sandboxId: string, streams: Streams) {
    this.#connection = connection;
    this.#follower = follower;
    this.#sandboxId = sandboxId;
    this.#streams = streams;
    this.#retry = new Retry(connection.reconnectMinMs, connection.reconnectMaxMs);
    follower.listen({
      joined: () => this.#adjust(),
      dropped: () => this.#stopped(),
      ended: (ending) => {
        this.#stopped();
        for (const consumer of Array.from(this.#consumers)) consumer.ended(ending);
      },
    });
  }

  preview(options: PreviewOptions, listener: PreviewListener): () => void {
    return this.#add({
      options,
      frame: (frame, shown) => notify(() => listener.frame(frame, shown)),
      alive: (alive, newestSeq) => notify(() => listener.alive?.(alive, newestSeq)),
      ended: () => {},
    });
  }

  frames({ signal, ...options }: PreviewOptions & CallOptions): AsyncIterableIterator<PreviewFrame> {
    let stopSignal = () => {};
    let remove = () => {};
    const queue = new AsyncQueue<{ frame: PreviewFrame; shown: () => void }>({
      limit: 1,
      full: "replace",
      taken: ({ shown }) => shown(),
      stopped: () => {
        stopSignal();
        remove();
      },
    });
    stopSignal = endAt(signal, () => queue.cancel());
    if (!signal?.aborted) {
      let over = false;
      const removeConsumer = this.#add({
        options: { ...options, pacing: "ack" },
        frame: (frame, shown) => queue.push({ frame, shown }),
        ended: ({ error, clean }) => {
          over = true;
          if (clean) queue.end();
          else queue.fail(error);
        },
      });
      remove = removeConsumer;
      if (over) removeConsumer();
    }
    return unwrap(queue);
  }

  alive(alive: boolean, newestSeq: number): void {
    for (const consumer of Array.from(this.#consumers)) consumer.alive?.(alive, newestSeq);
  }

  #add(consumer: Consumer): () => void {
    this.#consumers.add(consumer);
    this.#follower.follow();
    const stream = this.#stream;
    if (stream !== undefined && this.#newest) this.#deliver(consumer, this.#newest, stream);
    this.#adjust();
    return () => {
      if (this.#consumers.delete(consumer)) this.#adjust();
    };
  }

  /** Brings the gateway's stream to what the consumers want now. */
  #adjust(): void {
    if (!this.#follower.joinedHere) return;
    if (this.#consumers.size === 0) {
      if (this.#asked === undefined) return;
      this.#stopped();
      this.#connection.request({
        message: { type: "preview.stop", sandboxId: this.#sandboxId },
        lifetime: "connection",
        internal: true,
        answered: () => {},
        failed: () => {},
      });
      return;
    }
    const options = together([...this.#consumers].map((consumer) => consumer.options));
    const asked = JSON.stringify(options);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#retry.stop();
    this.#cancelStart?.();
    this.#cancelStart = this.#connection.request({
      message: { type: "preview.start", sandboxId: this.#sandboxId, ...options },
      lifetime: "connection",
      internal: true,
      answered: (answer) => {
        this.#cancelStart = undefined;
        if (answer.type === "preview.started") this.#started(answer.stream);
      },
      failed: (error) => this.#refused(error),
    });
  }

  #started(stream: number): void {
    if (stream !== this.#stream) this.#forgetStream();
    this.#stream = stream;
    this.#streams.set(stream, (header, jpeg) => this.#frame(header, jpeg));
  }

  #refused(error: BatonError): void {
    this.#cancelStart = undefined;
    this.#asked = undefined;
    if (!this.#follower.joinedHere) return;
    if (error.retryable) {
      // The browser may be on its way back.
      this.#retry.schedule(error, () => this.#adjust());
      return;
    }
    this.#stopped();
    for (const consumer of Array.from(this.#consumers)) consumer.ended({ error, clean: false });
  }

  #frame(header: FrameHeader, jpeg: Uint8Array): void {
    const { seq, capturedAt, viewportWidth, viewportHeight, tab, stream } = header;
    this.#newest = { jpeg, seq, capturedAt, viewportWidth, viewportHeight, tab };
    for (const consumer of Array.from(this.#consumers)) this.#deliver(consumer, this.#newest, stream);
  }

  #deliver(consumer: Consumer, frame: PreviewFrame, stream: number): void {
    consumer.frame(frame, () => {
      // The fastest consumer paces the stream. Acks are cumulative, so a slower one's add nothing.
      if (stream !== this.#stream || frame.seq <= this.#acknowledged || !this.#connection.isOpen) return;
      this.#acknowledged = frame.seq;
      this.#connection.post({ type: "preview.ack", sandboxId: this.#sandboxId, seq: frame.seq });
    });
  }

  #stopped(): void {
    this.#retry.stop();
    this.#cancelStart?.();
    this.#cancelStart = undefined;
    this.#asked = undefined;
    const newestSeq = this.#newest?.seq ?? 0;
    this.#forgetStream();
    // What is shown from here on is old (P2).
    this.alive(false, newestSeq);
  }

  #forgetStream(): void {
    if (this.#stream !== undefined) this.#streams.delete(this.#stream);
    this.#stream = undefined;
    this.#newest = undefined;
    this.#acknowledged = 0;
  }
}

/** Options that serve everybody: the most that any consumer asks for. */
function together(all: readonly PreviewOptions[]): PreviewOptions {
  const most = (name: "maxFps" | "quality") => {
    if (all.every((options) => options[name] === undefined)) return {};
    return { [name]: Math.max(...all.map((options) => options[name] ?? ORDINARY[name])) };
  };
  const pacing = all.every((options) => options.pacing === "none") ? "none" : "ack";
  return { ...most("maxFps"), ...most("quality"), pacing };
}

function unwrap(queue: AsyncQueue<{ frame: PreviewFrame }>): AsyncIterableIterator<PreviewFrame> {
  const plain = (result: IteratorResult<{ frame: PreviewFrame }, undefined>) =>
    result.done ? result : { done: false, value: result.value.frame };
  return {
    next: () => queue.next().then(plain),
    return: () => queue.return().then(plain),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
