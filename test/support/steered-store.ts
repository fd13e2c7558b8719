/** A memory store whose calls a test holds back, fails or counts, as a slow or absent one would. */
import { BatonError } from "../../protocol/errors.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Catchup, Commit, CommitResult, Loaded } from "../../src/store/store.ts";

type Hook<T> = (sandboxId: string, what: T) => Promise<void> | void;

export class SteeredStore extends MemoryStore {
  beforeCommit: Hook<Commit> = () => {};
  afterLoad: Hook<Loaded | null> = () => {};
  afterRead: Hook<Catchup | null> = () => {};

  override async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    await this.beforeCommit(sandboxId, commit);
    return super.commit(sandboxId, commit);
  }

  override async load(sandboxId: string, key?: string): Promise<Loaded | null> {
    const loaded = await super.load(sandboxId, key);
    await this.afterLoad(sandboxId, loaded);
    return loaded;
  }

  override async read(...args: Parameters<MemoryStore["read"]>): Promise<Catchup | null> {
    const past = await super.read(...args);
    await this.afterRead(args[0], past);
    return past;
  }

  /** The next commit that `matches` waits; resolves when it has come, to what lets it go on. */
  holdCommit(matches: (commit: Commit) => boolean): Promise<() => void> {
    return new Promise((resolve) => {
      const { beforeCommit } = this;
      this.beforeCommit = async (sandboxId, commit) => {
        await beforeCommit(sandboxId, commit);
        if (!matches(commit)) return;
        this.beforeCommit = beforeCommit;
        await new Promise<void>((goOn) => resolve(goOn));
      };
    });
  }

  /** The next load's result is kept back; resolves when it is there, to what passes it on. */
  holdLoad(): Promise<() => void> {
    return new Promise((resolve) => {
      const { afterLoad } = this;
      this.afterLoad = async () => {
        this.afterLoad = afterLoad;
        await new Promise<void>((goOn) => resolve(goOn));
      };
    });
  }

  /** The next read's result is kept back; resolves when it is there, to what passes it on, or an error instead. */
  holdRead(): Promise<(error?: Error) => void> {
    return new Promise((resolve) => {
      const { afterRead } = this;
      this.afterRead = async () => {
        this.afterRead = afterRead;
        await new Promise<void>((goOn, fail) => resolve((error) => (error ? fail(error) : goOn())));
      };
    });
  }
}

export function storeAway(): BatonError {
  return new BatonError("unavailable", "The store does not answer. Try again.");
}

/** Whether the commit's first event is of this type. */
export const announces =
  (type: string) =>
  ({ events }: Commit): boolean =>
    events[0]?.type === type;
