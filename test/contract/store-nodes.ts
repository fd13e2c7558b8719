/** The part of the store's contract that is about the nodes that share it, and who is in their rooms. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Member } from "../../protocol/sandbox.ts";
import type { Store } from "../../src/store/store.ts";
import type { StoreHarness } from "./store.ts";
import { createSandbox, watch } from "./store-support.ts";

const HOUR_MS = 3_600_000;

/** @param current the harness of the running test */
export function describeNodes(current: () => StoreHarness): void {
  let harness: StoreHarness;
  let store: Store;
  let peer: Store;
  beforeEach(() => {
    harness = current();
    ({ store, peer } = harness);
  });

  describe("nodes", () => {
    const here = (nodeId: string, ...names: string[]) => ({
      nodeId,
      members: names.map((name): Member => ({
        connectionId: `c-${name}`,
        name,
        role: "viewer",
        watching: true,
      })),
    });
    const rosterOf = async (node: Store, sandboxId: string) =>
      [...(await node.roster(sandboxId))].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    /** Beats for a node so that its time is over when this resolves; somebody else watches. */
    const die = async (nodeId: string) => {
      const { advance } = harness;
      await peer.beat(nodeId, advance ? 1_000 : 60);
      await advance?.(1_000);
      while ((await peer.beat("somebody", HOUR_MS)).nodes.includes(nodeId));
    };

    it("live as long as they say, and know of each other", async () => {
      expect(await store.beat("n1", HOUR_MS)).toEqual({ nodes: ["n1"], fresh: true });
      const { nodes, fresh } = await peer.beat("n/2 {x}", HOUR_MS);
      expect([...nodes].sort()).toEqual(["n/2 {x}", "n1"]);
      expect(fresh).toBe(true);
      expect(await store.beat("n1", HOUR_MS)).toMatchObject({ fresh: false });
      await die("n1");
      expect((await peer.beat("n/2 {x}", HOUR_MS)).nodes).not.toContain("n1");
      expect(await store.beat("n1", HOUR_MS)).toMatchObject({ fresh: true });
    });

    it("a beat replaces the time that was given before", async () => {
      await store.beat("n1", HOUR_MS);
      await die("n1");
      await store.announce("box", here("n1", "ann"));
      expect(await peer.roster("box")).toEqual([]);
    });

    it("tell everybody who is in their rooms", async () => {
      await createSandbox(store, "box");
      await createSandbox(store, "other");
      await store.beat("n1", HOUR_MS);
      await peer.beat("n2", HOUR_MS);
      const [one, two] = [await watch(store, "box"), await watch(peer, "box")];
      expect(await store.roster("box")).toEqual([]);
      await store.announce("box", here("n1", "ann", 'Ünï "x" \u2028'));
      await store.announce("other", here("n1", "eve"));
      await one.untilRosters(1);
      await peer.announce("box", here("n2", "bob"));
      for (const node of [store, peer]) {
        expect(await rosterOf(node, "box")).toStrictEqual([
          here("n1", "ann", 'Ünï "x" \u2028'),
          here("n2", "bob"),
        ]);
      }
      await store.announce("box", here("n1"));
      expect(await peer.roster("box")).toStrictEqual([here("n2", "bob")]);
      for (const log of [one, two]) {
        await log.untilRosters(3);
        expect(log.rosters).toStrictEqual([
          here("n1", "ann", 'Ünï "x" \u2028'),
          here("n2", "bob"),
          here("n1"),
        ]);
      }
    });

    it("that died or left are in no room, and those that came back are with what they say then", async () => {
      await store.beat("n1", HOUR_MS);
      await peer.beat("n2", HOUR_MS);
      await store.announce("box", here("n1", "ann"));
      await peer.announce("box", here("n2", "bob"));
      await die("n1");
      expect(await peer.roster("box")).toStrictEqual([here("n2", "bob")]);
      expect(await store.beat("n1", HOUR_MS)).toMatchObject({ fresh: true });
      await store.announce("box", here("n1", "cid"));
      expect(await rosterOf(peer, "box")).toStrictEqual([here("n1", "cid"), here("n2", "bob")]);
      await peer.leave("n2");
      await peer.leave("n2");
      expect(await store.roster("box")).toStrictEqual([here("n1", "cid")]);
      expect((await store.beat("n1", HOUR_MS)).nodes).not.toContain("n2");
    });

    it("a removed sandbox has nobody in its room", async () => {
      await createSandbox(store, "box");
      await store.beat("n1", HOUR_MS);
      await store.announce("box", here("n1", "ann"));
      await peer.remove("box");
      expect(await store.roster("box")).toEqual([]);
      await createSandbox(peer, "box");
      expect(await store.roster("box")).toEqual([]);
    });
  });
}
