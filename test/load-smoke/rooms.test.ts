/**
 * What rooms cost, counted: timers, messages and calls of the store, not time. A fall in these is a fall in what
 * `npm run bench -- --only idle-rooms` measures.
 */
import { describe, expect, it, vi } from "vitest";
import { MemoryStore } from "../../src/store/memory.ts";
import { SharedText } from "../../src/transport/shared-text.ts";
import {
  startCountedGateway,
  textOf,
  type CountedClient,
  type CountedGateway,
} from "../support/counted-gateway.ts";
import { countTimers } from "../support/live-timers.ts";

const ROOMS = 200;
/** What a gateway itself sets and clears all the time: its beats, its looks at deadlines. */
const OWN_TIMERS = 10;
const BY = { name: "root", role: "admin" } as const;

const idOf = (number: number): string => `room-${number}`;

/** Opens rooms of these numbers, with a member in each. */
async function openRooms(
  { gateway, client }: CountedGateway,
  from: number,
  to: number,
): Promise<CountedClient[]> {
  const members: CountedClient[] = [];
  for (let number = from; number < to; number += 1) {
    await gateway.rooms.create(idOf(number), null, BY, AbortSignal.any([]));
    const member = await client(`member-${number}`);
    await member.join(idOf(number));
    members.push(member);
  }
  return members;
}

/** What was asked for is done a turn of the event loop later, such as lists of who is here. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("rooms", () => {
  it("have no timers of their own while nothing happens in them", async () => {
    const timers = countTimers();
    const started = await startCountedGateway(new MemoryStore());
    await openRooms(started, 0, 1);
    const one = await timers();
    await openRooms(started, 1, ROOMS + 1);
    expect(started.gateway.rooms.size).toBe(ROOMS + 1);
    expect((await timers()) - one).toBeLessThan(OWN_TIMERS);
  });

  it("have no timers of their own after an event in each", async () => {
    const timers = countTimers();
    const started = await startCountedGateway(new MemoryStore());
    const members = await openRooms(started, 0, ROOMS);
    const before = await timers();
    for (const [number, member] of members.entries()) {
      const event = member.event();
      member.send({
        type: "control.take",
        id: "take",
        sandboxId: idOf(number),
        controller: `member-${number}`,
      });
      await event;
    }
    await settle();
    expect((await timers()) - before).toBeLessThan(OWN_TIMERS);
  });

  it("tell of an event those who are in the same one, with one encoding for all, and nobody else", async () => {
    const started = await startCountedGateway(new MemoryStore());
    const others = await openRooms(started, 0, ROOMS);
    const here = [...others.splice(0, 1), await started.client("two"), await started.client("three")];
    for (const member of here.slice(1)) await member.join(idOf(0));
    await settle();
    for (const member of [...here, ...others]) member.sent = [];

    const events = here.map((member) => member.event());
    here[0]?.send({ type: "control.take", id: "take", sandboxId: idOf(0), controller: "member-0" });
    await Promise.all(events);
    await settle();

    expect(
      others.reduce((sum, { sent }) => sum + sent.length, 0),
      "messages to other rooms",
    ).toBe(0);
    const heard = here.map((member) =>
      member.sent.filter((message) => textOf(message).startsWith('{"type":"event"')),
    );
    const [shared = []] = heard;
    expect(shared.length).toBeGreaterThan(0);
    for (const [index, message] of shared.entries()) {
      expect(message).toBeInstanceOf(SharedText);
      for (const own of heard) expect(own[index], "the same object for each").toBe(message);
    }
    for (const own of heard) expect(own).toHaveLength(shared.length);
  });

  it("ask the store nothing while nothing happens, also when the gateway vouches for who is there", async () => {
    const store = new MemoryStore();
    const started = await startCountedGateway(store);
    await openRooms(started, 0, ROOMS);
    await settle();
    const asked = (["read", "load", "confirm", "commit", "announce", "roster", "subscribe"] as const).map(
      (name) => vi.spyOn(store, name),
    );
    started.gateway.rooms.vouch();
    await settle();
    for (const call of asked) expect(call).not.toHaveBeenCalled();
  });

  it("cost as many calls of the store for an event whatever other rooms there are", async () => {
    const callsOf = async (rooms: number): Promise<number> => {
      const store = new MemoryStore();
      const started = await startCountedGateway(store);
      const [member] = await openRooms(started, 0, rooms);
      await settle();
      const asked = (["read", "load", "confirm", "commit", "announce", "roster", "list"] as const).map(
        (name) => vi.spyOn(store, name),
      );
      const event = member?.event();
      member?.send({ type: "control.take", id: "take", sandboxId: idOf(0), controller: "member-0" });
      await event;
      await settle();
      return asked.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    };
    expect(await callsOf(ROOMS)).toBe(await callsOf(1));
  });
});
