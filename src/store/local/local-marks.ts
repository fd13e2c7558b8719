/** Marks on disk, with a copy in memory that answers every question. */
import { checkMark, Marks, type VersionedMark } from "../marks.ts";
import type { MarksSince } from "../store.ts";
import type { CommitQueue } from "./commit-queue.ts";
import { allMarks, encode, markKey, marksUpTo } from "./layout.ts";
import type { Table } from "./table.ts";

/** Expired ones that leave with each new mark: more than come, so that they all do, and few enough for one write. */
const PURGED = 10;

export interface LocalMarksOptions {
  readonly table: Table;
  readonly queue: CommitQueue;
  readonly limitMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly max?: number | undefined;
}

export class LocalMarks {
  readonly #options: LocalMarksOptions;
  readonly #marks: Marks;

  /** @throws BatonError `internal` when one that is stored is not what was written */
  constructor(options: LocalMarksOptions) {
    this.#options = options;
    this.#marks = new Marks(options.max);
    const stored = options.table.values(allMarks) as VersionedMark[];
    for (const mark of stored.sort((a, b) => a.version - b.version)) this.#marks.keep(mark);
  }

  async mark(id: string, value: string, until: number): Promise<string> {
    const { queue, table, limitMs } = this.#options;
    const kept = checkMark(id, value, until);
    return queue.run("marks", limitMs, () => {
      const now = this.#options.now();
      const standing = this.#marks.standing(id, now);
      if (standing !== undefined || kept <= now) return { writes: new Map(), answer: standing ?? value };
      const leaving = table.values(marksUpTo(now), PURGED) as VersionedMark[];
      // What stood under this id has expired too: on disk as in memory there is one of an id.
      const before = this.#marks.get(id);
      if (before && !leaving.some(({ version }) => version === before.version)) leaving.push(before);
      this.#marks.checkRoom(leaving.length);
      const mark: VersionedMark = { id, value, until: kept, version: this.#marks.nextVersion(now) };
      const writes = new Map<string, Buffer | null>(leaving.map((one) => [markKey(one), null]));
      writes.set(markKey(mark), encode(markKey(mark), mark));
      const committed = (): void => {
        for (const one of leaving) this.#marks.drop(one.id);
        this.#marks.keep(mark);
      };
      return { writes, answer: value, committed };
    });
  }

  since(version: number): MarksSince {
    return this.#marks.since(version, this.#options.now());
  }
}
