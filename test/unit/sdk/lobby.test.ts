import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import type { LobbyUpdate } from "../../../src/sdk/api.ts";
import { MAX_LOBBY_SANDBOXES } from "../../../src/sdk/lobby.ts";
import { recorder, sandboxOf } from "./fixtures.ts";
import { type Peer, ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

async function list(peer: Peer, sandboxes: Sandbox[], truncated = false): Promise<void> {
  const { id } = await peer.next("lobby.join");
  peer.send({ type: "lobby", id, sandboxes, truncated, serverTime: 1 });
}

const named = (sandboxId: string, over: Partial<Sandbox> = {}) => sandboxOf({ sandboxId, ...over });
const ids = ({ sandboxes }: LobbyUpdate) => [...sandboxes.keys()];

async function subscribed(sandboxes: Sandbox[]) {
  const client = gateway.client();
  const updates = recorder<LobbyUpdate>();
  const stop = client.subscribeLobby(updates.listener);
  const peer = await gateway.peer();
  await list(peer, sandboxes);
  await updates.next();
  return { client, updates, stop, peer };
}

describe("the lobby", () => {
  it("lists, changes and removes sandboxes", async () => {
    const { updates, peer } = await subscribed([named("a"), named("b")]);
    expect(updates.calls[0]).toMatchObject({ truncated: false, connected: true });
    expect(ids(updates.calls[0] as LobbyUpdate)).toEqual(["a", "b"]);
    peer.send({ type: "lobby.changed", sandbox: named("c") });
    expect(ids(await updates.next())).toEqual(["a", "b", "c"]);
    peer.send({ type: "lobby.removed", sandboxId: "a" });
    expect(ids(await updates.next())).toEqual(["b", "c"]);
    // What was handed out before stays as it was.
    expect(ids(updates.calls[0] as LobbyUpdate)).toEqual(["a", "b"]);
  });

  it("keeps the newest state of each", async () => {
    const { updates, peer } = await subscribed([named("a", { epoch: 5, seq: 9 })]);
    peer.send({ type: "lobby.changed", sandbox: named("a", { epoch: 5, seq: 8 }) });
    peer.send({ type: "lobby.changed", sandbox: named("a", { epoch: 4, seq: 10 }) });
    peer.send({ type: "lobby.removed", sandboxId: "unknown" });
    // Created anew: its numbers start again.
    peer.send({ type: "lobby.changed", sandbox: named("a", { epoch: 6, seq: 1 }) });
    expect((await updates.next()).sandboxes.get("a")).toMatchObject({ epoch: 6, seq: 1 });
    expect(updates.calls).toHaveLength(2);
  });

  it("starts again after a reconnect and says meanwhile that it may be old", async () => {
    const { updates, peer } = await subscribed([named("a")]);
    peer.kill();
    expect(await updates.next()).toMatchObject({ connected: false });
    await list(await gateway.peer(), [named("b")]);
    const fresh = await updates.next();
    expect(fresh.connected).toBe(true);
    expect(ids(fresh)).toEqual(["b"]);
  });

  it("tries again when it was refused for the moment", async () => {
    const client = gateway.client();
    const updates = recorder<LobbyUpdate>();
    client.subscribeLobby(updates.listener);
    const peer = await gateway.peer();
    peer.refuse((await peer.next("lobby.join")).id, "unavailable");
    await list(peer, [], true);
    expect((await updates.next()).truncated).toBe(true);
  });

  it("is joined once for all listeners, and left with the last", async () => {
    const { client, stop, peer } = await subscribed([named("a")]);
    const late = recorder<LobbyUpdate>();
    const stopLate = client.subscribeLobby(late.listener);
    expect(late.calls).toHaveLength(1);
    stop();
    stop();
    await peer.handledBy(client.sandbox("box"));
    expect(peer.types().filter((type) => type.startsWith("lobby"))).toEqual(["lobby.join"]);
    stopLate();
    await peer.next("lobby.leave");
  });

  it("holds a bounded number and says that there are more", async () => {
    const { updates, peer } = await subscribed([]);
    const names = Array.from({ length: MAX_LOBBY_SANDBOXES }, (_, index) => named(`box-${index}`));
    peer.kill();
    await updates.next();
    const second = await gateway.peer();
    await list(second, names);
    expect(await updates.next()).toMatchObject({ truncated: false });
    second.send({ type: "lobby.changed", sandbox: named("one-more") });
    const { truncated, sandboxes } = await updates.next();
    expect(truncated).toBe(true);
    expect(sandboxes.size).toBe(MAX_LOBBY_SANDBOXES);
    expect(sandboxes.has("one-more")).toBe(false);
  });
});
