import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RoomContext } from "../../../src/room/context.ts";
import type { Roster } from "../../../src/room/members.ts";
import { Presence } from "../../../src/room/presence.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { NodeMembers } from "../../../src/store/store.ts";

const VIEWER = { connectionId: "c", name: "vera", role: "viewer", watching: false } as const;

/** In a room of so many on this node. */
function presence(size: number) {
  const store = new MemoryStore();
  const announce = vi.spyOn(store, "announce");
  const changed = vi.fn();
  const here: Roster = { members: [VIEWER], more: size - 1 };
  const context = {
    store,
    nodeId: "n_here",
    nodes: { isLiving: () => true, heard: () => {} },
  } as unknown as RoomContext;
  const room = new Presence(context, { sandboxId: "s", here: () => here, size: () => size, changed });
  return { room, told: () => changed.mock.calls.length, announced: () => announce.mock.calls.length };
}

describe("presence", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("of a small room is told at the end of the turn, once for all who came", () => {
    const { room, told, announced } = presence(100);
    for (let index = 0; index < 50; index += 1) room.queue({ role: "viewer" });
    expect(told()).toBe(0);
    vi.advanceTimersByTime(1);
    expect([told(), announced()]).toEqual([1, 1]);
  });

  it.each([
    [1_100, 500],
    [10_000, 4_950],
    [100_000, 5_000],
  ])("of %i is told %i ms late at the most, however many come meanwhile", (size, lateMs) => {
    const { room, told, announced } = presence(size);
    for (let passed = 0; passed < lateMs - 1; passed += 1) {
      room.queue({ role: "viewer" });
      vi.advanceTimersByTime(1);
    }
    expect([told(), announced()]).toEqual([0, 0]);
    vi.advanceTimersByTime(1);
    expect([told(), announced()]).toEqual([1, 1]);
  });

  it("tells the other nodes at once of one who may act, whatever the room's size", () => {
    const { room, told, announced } = presence(10_000);
    room.queue({ role: "viewer" });
    room.queue({ role: "operator" });
    vi.advanceTimersByTime(1);
    expect([told(), announced()]).toEqual([0, 1]);
  });

  it("of other nodes counts for how late it is", () => {
    const { room, told } = presence(1);
    const elsewhere: NodeMembers = { nodeId: "n_there", members: [VIEWER], more: 1_099 };
    room.heard(elsewhere);
    vi.advanceTimersByTime(400);
    expect(told()).toBe(0);
    vi.advanceTimersByTime(200);
    expect(told()).toBe(1);
    expect(room.sent).toMatchObject({ more: 1_099, members: [VIEWER, VIEWER] });
  });
});
