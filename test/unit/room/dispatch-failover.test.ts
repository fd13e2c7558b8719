/** A failover between what a call found and its answer: what was lost is not acknowledged (H6). */
import { expect, it } from "vitest";
import { dispatch } from "../../../src/room/dispatch.ts";
import type { Command } from "../../../src/core/commands.ts";
import type { Commit, CommitResult, Loaded } from "../../../src/store/store.ts";
import { createSandbox } from "../../contract/store-support.ts";
import { SteeredStore, storeAway } from "../../support/steered-store.ts";

const TAKE: Command = { type: "control.take", controller: "anna", force: false };

/** A master whose last change no replica has; from the first `confirm` on a replica answers in its place. */
class FailingOver extends SteeredStore {
  replica: Loaded | null = null;
  override async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    await super.commit(sandboxId, commit);
    throw storeAway();
  }
  override async confirm(): Promise<Loaded | null> {
    return this.replica;
  }
}

it.each([
  ["to the retry that found it", undefined],
  ["to its repetition", { key: "k", fingerprint: "take" }],
])(
  "H6: a change that the failover lost between load and confirm is not acknowledged %s",
  async (_, request) => {
    const store = new FailingOver();
    await createSandbox(store, "s");
    store.replica = await store.load("s");
    const answer = await dispatch(store, "s", TAKE, request).then(
      () => "acknowledged",
      (error: { code: string }) => error.code,
    );
    expect(answer).not.toBe("acknowledged");
  },
);
