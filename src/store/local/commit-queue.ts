/** Changes wait here for the disk, and those of several sandboxes that wait at the same time share one write. */
import { BatonError } from "../../../protocol/errors.ts";
import { NoRoomError, type Table, type Writes } from "./table.ts";

/** Changes written at once, so that one write does not keep all the others waiting for long. */
const MAX_GROUP = 256;
/** Changes that may wait. At a disk's usual speed that is many times what a time limit lets through. */
const MAX_WAITING = 10_000;

/** What a change comes to, given what is stored now. */
export interface Plan<T> {
  /** Empty: there is nothing to do, and `answer` is the answer at once. */
  readonly writes: Writes;
  readonly answer: T;
  /** Makes the data less, so that it may use the last of the room. */
  readonly removes?: boolean;
  /** Called when `writes` are on the disk, before anybody gets the answer. */
  readonly committed?: () => void;
}

interface Job {
  /** Changes of one subject happen one after the other, each planned on what the one before it left. */
  readonly subject: string;
  readonly plan: () => Plan<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Change {
  readonly job: Job;
  readonly plan: Plan<unknown>;
}

export class CommitQueue {
  readonly #table: Table;
  readonly #waiting = new Set<Job>();
  /** Until everything that waits is written. */
  #draining: Promise<void> | undefined;
  #closed = false;

  constructor(table: Table) {
    this.#table = table;
  }

  /**
   * Resolves to the plan's answer once its writes are durable.
   *
   * @throws BatonError `unavailable` when they failed, could not be begun, or took longer than `limitMs`; only in the
   *   last case may they still happen
   */
  run<T>(subject: string, limitMs: number, plan: () => Plan<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(
        new BatonError(
          "unavailable",
          "Nothing was changed: too many changes wait for the disk. Try again later.",
        ),
      );
    }
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(job);
        const message = `The disk did not answer within ${limitMs} ms; the change may still happen. Check the disk.`;
        reject(new BatonError("unavailable", message));
      }, limitMs);
      const job: Job = {
        subject,
        plan,
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer as T);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      };
      this.#waiting.add(job);
      this.#draining ??= this.#drain();
    });
  }

  /** Takes no more; resolves to whether everything that waited was answered within `limitMs`. */
  async close(limitMs: number): Promise<boolean> {
    this.#closed = true;
    if (!this.#draining) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((done) => {
      timer = setTimeout(done, limitMs, false);
    });
    const answered = await Promise.race([this.#draining.then(() => true as const), late]);
    clearTimeout(timer);
    return answered;
  }

  async #drain(): Promise<void> {
    // What comes in the same tick is written together.
    await Promise.resolve();
    while (this.#waiting.size > 0) await this.#writeGroup();
    this.#draining = undefined;
  }

  async #writeGroup(): Promise<void> {
    const group = new Map<string, Change>();
    let removes: boolean | undefined;
    let isFull: boolean | undefined;
    for (const job of this.#waiting) {
      if (group.size >= MAX_GROUP) break;
      if (group.has(job.subject)) continue;
      try {
        const plan = job.plan();
        const isRemoval = plan.removes === true;
        const changes = plan.writes.size > 0;
        // Removals go by themselves, so that no other change's need for room stops them.
        if (changes && isRemoval !== (removes ?? isRemoval)) continue;
        this.#waiting.delete(job);
        if (!changes) {
          job.resolve(plan.answer);
        } else if (!isRemoval && (isFull ??= this.#table.isFull())) {
          job.reject(full(this.#table.file));
        } else {
          removes = isRemoval;
          group.set(job.subject, { job, plan });
        }
      } catch (error) {
        this.#waiting.delete(job);
        job.reject(error);
      }
    }
    if (group.size > 0) await this.#write([...group.values()], removes === true);
  }

  async #write(changes: readonly Change[], removes: boolean): Promise<void> {
    try {
      await this.#table.write(new Map(changes.flatMap(({ plan }) => [...plan.writes])), removes);
    } catch (error) {
      if (error instanceof NoRoomError && changes.length > 1) {
        for (const change of changes) await this.#write([change], removes);
        return;
      }
      for (const { job } of changes) job.reject(error);
      return;
    }
    for (const { job, plan } of changes) {
      try {
        plan.committed?.();
        job.resolve(plan.answer);
      } catch (error) {
        job.reject(error);
      }
    }
  }
}

export function closed(): BatonError {
  return new BatonError(
    "unavailable",
    "The store is closed: Baton is shutting down. Try again when it is back.",
  );
}

function full(file: string): BatonError {
  return new BatonError(
    "unavailable",
    `Nothing was changed: ${file} holds as much as it may. Remove sandboxes that nobody needs any more ` +
      "(DELETE /v1/sandboxes/:id).",
  );
}
