/** Counts what addresses and subjects ask for, and refuses what is too much. */
import { BatonError } from "../../protocol/errors.ts";
import type { Operation } from "../core/access.ts";
import { addressKey, type AddressSet } from "./client-address.ts";
import type { Clock, Rate } from "./bucket.ts";
import { Counts } from "./counts.ts";
import { KeyedBuckets } from "./keyed-buckets.ts";
import { ConnectionMeter } from "./meter.ts";
import { BURST_OF_MINUTE_SECONDS, DEFAULT_LIMITS, type LimitSettings } from "./settings.ts";

/** Addresses, or subjects, that one limit remembers; each takes some 200 bytes. See `KeyedBuckets` for the bound. */
const MAX_KEYS = 10_000;
/** When to ask again for what frees up only when something else is closed. */
const RETRY_OPEN_MS = 5_000;

export interface LimitsOptions {
  readonly settings?: Partial<LimitSettings>;
  /** Addresses to which no limit by address applies. Default: none. */
  readonly exempt?: AddressSet;
  /** Default: the process's monotonic clock. */
  readonly now?: Clock;
}

/**
 * Addresses are clients' (`clientAddress`), but for `connection`, which sees the connection's other end: exempt a
 * proxy from it. Those of IPv6 count by their /64, which one machine may have all of.
 */
export class Limits {
  readonly settings: LimitSettings;
  readonly #exempt: AddressSet | undefined;
  readonly #now: Clock;
  readonly #connections = new Counts();
  readonly #socketsOfAddress = new Counts();
  readonly #socketsOfSubject = new Counts();
  readonly #waits = new Counts();
  readonly #handshakes: KeyedBuckets;
  readonly #requests: KeyedBuckets;
  readonly #failedTokens: KeyedBuckets;
  readonly #calls: KeyedBuckets;
  /** Where sockets may send what they like. It counts nothing, so one does for all. */
  readonly #unmetered: ConnectionMeter | undefined;
  readonly #kinds: ReadonlyMap<
    Operation,
    { buckets: KeyedBuckets; limit: string; setting: keyof LimitSettings }
  >;

  constructor({ settings, exempt, now = () => performance.now() }: LimitsOptions = {}) {
    this.settings = { ...DEFAULT_LIMITS, ...settings };
    this.#exempt = exempt;
    this.#now = now;
    const perMinute = (setting: keyof LimitSettings): KeyedBuckets =>
      new KeyedBuckets({ rate: rateOfMinute(this.settings[setting]), maxKeys: MAX_KEYS, now });
    const kind = (limit: string, setting: keyof LimitSettings) => ({
      buckets: perMinute(setting),
      limit,
      setting,
    });
    this.#handshakes = perMinute("handshakesPerMinute");
    this.#requests = perMinute("requestsPerMinute");
    this.#failedTokens = perMinute("failedTokensPerMinute");
    this.#calls = perMinute("callsPerMinute");
    const { messagesPerSecond, inputEventsPerSecond, bytesPerSecond } = this.settings;
    if (messagesPerSecond === 0 && inputEventsPerSecond === 0 && bytesPerSecond === 0)
      this.#unmetered = new ConnectionMeter(this.settings, now);
    const links = kind("links", "linksPerMinute");
    this.#kinds = new Map<Operation, ReturnType<typeof kind>>([
      ["handoff.request", kind("handoff_requests", "handoffRequestsPerMinute")],
      ["sandbox.create", kind("sandboxes", "sandboxesPerMinute")],
      ["link.create", links],
      ["link.revoke", links],
      ["cdp.connect", kind("cdp_connects", "cdpConnectsPerMinute")],
    ]);
  }

  /**
   * Counts a TCP connection.
   *
   * @returns false: there are too many, it is not counted, and is to be dropped. Otherwise `connectionClosed` must be
   *   called when it is closed.
   */
  connection(address: string): boolean {
    const key = this.#limited(address);
    if (key === undefined) return true;
    const max = this.settings.connectionsPerAddress;
    if (max > 0 && this.#connections.of(key) >= max) return false;
    this.#connections.add(key);
    return true;
  }

  connectionClosed(address: string): void {
    const key = this.#limited(address);
    if (key !== undefined) this.#connections.remove(key);
  }

  /** Counts a handshake. @throws BatonError `rate_limited` */
  handshake(address: string): void {
    const key = this.#limited(address);
    if (key === undefined) return;
    check(
      this.#handshakes.take(key),
      "handshakes",
      "WebSocket handshakes from your address",
      "handshakesPerMinute",
    );
  }

  /** Counts an HTTP request. @throws BatonError `rate_limited` */
  request(address: string): void {
    const key = this.#limited(address);
    if (key === undefined) return;
    check(this.#requests.take(key), "requests", "requests from your address", "requestsPerMinute");
  }

  /** Counts a token that was not valid. */
  refusedToken(address: string): void {
    const key = this.#limited(address);
    // Those that were tried at the same time are counted too, although `mayTry` saw none of them.
    if (key !== undefined) this.#failedTokens.charge(key);
  }

  /** To be asked before a token is checked. @throws BatonError `rate_limited`: too many before were not valid */
  mayTry(address: string): void {
    const key = this.#limited(address);
    if (key === undefined) return;
    const what = "tokens from your address that are not valid";
    check(this.#failedTokens.waitMs(key), "failed_tokens", what, "failedTokensPerMinute");
  }

  /**
   * Counts an open socket or pipe.
   *
   * @returns to be called when it is closed; once or more often is the same
   * @throws BatonError `too_many`
   */
  socket(address: string, subject: string): () => void {
    const key = this.#limited(address);
    const { socketsPerAddress, socketsPerSubject } = this.settings;
    if (key !== undefined && socketsPerAddress > 0 && this.#socketsOfAddress.of(key) >= socketsPerAddress) {
      throw tooMany("sockets_per_address", "sockets from your address", "socketsPerAddress");
    }
    if (socketsPerSubject > 0 && this.#socketsOfSubject.of(subject) >= socketsPerSubject) {
      throw tooMany("sockets_per_subject", `sockets of ${subject}`, "socketsPerSubject");
    }
    if (key !== undefined) this.#socketsOfAddress.add(key);
    this.#socketsOfSubject.add(subject);
    // One closure: every open socket keeps it.
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (key !== undefined) this.#socketsOfAddress.remove(key);
      this.#socketsOfSubject.remove(subject);
    };
  }

  /** Counts a call, over HTTP or a socket. @throws BatonError `rate_limited` */
  call(subject: string): void {
    check(this.#calls.take(subject), "calls", `calls of ${subject}`, "callsPerMinute");
  }

  /** Counts an operation that costs more than others, beside `call`. @throws BatonError `rate_limited` */
  kind(subject: string, operation: Operation): void {
    const kind = this.#kinds.get(operation);
    if (kind) check(kind.buckets.take(subject), kind.limit, `${operation} of ${subject}`, kind.setting);
  }

  /**
   * Counts a call that waits: a long poll or an event stream.
   *
   * @returns to be called when it is over; once or more often is the same
   * @throws BatonError `too_many`
   */
  wait(subject: string): () => void {
    const { waitsPerSubject } = this.settings;
    if (waitsPerSubject > 0 && this.#waits.of(subject) >= waitsPerSubject) {
      throw tooMany("waits_per_subject", `waiting calls and event streams of ${subject}`, "waitsPerSubject");
    }
    this.#waits.add(subject);
    let waiting = true;
    return () => {
      if (waiting) this.#waits.remove(subject);
      waiting = false;
    };
  }

  /** For a new socket. */
  meter(): ConnectionMeter {
    return this.#unmetered ?? new ConnectionMeter(this.settings, this.#now);
  }

  /** What an address counts as; undefined: nothing is counted. */
  #limited(address: string): string | undefined {
    return this.#exempt?.has(address) ? undefined : addressKey(address);
  }
}

function rateOfMinute(perMinute: number): Rate | undefined {
  return perMinute === 0
    ? undefined
    : { capacity: perMinute, perSecond: perMinute / BURST_OF_MINUTE_SECONDS };
}

function check(waitMs: number, limit: string, what: string, setting: keyof LimitSettings): void {
  if (waitMs === 0) return;
  throw new BatonError(
    "rate_limited",
    `Too many ${what} in a short time. Wait ${waitMs} ms, then try again. ${raise(setting)}`,
    { limit, retryAfterMs: waitMs },
  );
}

function tooMany(limit: string, what: string, setting: keyof LimitSettings): BatonError {
  return new BatonError(
    "too_many",
    `Too many ${what} are open. Close some, then try again. ${raise(setting)}`,
    {
      limit,
      retryAfterMs: RETRY_OPEN_MS,
    },
  );
}

function raise(setting: keyof LimitSettings): string {
  return `The gateway's setting BATON_LIMITS can raise ${setting}.`;
}
