/** The ordered table on disk: reads at once, each write one durable transaction. See `layout.ts` for what is in it. */
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { open as openDatabase, type RootDatabase } from "lmdb";
import { BatonError } from "../../../protocol/errors.ts";
import { codeOf, messageOf, StoreOpenError } from "./errors.ts";
import { inspectFile } from "./inspect.ts";
import { describeKey, encode, FORMAT, formatKey, MAX_KEY_BYTES, textOf, type Range } from "./layout.ts";
import { prepareFile, Room, syncDirectory } from "./room.ts";

/** What to write, by key; `null` removes. */
export type Writes = ReadonlyMap<string, Buffer | null>;

/** The lock file's size with the database's own number of readers, rounded up. */
const LOCK_FILE_BYTES = 12 * 1024;
/** Of the file's end, what only removals may use: they need room too, and they are what helps when it is short. */
const REMOVAL_BYTES = 4 * 1024 * 1024;
/** Asked for by every other write, so that a small one, as the check of health is, succeeds only where others would. */
const MIN_BYTES = 512 * 1024;
/** Address space only. The map has room for the data and the gaps in it, so that it never has to be moved. */
const MIN_MAP_BYTES = 1024 ** 3;
/** Pages by which a value's first write can grow the tree, beside its own: splits up to the root. */
const SPLIT_PAGES = 2;
/** Pages that any transaction may need: lists of free pages, the root, rounding. */
const BASE_PAGES = 32;

/** Places in the order of keys where one sandbox has something. */
const RUNS = 5;
/** What an entry takes in a page beside its key and value. */
const NODE_BYTES = 10;

interface Pages {
  readonly pageSize: number;
  readonly treeDepth: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

export class Table {
  readonly file: string;
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #room: Room;
  readonly #maxBytes: number;

  private constructor(file: string, db: RootDatabase<Buffer, Buffer>, room: Room, maxBytes: number) {
    this.file = file;
    this.#db = db;
    this.#room = room;
    this.#maxBytes = maxBytes;
  }

  /**
   * @param maxBytes bound on what is stored; the file itself is a little longer
   * @throws StoreOpenError when the files cannot be used
   */
  static async open(directory: string, maxBytes: number): Promise<Table> {
    const file = join(directory, "data.mdb");
    const found = inspectFile(file);
    let room: Room;
    try {
      prepareFile(join(directory, "lock.mdb"), LOCK_FILE_BYTES);
      prepareFile(file, 0);
      room = await Room.of(file);
    } catch (error) {
      throw cannotOpen(file, error);
    }
    let table: Table;
    try {
      const db = openDatabase<Buffer, Buffer>({
        path: directory,
        // Else a directory with a dot in its name is taken for a file.
        noSubdir: false,
        encoding: "binary",
        keyEncoding: "binary",
        // A commit is seen, and answered, only once it is on the disk.
        overlappingSync: false,
        mapSize: Math.max(maxBytes * 2, MIN_MAP_BYTES),
      });
      table = new Table(file, db, room, maxBytes);
    } catch (error) {
      await room.close();
      throw cannotOpen(file, error);
    }
    try {
      if (found === "new") await table.write(new Map([[formatKey, encode(formatKey, { format: FORMAT })]]));
      syncDirectory(directory);
    } catch (error) {
      await table.close();
      throw cannotOpen(file, error instanceof BatonError ? error.cause : error);
    }
    return table;
  }

  /** @throws BatonError `internal` when the value is not what was written */
  get(key: string): unknown {
    const bytes = this.#db.get(Buffer.from(key));
    return bytes && this.#decode(Buffer.from(key), bytes);
  }

  keys(range: Range, limit?: number): string[] {
    const found = this.#db.getKeys({ ...bounds(range), ...(limit !== undefined && { limit }) });
    return [...found].map((key) => asBuffer(key).toString());
  }

  lastKey({ start, end }: Range): string | undefined {
    // Backwards the database would leave out the other end, which belongs to the range.
    const [found] = this.#db.getKeys({ start: Buffer.from(end), reverse: true, limit: 1 });
    const key = found && asBuffer(found);
    return key && Buffer.compare(key, Buffer.from(start)) >= 0 ? key.toString() : undefined;
  }

  /** @throws BatonError `internal` when a value is not what was written */
  values(range: Range, limit?: number): unknown[] {
    const found = this.#db.getRange({ ...bounds(range), ...(limit !== undefined && { limit }) });
    return [...found].map(({ key, value }) => this.#decode(key, value));
  }

  /** Whether the stored data has reached its bound. */
  isFull(): boolean {
    const { pages } = this.#pages();
    return (treePages(pages) + pages.overflowPages) * pages.pageSize >= this.#maxBytes;
  }

  /**
   * Resolves when all of `writes` is on the disk; rejects when nothing is. One at a time.
   *
   * @param removes whether this makes the data less
   * @throws BatonError `unavailable`
   */
  async write(writes: Writes, removes = false): Promise<void> {
    try {
      const { lastPage, pages, free } = this.#pages();
      const need =
        pages.pageSize * (this.#neededPages(writes, pages) + 2 * treePages(free) + free.overflowPages * 2);
      const wanted = removes ? need : Math.max(need, MIN_BYTES) + REMOVAL_BYTES;
      await this.#room.ensure((lastPage + 1) * pages.pageSize + wanted);
    } catch (error) {
      throw new NoRoomError(this.file, error);
    }
    try {
      await this.#db.batch(() => {
        for (const [key, value] of writes) {
          void (value ? this.#db.put(Buffer.from(key), value) : this.#db.remove(Buffer.from(key)));
        }
      });
    } catch (error) {
      const cause = await reasonOf(error);
      throw new BatonError(
        "unavailable",
        `Nothing was changed: writing to ${this.file} failed (${messageOf(cause)}). Check its disk and try again.`,
        undefined,
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    await this.#db.close();
    await this.#room.close();
  }

  /** At the most: a page of the tree is copied before it changes, once; large values have pages of their own. */
  #neededPages(writes: Writes, pages: Pages): number {
    let written = 0;
    let removed = 0;
    let removedBytes = 0;
    for (const [key, value] of writes) {
      if (value) written += Math.ceil(value.length / pages.pageSize) + 1 + SPLIT_PAGES;
      else {
        removed += 1;
        removedBytes += NODE_BYTES + key.length + Math.min(pages.pageSize / 2, this.#lengthOf(key));
      }
    }
    // What is removed together lies together, in pages that are a quarter full or more.
    const thinned = Math.ceil((removedBytes * 4) / pages.pageSize) * 2 + RUNS * (pages.treeDepth + 1);
    const walked = (count: number): number => count * (pages.treeDepth + 1);
    const copied = walked(writes.size - removed) + Math.min(walked(removed), thinned);
    return written + Math.min(treePages(pages), copied) + BASE_PAGES;
  }

  #lengthOf(key: string): number {
    return this.#db.getBinaryFast(Buffer.from(key))?.length ?? 0;
  }

  #pages(): { lastPage: number; pages: Pages; free: Pages } {
    const stats = this.#db.getStats() as Pages & { lastPageNumber: number; root: Pages; free: Pages };
    return { lastPage: stats.lastPageNumber, pages: stats, free: stats.free };
  }

  #decode(key: Uint8Array, bytes: Uint8Array): unknown {
    const text = textOf(asBuffer(key), asBuffer(bytes));
    if (text !== undefined) return JSON.parse(text);
    throw new BatonError(
      "internal",
      `What ${this.file} holds of ${describeKey(asBuffer(key).toString())} is damaged. Stop Baton and put a backup of the file in its place.`,
    );
  }
}

/** The disk has no room for a write; a smaller one may still fit. */
export class NoRoomError extends BatonError {
  constructor(file: string, cause: unknown) {
    super(
      "unavailable",
      `Nothing was changed: ${file} cannot grow (${messageOf(cause)}). ` +
        "Free some space on its disk; Baton goes on by itself then.",
      undefined,
      { cause },
    );
  }
}

/** Pages without those of values that have their own. */
function treePages(pages: Pages): number {
  return pages.treeBranchPageCount + pages.treeLeafPageCount;
}

/** @throws Error when a key is longer than the table takes; to find out while it is written would be too late */
export function checkKey(key: string): string {
  const length = Buffer.byteLength(key);
  if (length > MAX_KEY_BYTES) throw new Error(`A key of ${length} bytes is longer than ${MAX_KEY_BYTES}.`);
  return key;
}

/** The database hands out plain arrays here and there, whatever its types say. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bounds({ start, end }: Range): { start: Buffer; end: Buffer } {
  return { start: Buffer.from(start), end: Buffer.from(end) };
}

/** The database rejects with an error that promises another one, which nobody may be left to miss. */
async function reasonOf(failure: unknown): Promise<unknown> {
  if (!(failure instanceof Error && "commitError" in failure)) return failure;
  try {
    return await Promise.race([failure.commitError, nextTurn(failure)]);
  } catch (reason) {
    return reason;
  }
}

function cannotOpen(file: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const full = ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error) ?? "");
  const advice = full
    ? "Free some space on its disk"
    : "Check that the user that runs Baton may write it, and that it is on a local disk";
  return new StoreOpenError(`${file} cannot be opened: ${messageOf(error)}. ${advice}.`, { cause: error });
}
