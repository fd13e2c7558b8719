/** What a call may answer when the store did not: nothing that is not durable, and never that nothing was changed. */
import { describe, expect, it, vi } from "vitest";
import { dispatch, type Request } from "../../../src/room/dispatch.ts";
import type { Command } from "../../../src/core/commands.ts";
import type { Commit, CommitResult, Loaded } from "../../../src/store/store.ts";
import { createSandbox } from "../../contract/store-support.ts";
import { SteeredStore, storeAway } from "../../support/steered-store.ts";

const TAKE: Command = { type: "control.take", controller: "anna", force: false };
const REQUEST: Request = { key: "the key", fingerprint: "take" };

/** Executes what it is asked to, and rejects as long as no replica has it: as WAIT does. */
class ReplicatedStore extends SteeredStore {
  replicating = true;
  afterCommit = (): void => {};

  override async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    const result = await super.commit(sandboxId, commit);
    this.afterCommit();
    if (!this.replicating) throw storeAway();
    return result;
  }

  override async confirm(sandboxId: string): Promise<Loaded | null> {
    if (!this.replicating) throw storeAway();
    return super.confirm(sandboxId);
  }
}

async function bench() {
  const store = new ReplicatedStore();
  await createSandbox(store, "s");
  const controller = async () => (await store.load("s"))?.state.control.controller;
  return { store, controller };
}

describe("a change that is in, and in no replica yet", () => {
  it("H6: is not acknowledged by the retry that finds it", async () => {
    const { store, controller } = await bench();
    store.replicating = false;
    await expect(dispatch(store, "s", TAKE)).rejects.toMatchObject({ code: "unavailable" });
    expect(await controller()).toBe("anna");
  });

  it("H6: is not acknowledged to a repetition under its key, until a replica has it", async () => {
    const { store } = await bench();
    store.replicating = false;
    for (let call = 0; call < 2; call += 1)
      await expect(dispatch(store, "s", TAKE, REQUEST)).rejects.toMatchObject({ code: "unavailable" });
    store.replicating = true;
    expect(await dispatch(store, "s", TAKE, REQUEST)).toMatchObject({ repeated: true });
  });

  it("H6: is not acknowledged by a call that finds nothing left to change, until a replica has it", async () => {
    const { store, controller } = await bench();
    store.replicating = false;
    await expect(dispatch(store, "s", TAKE)).rejects.toMatchObject({ code: "unavailable" });
    await expect(dispatch(store, "s", TAKE)).rejects.toMatchObject({ code: "unavailable" });
    expect(await controller()).toBe("anna");
    store.replicating = true;
    const again = await dispatch(store, "s", TAKE);
    expect(again.state.control.controller).toBe("anna");
    expect(again.state.seq).toBe(2);
  });
});

describe("a commit without an answer", () => {
  it("H6: never ends as a conflict, which would say that nothing was changed", async () => {
    const { store, controller } = await bench();
    const start = performance.now();
    store.replicating = false;
    // The time that a call goes on trying is over when it hears nothing.
    store.afterCommit = () => void vi.spyOn(performance, "now").mockReturnValue(start + 60_000);
    await expect(dispatch(store, "s", TAKE)).rejects.toMatchObject({ code: "unavailable", retryable: true });
    expect(await controller()).toBe("anna");
  });

  it("H6: is found by the same call when the store answers again, and was done once", async () => {
    const { store } = await bench();
    store.replicating = false;
    store.afterCommit = () => {
      store.afterLoad = () => void (store.replicating = true);
    };
    const outcome = await dispatch(store, "s", TAKE);
    expect(outcome).toMatchObject({ repeated: false, state: { seq: 2, control: { controller: "anna" } } });
  });
});
