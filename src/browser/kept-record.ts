/** A small file in a kept profile's folder: which pages were open, and, by its time, that somebody uses the profile. */
import { readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { silent, type BrowserLogger } from "./logger.ts";
import { MAX_RESTORED_TABS, MAX_URL_LENGTH } from "./page-keeper.ts";

const FILE = "baton.json";
/** Far above the largest record (its addresses, each at its longest); a larger file is not one. */
const MAX_BYTES = 4 * 1024 * 1024;
/** A page that changes its address all the time must not keep the disk busy. */
const MIN_WRITE_GAP_MS = 500;
/** How often the owner of a profile shows that it lives, for those who share the folder from another host. */
export const BEAT_MS = 2_000;

const Content = z.object({
  version: z.literal(1),
  urls: z.array(z.string().max(MAX_URL_LENGTH)).max(MAX_RESTORED_TABS),
});

/** `never`: the profile has not been used. `damaged`: it has, but nobody knows with which pages. */
export type KeptPages = readonly string[] | "never" | "damaged";

export class KeptRecord {
  readonly #path: string;
  readonly #logger: BrowserLogger;
  #wanted: readonly string[] | undefined;
  #written: string | undefined;
  #writing: Promise<void> | undefined;
  #lastWriteAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(folder: string, logger: BrowserLogger = silent) {
    this.#path = join(folder, FILE);
    this.#logger = logger;
  }

  async read(): Promise<KeptPages> {
    try {
      const { size } = await stat(this.#path);
      if (size > MAX_BYTES) throw new Error(`it has ${size} bytes`);
      return Content.parse(JSON.parse(await readFile(this.#path, "utf8"))).urls;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "never";
      this.#logger.warn(
        { err: error, path: this.#path },
        "the record of a browser's pages is damaged; its cookies are kept, its pages perhaps not",
      );
      return "damaged";
    }
  }

  /** When its owner last said that it lives, epoch milliseconds by the file system's clock; undefined without one. */
  async beatAt(): Promise<number | undefined> {
    return (await stat(this.#path).catch(() => undefined))?.mtimeMs;
  }

  /** Writes the first record and begins to beat. Rejects with the file system's error. */
  async begin(urls: readonly string[]): Promise<void> {
    this.#wanted = undefined;
    await this.#writing;
    await this.#write(urls);
    this.#beat ??= setInterval(() => {
      const now = new Date();
      utimes(this.#path, now, now).catch(() => {});
    }, BEAT_MS).unref();
  }

  /** Writes soon: at once, or when the last write is long enough ago. Before `begin`, and after `stop`, never. */
  save(urls: readonly string[]): void {
    if (!this.#beat) return;
    this.#wanted = urls;
    this.#schedule();
  }

  /** Writes what still waits, and nothing afterwards. */
  async stop(): Promise<void> {
    clearInterval(this.#beat);
    this.#beat = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    if (this.#wanted) await this.#flush();
  }

  #schedule(): void {
    if (this.#timer || this.#writing) return;
    const gap = this.#lastWriteAt + MIN_WRITE_GAP_MS - performance.now();
    if (gap <= 0) return void this.#flush();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, gap).unref();
  }

  #flush(): Promise<void> {
    const urls = this.#wanted ?? [];
    this.#wanted = undefined;
    this.#writing = this.#write(urls)
      .catch((error: unknown) => {
        this.#logger.warn(
          { err: error, path: this.#path },
          "the open pages could not be recorded; check the disk. They may be missing after a restart",
        );
      })
      .finally(() => {
        this.#writing = undefined;
        if (this.#wanted && this.#beat) this.#schedule();
      });
    return this.#writing;
  }

  async #write(urls: readonly string[]): Promise<void> {
    const text = JSON.stringify({ version: 1, urls });
    if (text === this.#written) return;
    this.#lastWriteAt = performance.now();
    const fresh = `${this.#path}.new`;
    await writeFile(fresh, text, { mode: 0o600 });
    await rename(fresh, this.#path);
    this.#written = text;
  }
}
