import { BatonError } from "../../protocol/errors.ts";
import { Backoff, retryAfterMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { type Credentials, TOKEN_SPARE_MS } from "./credentials.ts";

/** Part of the time left after which more is asked for. */
const USED_PART = 0.8;
/** Up to this part of the wait is left out at random, so that clients of one start do not ask in one moment. */
const JITTER = 0.1;
/** A source that returns the same old token again and again is asked no faster. */
const MIN_WAIT_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Longest that a timer can count. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** When to ask for more time, ms from now: after 80 % of what is left, 30 s before the end at the latest. */
export function prolongAfterMs(leftMs: number, random: () => number = Math.random): number {
  // A life of less than a minute has no 30 s to spare.
  const latestMs = Math.max(leftMs - TOKEN_SPARE_MS, leftMs / 2);
  const waitMs = Math.min(leftMs * USED_PART, latestMs) * (1 - JITTER * random());
  return Math.min(Math.max(waitMs, MIN_WAIT_MS), MAX_TIMER_MS);
}

/** Prolongs the token's time on the open socket, before it ends. */
export class TokenKeeper {
  readonly #connection: Connection;
  readonly #credentials: Credentials;
  readonly #changed: () => void;
  readonly #backoff = new Backoff(MIN_WAIT_MS, MAX_RETRY_MS);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts sockets: what was asked for on an earlier one is of no interest. */
  #generation = 0;
  /** More time was refused, as to everybody who does not hold a browser. */
  #refused = false;
  #holds = false;

  /** `changed` is called when the token's end has moved. */
  constructor(connection: Connection, credentials: Credentials, changed: () => void) {
    this.#connection = connection;
    this.#credentials = credentials;
    this.#changed = changed;
  }

  opened(): void {
    this.stop();
    this.#backoff.reset();
    this.#plan();
  }

  stop(): void {
    this.#generation += 1;
    this.#refused = false;
    clearTimeout(this.#timer);
  }

  /** Whether this client holds a browser: then a link's time can be prolonged. */
  holds(now: boolean): void {
    const began = now && !this.#holds;
    this.#holds = now;
    if (!began || !this.#refused) return;
    this.#refused = false;
    this.#renew();
  }

  #plan(): void {
    const { grant, prolonging } = this.#credentials;
    if (grant === undefined || prolonging === undefined) return;
    const leftMs = grant.expiresAt - (Date.now() + this.#connection.clockOffsetMs);
    this.#after(prolongAfterMs(leftMs));
  }

  #after(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#credentials.prolonging === "renew") this.#renew();
      else void this.#refresh();
    }, waitMs);
  }

  async #refresh(): Promise<void> {
    const generation = this.#generation;
    let token: string;
    try {
      token = await this.#credentials.fetch();
    } catch (error) {
      if (generation === this.#generation) this.#failed(error);
      return;
    }
    if (generation !== this.#generation) return;
    this.#connection.request({
      message: { type: "auth.refresh", token },
      lifetime: "connection",
      internal: true,
      answered: (answer) => {
        if (answer.type !== "auth.updated") return;
        this.#credentials.prolonged(answer.expiresAt, { token });
        this.#prolonged();
      },
      failed: (error) => generation === this.#generation && this.#failed(error),
    });
  }

  #renew(): void {
    const generation = this.#generation;
    this.#connection.request({
      message: { type: "auth.renew" },
      lifetime: "connection",
      internal: true,
      answered: (answer) => {
        if (answer.type !== "auth.updated") return;
        this.#credentials.prolonged(answer.expiresAt, { session: answer.session });
        this.#prolonged();
      },
      failed: (error) => {
        if (generation !== this.#generation) return;
        if (error.code === "forbidden") this.#refused = true;
        else this.#failed(error);
      },
    });
  }

  #prolonged(): void {
    this.#backoff.reset();
    this.#plan();
    this.#changed();
  }

  /** What can succeed later is tried again; otherwise the socket lives to its token's end, and a new one asks anew. */
  #failed(error: unknown): void {
    if (error instanceof BatonError && !error.retryable) return;
    this.#after(Math.max(this.#backoff.nextMs(), retryAfterMs(error)));
  }
}
