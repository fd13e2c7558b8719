/** A bucket for each address or subject that was heard of lately. */
import { Bucket, type Clock, type Rate } from "./bucket.ts";

/** Keys that were not used for longest, looked at on each use: full buckets leave faster than new ones come. */
const LOOKED_AT = 2;
/** Share of the bound that stays when it is reached: making room rarely keeps a flood of new keys cheap. */
const KEPT = 0.9;

export interface KeyedBucketsOptions {
  /** Default: no limit, and nothing is kept. */
  readonly rate: Rate | undefined;
  /**
   * Most keys. At the bound the fullest buckets leave, those that a new one in their place would hardly differ from:
   * whoever is throttled stays so, unless this many others are throttled more.
   */
  readonly maxKeys: number;
  readonly now: Clock;
}

export class KeyedBuckets {
  readonly #options: KeyedBucketsOptions;
  /** Least recently used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: KeyedBucketsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** As `Bucket.take`. */
  take(key: string): number {
    return this.#of(key)?.take() ?? 0;
  }

  /** As `Bucket.waitMs`; keeps nothing for a key that was not heard of. */
  waitMs(key: string): number {
    return this.#buckets.get(key)?.waitMs() ?? 0;
  }

  /** As `Bucket.charge`. */
  charge(key: string): void {
    this.#of(key)?.charge();
  }

  #of(key: string): Bucket | undefined {
    const { rate, maxKeys, now } = this.#options;
    if (!rate) return undefined;
    this.#forgetIdle();
    let bucket = this.#buckets.get(key);
    if (bucket) this.#buckets.delete(key);
    else {
      if (this.#buckets.size >= maxKeys) this.#makeRoom(maxKeys);
      bucket = new Bucket(rate, now);
    }
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #forgetIdle(): void {
    let looked = 0;
    for (const [key, bucket] of this.#buckets) {
      if (looked === LOOKED_AT || bucket.level < 1) return;
      this.#buckets.delete(key);
      looked += 1;
    }
  }

  #makeRoom(maxKeys: number): void {
    const byLevel = [...this.#buckets].map(([key, bucket]) => ({ key, level: bucket.level }));
    byLevel.sort((a, b) => b.level - a.level);
    const leaving = byLevel.length - Math.floor(maxKeys * KEPT);
    for (const { key } of byLevel.slice(0, leaving)) this.#buckets.delete(key);
  }
}
