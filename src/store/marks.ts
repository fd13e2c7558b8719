/** Marks in this process's memory: all there is of them in the memory store, a copy of what is on disk in the local. */
import { BatonError } from "../../protocol/errors.ts";
import { MAX_MARK_CHARACTERS, type Mark, type MarksSince } from "./store.ts";

/** Marks that may stand at a time, in any store. */
export const MAX_MARKS = 100_000;
/** Versions by which a caller is known to be of this history; one that is further behind is told everything. */
export const VERSIONS = 10_000;

export interface VersionedMark extends Mark {
  readonly version: number;
}

export class Marks {
  readonly #max: number;
  /** In the order of versions. */
  readonly #byId = new Map<string, VersionedMark>();
  /** The newest ones, oldest first. */
  readonly #versions = new Set<number>();
  #newest = 0;
  /** No mark expires before this, epoch milliseconds. */
  #earliest = Infinity;

  constructor(max: number = MAX_MARKS) {
    this.#max = max;
  }

  /** The value that stands at a time, epoch milliseconds. */
  standing(id: string, now: number): string | undefined {
    const mark = this.#byId.get(id);
    return mark && mark.until > now ? mark.value : undefined;
  }

  /** A version that no mark had, in this history or in one that a restored copy of the data has lost. */
  nextVersion(now: number): number {
    return Math.max(this.#newest + 1, Math.floor(now * 1_000));
  }

  /** The one that stands or stood under this id. */
  get(id: string): VersionedMark | undefined {
    return this.#byId.get(id);
  }

  /**
   * @param leaving how many are dropped if there is room then
   * @throws BatonError `too_many` when one more would be too many
   */
  checkRoom(leaving = 0): void {
    if (this.#byId.size - leaving >= this.#max) throw tooManyMarks(this.#max);
  }

  /** Newer than all that are here; what stood under its id was dropped. */
  keep(mark: VersionedMark): void {
    this.#byId.set(mark.id, mark);
    this.#newest = mark.version;
    this.#earliest = Math.min(this.#earliest, mark.until);
    this.#versions.add(mark.version);
    const [oldest] = this.#versions;
    if (this.#versions.size > VERSIONS && oldest !== undefined) this.#versions.delete(oldest);
  }

  drop(id: string): void {
    this.#byId.delete(id);
  }

  dropExpired(now: number): void {
    if (this.#earliest > now) return;
    this.#earliest = Infinity;
    for (const [id, { until }] of this.#byId) {
      if (until <= now) this.#byId.delete(id);
      else this.#earliest = Math.min(this.#earliest, until);
    }
  }

  since(version: number, now: number): MarksSince {
    if (version === this.#newest) return { version, reset: false, marks: [] };
    const reset = version !== 0 && !this.#versions.has(version);
    const from = reset ? 0 : version;
    const marks = [...this.#byId.values()]
      .filter((mark) => mark.version > from && mark.until > now)
      .map(({ id, value, until }) => ({ id, value, until }));
    return { version: this.#newest, reset, marks };
  }
}

/**
 * The time that is kept, a whole number.
 * @throws BatonError `invalid_message`
 */
export function checkMark(id: string, value: string, until: number): number {
  if (Number.isNaN(until))
    throw new BatonError(
      "invalid_message",
      "A mark needs the time until which it stands. Give milliseconds.",
    );
  if (id.length > MAX_MARK_CHARACTERS || value.length > MAX_MARK_CHARACTERS) {
    throw new BatonError(
      "invalid_message",
      `An id or a value of more than ${MAX_MARK_CHARACTERS} characters cannot be kept. Use a shorter one.`,
    );
  }
  return Math.min(Math.max(0, Math.ceil(until)), Number.MAX_SAFE_INTEGER);
}

export function tooManyMarks(max: number): BatonError {
  return new BatonError(
    "too_many",
    `${max} revoked tokens and used links are remembered, and there is room for no more until one of them would have ` +
      "expired anyway. Try again later; let tokens and links live shorter.",
    { limit: "marks" },
  );
}
