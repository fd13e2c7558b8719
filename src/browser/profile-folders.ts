/** The folders of kept profiles, `<root>/<sandboxId>.<launchId>`: which there are, and their removal. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { KeptRecord } from "./kept-record.ts";
import { silent, type BrowserLogger } from "./logger.ts";
import { profileState } from "./profile-holder.ts";

/** A folder without a record that is younger may belong to a browser that is just being started. */
const BEING_MADE_MS = 60_000;
const REMOVAL_TIMEOUT_MS = 15_000;

export interface ProfileId {
  readonly sandboxId: string;
  /** Tells the browser from one of an earlier sandbox of the same name. */
  readonly launchId: string;
}

export class ProfileFolders {
  readonly #root: string;
  readonly #logger: BrowserLogger;

  constructor(root: string, logger: BrowserLogger = silent) {
    this.#root = root;
    this.#logger = logger;
  }

  path({ sandboxId, launchId }: ProfileId): string {
    return join(this.#root, `${sandboxId}.${launchId}`);
  }

  async has(id: ProfileId): Promise<boolean> {
    const found = await stat(this.path(id)).catch(() => undefined);
    return found?.isDirectory() ?? false;
  }

  /** Other files and folders are left out. Rejects when the root cannot be read; one that is not there is empty. */
  async list(): Promise<ProfileId[]> {
    const names = await readdir(this.#root).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names.flatMap((name) => {
      const [, sandboxId, launchId] = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,32})$/.exec(name) ?? [];
      return sandboxId === undefined || launchId === undefined ? [] : [{ sandboxId, launchId }];
    });
  }

  /** Answers whether it is gone. It stays while a browser runs on it, or is being started. Never rejects. */
  async remove(id: ProfileId): Promise<boolean> {
    const path = this.path(id);
    const changedAt = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
    const used = (await new KeptRecord(path).beatAt()) !== undefined;
    if (!used && Date.now() - changedAt < BEING_MADE_MS) return false;
    return removeProfile(path, this.#logger);
  }
}

/** Answers whether it is gone. It stays while another process's browser runs on it. Never rejects. */
export async function removeProfile(path: string, logger: BrowserLogger): Promise<boolean> {
  try {
    const state = await profileState(path, AbortSignal.timeout(REMOVAL_TIMEOUT_MS));
    if (state.kind === "used") return false;
    // The last of Chromium's helpers may still be writing.
    await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    return true;
  } catch (error) {
    logger.warn({ err: error, path }, "a browser's profile could not be removed; remove the folder by hand");
    return false;
  }
}
