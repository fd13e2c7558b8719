/** Claims whose socket closes, joins or outlives its sandboxes around them (H5). */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/room/settings.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { SteeredStore } from "../support/steered-store.ts";
import { turn } from "../support/two-nodes.ts";

const BY = { name: "w", role: "worker" } as const;
const TAKE = { type: "control.take", sandboxId: "s", controller: "anna" } as const;

async function bench() {
  const store = new SteeredStore();
  const test = await startLoggedGateway({ store, settings: { lingerMs: 0 } });
  await test.gateway.rooms.create("s", null, BY, AbortSignal.timeout(5_000));
  const anna = await test.raw({ name: "anna" });
  return { ...test, store, anna };
}

describe("a claim over a socket that has not joined", () => {
  it("H5: the grace time begins though the socket closed before the claim reached the store", async () => {
    const { store, anna, gateway } = await bench();
    const opening = store.holdRead();
    anna.send({ id: "claim", ...TAKE });
    const goOn = await opening;
    await anna.close();
    goOn();
    while (gateway.rooms.size > 0) await turn();
    const state = (await store.load("s"))?.state;
    // Not made, or made and bounded.
    if (state?.control.controller === "anna") expect(state.control.graceUntil).toBeGreaterThan(0);
  });

  it("H5: the grace time begins at once when the socket closes while the claim is being stored", async () => {
    const { store, anna, gateway } = await bench();
    const storing = store.holdCommit(({ events }) => events[0]?.type === "control.taken");
    anna.send({ id: "claim", ...TAKE });
    const goOn = await storing;
    await anna.close();
    goOn();
    while (gateway.rooms.size > 0) await turn();
    const state = (await store.load("s"))?.state;
    expect(state?.control.graceUntil).toBeGreaterThan(0);
    expect(state?.control.graceUntil).toBeLessThanOrEqual(Date.now() + DEFAULT_SETTINGS.graceMs);
  });

  it("H5: is not taken for an absence when the socket joins then", async () => {
    const { anna, raw } = await bench();
    const vera = await raw({ role: "viewer", name: "vera" });
    await vera.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await anna.done("result", TAKE);
    await anna.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await anna.done("result", { type: "control.release", sandboxId: "s", controller: "anna" });
    await vera.next("event", ({ event }) => event.type === "control.released");
    const types = vera.received.flatMap((message) => (message.type === "event" ? message.event.type : []));
    expect(types).toEqual(["control.taken", "control.released"]);
  });

  it("H5: of sandboxes that are gone counts no more: a socket may claim any number one after the other", async () => {
    const { anna, gateway } = await bench();
    for (let index = 0; index <= 1_000; index += 1) {
      const sandboxId = `s${index}`;
      await gateway.rooms.create(sandboxId, null, BY, AbortSignal.timeout(5_000));
      await anna.done("result", { type: "control.take", sandboxId, controller: "anna" });
      await gateway.rooms.remove(sandboxId);
    }
  });
});
