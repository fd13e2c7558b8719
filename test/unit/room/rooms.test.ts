/** Deadlines of many sandboxes, when the store takes no writes for one of them. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createGateway } from "../../../src/gateway.ts";
import { dispatch } from "../../../src/room/dispatch.ts";
import { createSandbox } from "../../contract/store-support.ts";
import { SteeredStore, storeAway } from "../../support/steered-store.ts";
import { turn } from "../../support/two-nodes.ts";

const EXPIRES_IN_MS = 1_000;

/** Two handoffs past their deadline, the one of `sick` first; commits of `sick` are not taken. No clock ticks but the test's. */
async function bench() {
  let skippedMs = 0;
  const store = new SteeredStore({ now: () => Date.now() + skippedMs });
  const gateway = createGateway({ store });
  onTestFinished(() => gateway.close());
  for (const sandboxId of ["sick", "well"]) {
    await createSandbox(store, sandboxId);
    const request = { requestId: sandboxId, reason: "mfa", message: "m", requestedBy: "agent" } as const;
    await dispatch(store, sandboxId, { ...request, type: "handoff.request", expiresInMs: EXPIRES_IN_MS });
    skippedMs += 1;
  }
  skippedMs += EXPIRES_IN_MS;
  expect(await store.due(2)).toEqual(["sick", "well"]);
  let tries = 0;
  store.beforeCommit = (sandboxId) => {
    if (sandboxId !== "sick") return;
    tries += 1;
    throw storeAway();
  };
  const status = async (sandboxId: string) => (await store.load(sandboxId))?.state.handoff?.status;
  return { rooms: gateway.rooms, store, status, tries: () => tries };
}

describe("looking at deadlines", () => {
  it("H4: a sandbox whose commits fail does not hold up another one's", async () => {
    const { rooms, status } = await bench();
    expect(await rooms.tick(10)).toBe(1);
    expect(await status("well")).toBe("expired");
    expect(await status("sick")).toBe("pending");
  });

  it("H4: nor does it fill the batch", async () => {
    const { rooms, status } = await bench();
    expect(await rooms.tick(1)).toBe(0);
    expect(await rooms.tick(1)).toBe(1);
    expect(await status("well")).toBe("expired");
  });

  it("H4: one that the store is slow to answer for does not either", async () => {
    const { rooms, store, status } = await bench();
    let answer = (): void => {};
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const refuse = store.beforeCommit;
    store.beforeCommit = async (sandboxId, commit) => {
      if (sandboxId === "sick") await slow;
      return refuse(sandboxId, commit);
    };
    const ticked = rooms.tick(10);
    while ((await status("well")) !== "expired") await turn();
    answer();
    expect(await ticked).toBe(1);
  });

  it("H4: it is left alone for a while, and then looked at again", async () => {
    const { rooms, store, status, tries } = await bench();
    await rooms.tick(10);
    const before = tries();
    expect(await rooms.tick(10)).toBe(0);
    expect(tries()).toBe(before);
    store.beforeCommit = () => {};
    const later = performance.now() + 60_000;
    vi.spyOn(performance, "now").mockImplementation(() => later);
    expect(await rooms.tick(10)).toBe(1);
    expect(await status("sick")).toBe("expired");
  });
});
