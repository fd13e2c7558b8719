/** H5 for people who claim a browser over a socket that never joined its sandbox. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/room/settings.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import type { RawClient } from "../support/raw-client.ts";
import { turn, twoNodes } from "../support/two-nodes.ts";

const take = (client: RawClient, controller: string) =>
  client.done("result", { type: "control.take", sandboxId: "s", controller });

describe("a claim over a socket that has not joined", () => {
  it.each(["closes", "leaves"] as const)("H5: the grace time begins when the socket %s", async (how) => {
    const { b, stored } = await twoNodes();
    const zoe = await b.raw({ name: "zoe" });
    await take(zoe, "zoe");
    expect((await stored(() => true)).control).not.toHaveProperty("graceUntil");
    if (how === "closes") zoe.socket.terminate();
    else await zoe.done("done", { type: "sandbox.leave", sandboxId: "s" });
    await stored(({ control }) => control.controller === "zoe" && control.graceUntil !== undefined);
  });

  it("H5: the grace time begins when its node was killed and its word has run out", async () => {
    const { b, stored, advance } = await twoNodes();
    const zoe = await b.raw({ name: "zoe" });
    await take(zoe, "zoe");
    b.store.cut();
    advance(DEFAULT_SETTINGS.sightingMs);
    await stored(({ control }) => control.graceUntil !== undefined);
    advance(DEFAULT_SETTINGS.graceMs);
    await stored(({ control }) => control.mode === "ai");
  });

  it("H5: leaves no trace when it is refused: the room closes, and nobody is taken to be there", async () => {
    const store = new MemoryStore();
    const { gateway, raw } = await startLoggedGateway({ store, settings: { lingerMs: 0 } });
    const [anna, ben] = [await raw({ name: "anna" }), await raw({ name: "ben" })];
    await gateway.rooms.create("s", null, { name: "w", role: "worker" }, AbortSignal.timeout(5_000));
    await take(anna, "anna");
    await ben.refused({ type: "control.take", sandboxId: "s", controller: "ben" }, "already_controlled");
    expect(Object.keys((await store.load("s"))?.state.seen ?? {})).toHaveLength(1);
    await anna.done("result", { type: "control.pass", sandboxId: "s", controller: "anna", to: "ben" });
    const passed = await store.load("s");
    expect(passed?.state).toMatchObject({ control: { controller: "ben" }, seen: {} });
    expect(passed?.state.control.graceUntil).toBeGreaterThan(0);
    await anna.close();
    while (gateway.rooms.size > 0) await turn();
  });
});

describe("passing the browser to somebody who is nowhere", () => {
  it("H5: starts the countdown in the same event", async () => {
    const { a, anna } = await twoNodes();
    const watcher = await a.raw({ role: "viewer", name: "vera" });
    await watcher.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await anna.takeControl({ controller: "anna" });
    await anna.passControl({ controller: "anna", to: "ben" });
    const { event } = await watcher.next("event", (message) => message.event.type === "control.passed");
    expect(event.changes.control).toMatchObject({ controller: "ben" });
    expect(event.changes.control?.graceUntil).toBe(event.at + DEFAULT_SETTINGS.graceMs);
  });
});
