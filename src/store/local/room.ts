/**
 * Makes the data file long enough before the database writes to it.
 *
 * The database must never be the one that finds the disk full: when a write of its own fails, lmdb 3.5.6 composes a
 * message that is longer than the memory it set aside for it, and the process ends. Zeros that are written here first
 * fail in an orderly way, and take the place that the commit then needs.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

const STEP_BYTES = 4 * 1024 * 1024;
const CHUNK = Buffer.alloc(256 * 1024);

export class Room {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async of(path: string): Promise<Room> {
    return new Room(await open(path, "r+"));
  }

  /**
   * Resolves when the file is at least `bytes` long. Rejects with the system's error, and the file as it was, when it
   * cannot be. Nobody else may make the file longer meanwhile.
   */
  async ensure(bytes: number): Promise<void> {
    const { size } = fstatSync(this.#file.fd);
    if (size >= bytes) return;
    let end = size;
    try {
      while (end < Math.max(bytes, size + STEP_BYTES)) {
        end += (await this.#file.write(CHUNK, 0, CHUNK.length, end)).bytesWritten;
      }
    } catch (error) {
      if (end >= bytes) return;
      await this.#file.truncate(size);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * Makes sure that a file is there, is this user's alone, and has at least `bytes` of real content: mapping a file
 * that has less place on the disk than its length ends the process when the disk is full.
 */
export function prepareFile(path: string, bytes: number): void {
  const handle = openSync(path, "a+", 0o600);
  try {
    const { size } = fstatSync(handle);
    if (size >= bytes) return;
    try {
      for (let left = bytes - size; left > 0;)
        left -= writeSync(handle, CHUNK, 0, Math.min(left, CHUNK.length));
    } catch (error) {
      ftruncateSync(handle, size);
      throw error;
    }
  } finally {
    closeSync(handle);
  }
}

/** Makes names that were just added to a directory outlast a power cut. */
export function syncDirectory(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
