/** What a node does all the time: stays known to the others, notices who is gone, and watches over the store. */
import { BatonError } from "../../protocol/errors.ts";
import type { Logger } from "../ops/log.ts";
import type { Store } from "../store/store.ts";
import type { Rooms } from "./rooms.ts";

export interface PulseOptions {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly log: Logger;
  readonly nodeId: string;
  /** How long this node counts as alive after a beat. */
  readonly nodeTtlMs: number;
  /** How long its word counts for who is connected here. */
  readonly sightingMs: number;
  /** Lets go of what belonged to sandboxes that other nodes removed. */
  readonly reap: () => Promise<void>;
  /** The store went away, or is back. */
  readonly degraded: (degraded: boolean) => void;
}

/** Longer than it takes to make a sandbox: what is being made must not look as if it had been removed. */
const REAP_MS = 30_000;

export class Pulse {
  readonly #options: PulseOptions;
  /** `null`: nothing is known of the others. */
  #living: Set<string> | null = null;
  #degraded = false;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #vouchedAt = 0;
  #reapedAt = performance.now();
  #closed = false;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  isLiving(nodeId: string): boolean {
    return this.#living?.has(nodeId) ?? true;
  }

  /** A message of that node arrived: it lives, whatever the next beat will say of later. */
  heard(nodeId: string): void {
    this.#living?.add(nodeId);
  }

  get nodes(): number {
    return this.#living?.size ?? 0;
  }

  /** Resolves when this node is known to the others, or the store could not be reached: it is then asked again. */
  async start(): Promise<void> {
    await this.#turn();
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    // The others find out by themselves if this cannot be said.
    await this.#options.store.leave(this.#options.nodeId).catch(() => {});
  }

  #schedule(): void {
    if (this.#closed) return;
    // Five beats fit into the time after which a node counts as gone; jitter keeps nodes out of step.
    const pause = (this.#options.nodeTtlMs / 5) * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => {
      this.#beating = this.#turn().finally(() => this.#schedule());
    }, pause);
  }

  async #turn(): Promise<void> {
    const { store, rooms, log, sightingMs, reap } = this.#options;
    const now = performance.now();
    // Whether or not the beat succeeds: other shards than the one that counts nodes may be well.
    if (now - this.#vouchedAt >= sightingMs / 5) {
      this.#vouchedAt = now;
      rooms.vouch();
    }
    try {
      await this.#beat();
      this.#tell(!(await store.healthy()));
      if (now - this.#reapedAt >= REAP_MS) {
        this.#reapedAt = now;
        await reap();
      }
    } catch (error) {
      if (!(error instanceof BatonError && error.retryable)) log.error({ err: error }, "a beat failed");
      this.#tell(true);
    }
  }

  async #beat(): Promise<void> {
    const { store, rooms, nodeId, nodeTtlMs } = this.#options;
    const before = new Set(this.#living);
    const { nodes, fresh } = await store.beat(nodeId, nodeTtlMs);
    // Who was first heard of during the question may be younger than the answer.
    const heard = [...(this.#living ?? [])].filter((id) => !before.has(id));
    this.#living = new Set([...nodes, ...heard]);
    for (const gone of before) if (!this.#living.has(gone)) rooms.nodeGone(gone);
    if (fresh) rooms.reannounce();
  }

  #tell(degraded: boolean): void {
    if (degraded === this.#degraded || this.#closed) return;
    this.#degraded = degraded;
    if (degraded)
      this.#options.log.error("the store does not answer: watching goes on, changes and input stop");
    else this.#options.log.info("the store answers again");
    this.#options.degraded(degraded);
  }
}
