/**
 * Reads a data file page by page before it is mapped into memory. The database trusts what it maps: in a truncated or
 * damaged file it would read past the end, which ends the process, or take one thing for another. Everything that can
 * be reached from the newest commit is checked here: places, sizes, order, that nothing is used twice, and every
 * value's checksum. This knows the file format of the exact version of `lmdb` that package.json pins.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { messageOf, StoreOpenError } from "./errors.ts";
import { describeKey, FORMAT, formatKey, isIntact, textOf } from "./layout.ts";

const HEADER_BYTES = 24;
const META_BYTES = HEADER_BYTES + 144;
const MAGIC = 0xbeefc0de;
const FILE_VERSION = 2;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
const PAGE_BRANCH = 1;
const PAGE_LEAF = 2;
const PAGE_OVERFLOW = 4;
const PAGE_META = 8;
const NODE_BYTES = 8;
const NODE_OVERFLOW = 1;
const OVERFLOW_NODE_BYTES = 24;
/** Levels that the database itself can follow. */
const MAX_DEPTH = 32;
/** Pages past the file's end may be listed as free; one further out than this is no page number. */
const MAX_PAGES_PAST_END = 1 << 20;

interface Tree {
  readonly root: bigint;
  readonly depth: number;
  readonly entries: number;
}

interface Meta {
  readonly pageBytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly commit: number;
}

type Compare = (one: Buffer, other: Buffer) => number;

/** What is wrong with the file; becomes a `StoreOpenError` that names it. */
class Damage extends Error {}

/**
 * @returns whether there is a Baton store in the file; not yet, when it is new
 * @throws StoreOpenError when it is damaged, of another program, or of an unknown format
 */
export function inspectFile(file: string): "new" | "store" {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "new";
    throw new StoreOpenError(
      `${file} cannot be read: ${messageOf(error)}. Give it to the user that runs Baton.`,
      { cause: error },
    );
  }
  try {
    const { size } = fstatSync(handle);
    if (size === 0) return "new";
    return new Inspection(handle, size).run();
  } catch (error) {
    if (error instanceof UnknownFormat) {
      throw new StoreOpenError(
        `${file} has format ${error.message}; this Baton reads format ${FORMAT}. Start the version of Baton that ` +
          "wrote it, or set BATON_DATA_DIR to another directory.",
      );
    }
    if (!(error instanceof Damage)) throw error;
    throw new StoreOpenError(
      `${file} is damaged: ${error.message}. Put a backup of it in its place, or move it away to start empty.`,
    );
  } finally {
    closeSync(handle);
  }
}

class UnknownFormat extends Error {}

class Inspection {
  readonly #handle: number;
  readonly #size: number;
  #pageBytes = 0;
  #used: Uint8Array = new Uint8Array();

  constructor(handle: number, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  run(): "new" | "store" {
    if (endianness() !== "LE") throw new Damage("it can only be read on little-endian machines");
    const meta = this.#newestMeta();
    this.#pageBytes = meta.pageBytes;
    const pages = Math.floor(this.#size / meta.pageBytes);
    if (meta.lastPage >= pages + MAX_PAGES_PAST_END) throw new Damage("its end is missing");
    this.#used = new Uint8Array(meta.lastPage + 1).fill(1, 0, 2);

    let isOurs = false;
    this.#walk(meta.main, compareBytes, (key, value) => {
      // The first key tells how to read the others.
      if (!isOurs) checkFormat(key, value);
      isOurs = true;
      if (!isIntact(key, value))
        throw new Damage(`what it holds of ${describeKey(key.toString())} is not what was written`);
    });

    const free = new Uint8Array(this.#used.length);
    this.#walk(meta.free, compareNumbers, (_, value) => {
      for (const page of freePages(value)) {
        if (page < 2 || page > meta.lastPage)
          throw new Damage("its list of free pages names one that cannot be");
        free[page] = 1;
      }
    });
    // Only now is every page that holds something known: one both free and in use would be written over.
    if (free.some((isFree, page) => isFree && this.#used[page]))
      throw new Damage("its list of free pages names one that is in use");
    return isOurs ? "store" : "new";
  }

  #newestMeta(): Meta {
    const first = readMeta(this.#read(0, META_BYTES));
    const second = readMeta(this.#read(first.pageBytes, META_BYTES));
    if (second.pageBytes !== first.pageBytes) throw new Damage("its two headers do not agree");
    const [older, newer] = first.commit >= second.commit ? [second, first] : [first, second];
    // Commits take turns between the two, so the numbers follow each other and their parity says which is which.
    const inTurn = newer.commit % 2 === (newer === first ? 0 : 1);
    if (newer.commit - older.commit > 1 || (newer.commit > 0 && !inTurn))
      throw new Damage("its two headers do not follow each other");
    return newer;
  }

  #walk(tree: Tree, compare: Compare, visit: (key: Buffer, value: Buffer) => void): void {
    if (tree.depth > MAX_DEPTH) throw new Damage("its header is not one");
    let entries = 0;
    /** Every key under `page` is at or after `from`, and before `to`. */
    const descend = (page: number, depth: number, from: Buffer | undefined, to: Buffer | undefined): void => {
      const bytes = this.#page(page);
      const flags = bytes.readUInt16LE(18) & 0xff;
      if (flags !== (depth === tree.depth ? PAGE_LEAF : PAGE_BRANCH)) throw brokenPage(page);
      const nodes = [...nodesOf(bytes, page)];
      // The first key of a branch stands for everything before the second, whatever it says.
      const keys = nodes.map((node, index) => (flags === PAGE_BRANCH && index === 0 ? from : keyOf(node)));
      keys.forEach((key, index) => {
        const previous = keys[index - 1] ?? from;
        const outOfOrder = key && previous && compare(previous, key) > (keys[index - 1] ? -1 : 0);
        if (outOfOrder || (key && to && compare(key, to) >= 0)) throw brokenPage(page);
      });
      nodes.forEach((node, index) => {
        const key = keys[index];
        if (flags === PAGE_BRANCH) {
          const child =
            node.readUInt16LE(0) + node.readUInt16LE(2) * 2 ** 16 + node.readUInt16LE(4) * 2 ** 32;
          descend(child, depth + 1, key, keys[index + 1] ?? to);
        } else if (key) {
          entries += 1;
          visit(key, this.#value(node, NODE_BYTES + key.length, page));
        }
      });
    };
    if (tree.root !== NO_ROOT) descend(pageNumber(tree.root), 1, undefined, undefined);
    if (entries !== tree.entries) throw new Damage("it does not hold as many entries as it says");
  }

  #value(node: Buffer, keyEnd: number, page: number): Buffer {
    const length = node.readUInt32LE(0);
    const flags = node.readUInt16LE(4);
    const inPlace = flags === NODE_OVERFLOW ? OVERFLOW_NODE_BYTES : length;
    if (keyEnd + inPlace > node.length || (flags !== 0 && flags !== NODE_OVERFLOW)) throw brokenPage(page);
    if (flags === 0) return node.subarray(keyEnd, keyEnd + length);
    const first = pageNumber(node.readBigUInt64LE(keyEnd));
    const count = Math.ceil((HEADER_BYTES + length) / this.#pageBytes);
    const bytes = this.#page(first, count);
    if ((bytes.readUInt16LE(18) & 0xff) !== PAGE_OVERFLOW || bytes.readUInt32LE(20) !== count)
      throw brokenPage(first);
    return bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
  }

  /** Also notes that these pages are in use. */
  #page(number: number, count = 1): Buffer {
    for (let page = number; page < number + count; page += 1) {
      // Undefined: no such page. One: it is another's, or this one was here before.
      if (this.#used[page] !== 0) throw brokenPage(page);
      this.#used[page] = 1;
    }
    const bytes = this.#read(number * this.#pageBytes, count * this.#pageBytes);
    if (bytes.readBigUInt64LE(0) !== BigInt(number)) throw brokenPage(number);
    return bytes;
  }

  #read(position: number, length: number): Buffer {
    if (position + length > this.#size) throw new Damage(`it ends after ${this.#size} bytes, in the middle`);
    const bytes = Buffer.allocUnsafe(length);
    let read: number;
    try {
      read = readSync(this.#handle, bytes, 0, length, position);
    } catch (error) {
      throw new Damage(`reading it failed (${messageOf(error)})`);
    }
    if (read !== length) throw new Damage("it became shorter while it was read");
    return bytes;
  }
}

function readMeta(bytes: Buffer): Meta {
  const at = (offset: number): number => HEADER_BYTES + offset;
  if (!(bytes.readUInt16LE(18) & PAGE_META) || bytes.readUInt32LE(at(0)) !== MAGIC)
    throw new Damage("its header is not one");
  if ((bytes.readUInt32LE(at(4)) & 0xffff) !== FILE_VERSION)
    throw new Damage("its header is of another version");
  const tree = (offset: number): Tree => ({
    depth: bytes.readUInt16LE(at(offset + 6)),
    entries: pageNumber(bytes.readBigUInt64LE(at(offset + 32))),
    root: bytes.readBigUInt64LE(at(offset + 40)),
  });
  const pageBytes = bytes.readUInt32LE(at(24));
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0)
    throw new Damage("its header is not one");
  return {
    pageBytes,
    free: tree(24),
    main: tree(72),
    lastPage: pageNumber(bytes.readBigUInt64LE(at(120))),
    commit: pageNumber(bytes.readBigUInt64LE(at(128))),
  };
}

/** The entries of a page, each from its header to the page's end. */
function* nodesOf(bytes: Buffer, page: number): Generator<Buffer> {
  const room = bytes.length - HEADER_BYTES;
  const lower = bytes.readUInt16LE(20);
  const upper = bytes.readUInt16LE(22);
  if (lower > upper || upper > room || lower % 2 !== 0 || lower === 0) throw brokenPage(page);
  for (let index = 0; index < lower / 2; index += 1) {
    const offset = bytes.readUInt16LE(HEADER_BYTES + index * 2);
    if (offset < upper || offset + NODE_BYTES > room) throw brokenPage(page);
    const node = bytes.subarray(HEADER_BYTES + offset);
    if (NODE_BYTES + node.readUInt16LE(6) > node.length) throw brokenPage(page);
    yield node;
  }
}

function checkFormat(key: Buffer, value: Buffer): void {
  const text = key.toString() === formatKey ? textOf(key, value) : undefined;
  if (text === undefined) throw new Damage("it does not begin as a file of Baton's does");
  const { format } = JSON.parse(text) as { readonly format?: unknown };
  if (format !== FORMAT) throw new UnknownFormat(JSON.stringify(format));
}

function keyOf(node: Buffer): Buffer {
  return node.subarray(NODE_BYTES, NODE_BYTES + node.readUInt16LE(6));
}

function compareBytes(one: Buffer, other: Buffer): number {
  return one.compare(other);
}

/** Lists of free pages are kept under numbers of commits. */
function compareNumbers(one: Buffer, other: Buffer): number {
  if (one.length !== 8 || other.length !== 8) throw new Damage("its list of free pages is broken");
  const difference = one.readBigUInt64LE(0) - other.readBigUInt64LE(0);
  return difference < 0n ? -1 : Number(difference > 0n);
}

/** A count, then page numbers; 0 for none, and a negative number before one that begins as many pages. */
function* freePages(list: Buffer): Generator<number> {
  const count = list.length < 8 ? 0 : Number(list.readBigInt64LE(0));
  if (count < 0 || (count + 1) * 8 > list.length) throw new Damage("its list of free pages is broken");
  for (let index = 1; index <= count; index += 1) {
    const entry = Number(list.readBigInt64LE(index * 8));
    if (entry >= 0) {
      if (entry > 0) yield entry;
      continue;
    }
    index += 1;
    const first = index <= count ? Number(list.readBigInt64LE(index * 8)) : 0;
    for (let page = first; page < first - entry; page += 1) yield page;
  }
}

function pageNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Damage("it names a page that cannot be");
  return Number(value);
}

function brokenPage(page: number): Damage {
  return new Damage(`page ${page} is broken`);
}
