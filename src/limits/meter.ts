/** What one socket may send. */
import { BatonError } from "../../protocol/errors.ts";
import { Bucket, type Clock } from "./bucket.ts";
import { BURST_OF_SECOND_SECONDS, type LimitSettings } from "./settings.ts";

/** A pause without a refusal that shows that the peer has listened. */
const HEARD_MS = 1_000;
/** How long a peer may go on after its first refusal: what is under way on a slow network, and then some. */
const DEAF_MS = 10_000;
/** Refusals in that time that are still no reason: one a little over a limit is refused now and then, and harms nobody. */
const FEW_REFUSALS = 100;
/** Refusals beyond which it is not waited for that long: answering them costs as much as doing what was asked. */
const MAX_REFUSALS = 10_000;

export type MeterSettings = Pick<
  LimitSettings,
  "messagesPerSecond" | "inputEventsPerSecond" | "bytesPerSecond"
>;

export class ConnectionMeter {
  readonly #now: Clock;
  readonly #messages: Bucket | undefined;
  readonly #inputEvents: Bucket | undefined;
  readonly #bytes: Bucket | undefined;
  /** The refusals since the peer last listened. */
  #row: { count: number; readonly since: number; last: number } | undefined;

  constructor(settings: MeterSettings, now: Clock) {
    const bucket = (perSecond: number): Bucket | undefined =>
      perSecond === 0
        ? undefined
        : new Bucket({ capacity: perSecond * BURST_OF_SECOND_SECONDS, perSecond }, now);
    this.#now = now;
    this.#messages = bucket(settings.messagesPerSecond);
    this.#inputEvents = bucket(settings.inputEventsPerSecond);
    this.#bytes = bucket(settings.bytesPerSecond);
  }

  /**
   * Counts a message that has come.
   *
   * @param type the message's, for the refusal's text: one that the protocol knows
   * @param bytes its size
   * @param inputEvents how many events it asks to pass on; 0 for every other message
   * @returns `rate_limited`: it is over a limit, and must not be acted on
   */
  take(type: string, bytes: number, inputEvents: number): BatonError | undefined {
    const waits = [
      { limit: "messages", what: "messages", waitMs: this.#messages?.take() ?? 0 },
      { limit: "bytes", what: "bytes", waitMs: this.#bytes?.take(bytes) ?? 0 },
    ];
    // One that is refused reaches no page.
    if (inputEvents > 0 && waits.every(({ waitMs }) => waitMs === 0)) {
      const waitMs = this.#inputEvents?.take(inputEvents) ?? 0;
      waits.push({ limit: "input_events", what: "input events", waitMs });
    }
    const worst = waits.reduce((a, b) => (b.waitMs > a.waitMs ? b : a));
    if (worst.waitMs === 0) return undefined;
    this.#refused();
    return new BatonError(
      "rate_limited",
      `Too many ${worst.what} on this socket: this ${type} was dropped. Wait ${worst.waitMs} ms, then send less.`,
      { limit: worst.limit, retryAfterMs: worst.waitMs },
    );
  }

  /** The peer goes on and on although it was refused. Nothing but closing its socket with `rate_limited` helps. */
  get tooMuch(): boolean {
    const row = this.#row;
    if (!row || row.count <= FEW_REFUSALS) return false;
    return row.count > MAX_REFUSALS || row.last - row.since > DEAF_MS;
  }

  #refused(): void {
    const now = this.#now();
    if (!this.#row || now - this.#row.last > HEARD_MS) this.#row = { count: 0, since: now, last: now };
    this.#row.count += 1;
    this.#row.last = now;
  }
}
