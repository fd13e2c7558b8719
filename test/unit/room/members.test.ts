import { describe, expect, it } from "vitest";
import type { Member as PresentMember, Role } from "../../../protocol/sandbox.ts";
import type { Client, Member } from "../../../src/room/member.ts";
import { joinRosters, MAX_LISTED, Members, sizeOf } from "../../../src/room/members.ts";

function member(connectionId: string, role: Role, passive = false): Member {
  const client: Client = {
    connectionId,
    clientId: connectionId,
    name: connectionId,
    role,
    send: () => {},
    sendText: () => {},
    sendBinary: () => {},
    lost: () => {},
    removed: () => {},
  };
  return { client, resume: false, passive, seq: 0, backlog: null };
}

const shown = ({ client: { connectionId, name, role } }: Member): PresentMember => ({
  connectionId,
  name,
  role,
  watching: false,
});

function filled(count: number, role: Role, prefix = ""): Members {
  const members = new Members();
  for (let index = 0; index < count; index += 1) members.add(member(`${prefix}${role}${index}`, role));
  return members;
}

describe("members of a room", () => {
  it("are all listed while they are few, and there is no `more`", () => {
    const members = filled(MAX_LISTED, "viewer");
    expect(members.listed(shown)).toEqual({ members: [...members.all.values()].map(shown) });
  });

  it("are listed up to the bound, those who may act first, and the rest is counted", () => {
    const members = filled(10_000, "viewer");
    members.add(member("late", "operator"));
    members.add(member("agent", "agent"));
    let described = 0;
    const list = members.listed((one) => {
      described += 1;
      return shown(one);
    });
    expect(list.members).toHaveLength(MAX_LISTED);
    expect(list.members.slice(0, 3).map(({ name }) => name)).toEqual(["late", "agent", "viewer0"]);
    expect(list.more).toBe(10_002 - MAX_LISTED);
    // Ten thousand who come at once would otherwise take a hundred million looks.
    expect(described).toBe(MAX_LISTED);
  });

  it("who only read the log are with the others, and in no list", () => {
    const members = filled(2, "viewer");
    members.add(member("reader", "operator", true));
    expect(members.all.size).toBe(3);
    expect(members.shown).toBe(2);
    expect([...members.acting]).toEqual([]);
    expect(sizeOf(members.listed(shown))).toBe(2);
  });

  it("are counted once however often they join over one connection, and gone when they leave", () => {
    const members = new Members();
    const [first, second] = [member("one", "operator"), member("one", "viewer")];
    members.add(first);
    members.add(second);
    expect(members.shown).toBe(1);
    members.remove(first);
    expect(members.all.get("one"), "another took its place").toBe(second);
    members.remove(second);
    expect([members.all.size, members.shown]).toEqual([0, 0]);
    members.add(first);
    expect(members.clear()).toEqual([first]);
    expect([members.all.size, members.shown, [...members.acting].length]).toEqual([0, 0, 0]);
  });
});

describe("lists of several nodes", () => {
  it("are one, whole while they are short", () => {
    const lists = [filled(2, "viewer", "a-"), filled(3, "agent", "b-")].map((one) => one.listed(shown));
    const joined = joinRosters(lists);
    expect(joined).toEqual({ members: lists.flatMap(({ members }) => members) });
    expect(sizeOf(joined)).toBe(5);
  });

  it("are as long as one, with those of every node who may act first", () => {
    const lists = [filled(150, "viewer", "a-"), filled(3, "agent", "b-"), filled(500, "viewer", "c-")];
    const joined = joinRosters(lists.map((one) => one.listed(shown)));
    expect(joined.members).toHaveLength(MAX_LISTED);
    expect(joined.members.slice(0, 4).map(({ role }) => role)).toEqual(["agent", "agent", "agent", "viewer"]);
    expect(sizeOf(joined)).toBe(653);
  });
});
