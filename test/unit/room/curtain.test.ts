/** G3: who may see the page at each moment, whatever order the news of it comes in. */
import { describe, expect, it } from "vitest";
import type { Control } from "../../../protocol/control.ts";
import type { DownMessage } from "../../../protocol/down.ts";
import { Role, type SandboxEvent } from "../../../protocol/sandbox.ts";
import { initialState, publicView } from "../../../src/core/state.ts";
import { Curtain } from "../../../src/room/curtain.ts";
import type { Client, Member } from "../../../src/room/member.ts";

const AGENT: Control = { mode: "ai", phase: "active", since: 1 };
const ANN: Control = { mode: "human", phase: "active", controller: "ann", since: 1 };
const HIDDEN: Control = { ...ANN, privacy: "private" };
const PAGE = {
  tabs: [{ tabId: "T", number: 1, title: "A page", url: "http://example.test/", active: true }],
  dialog: { type: "alert", message: "Hello", openedAt: 1 },
} as const;
const NOTHING = { tabs: [], dialog: null };

interface Seat {
  readonly name: string;
  readonly role: Role;
  readonly backlog?: Member["backlog"];
}

/** A curtain before these people, and what each of them is sent, in short. */
function theatre(control: Control, ...seats: Seat[]) {
  const log: string[] = [];
  const members = new Map<string, Member>();
  for (const { name, role, backlog = null } of seats) {
    const heard = (message: DownMessage): void => {
      if (message.type === "browser.tabs") log.push(`${name} tabs ${message.tabs.length}`);
      else if (message.type === "browser.dialog") log.push(`${name} dialog ${message.dialog ? 1 : 0}`);
      else log.push(`${name} ${message.type}`);
    };
    const client: Client = {
      connectionId: name,
      clientId: name,
      name,
      role,
      send: heard,
      sendText: ({ text }) => heard(JSON.parse(text) as DownMessage),
      sendBinary: () => {},
      lost: () => {},
      removed: () => {},
    };
    members.set(name, { client, resume: false, passive: false, seq: 0, backlog });
  }
  const stage = {
    tabs: [...PAGE.tabs],
    dialog: PAGE.dialog,
    preview: { conceal: () => void log.push("conceal"), reveal: () => void log.push("reveal") },
  };
  const curtain = new Curtain({ seq: 1, control }, { sandboxId: "s", members, stage: () => stage });
  let seq = 1;
  return {
    curtain,
    /** What was sent since the last call. */
    news: () => log.splice(0),
    follow: (next: Control) => curtain.follow({ seq: (seq += 1), control: next }),
    seers: () => seats.filter(({ name }) => curtain.isSeenBy(name)).map(({ name }) => name),
  };
}

const ann: Seat = { name: "ann", role: "operator" };
const ben: Seat = { name: "ben", role: "operator" };

describe("the curtain", () => {
  it("G3: leaves everybody but the controller without the page, and gives it back when the drain after it is over", () => {
    const { news, follow, seers } = theatre(AGENT, ann, ben);
    expect(seers()).toEqual(["ann", "ben"]);
    follow({ ...HIDDEN, phase: "draining" });
    expect(seers()).toEqual(["ann"]);
    expect(news()).toEqual(["ben tabs 0", "ben dialog 0", "conceal"]);
    follow(HIDDEN);
    follow({ ...ANN, phase: "draining" });
    expect([seers(), news()]).toEqual([["ann"], []]);
    follow(ANN);
    expect([seers(), news()]).toEqual([
      ["ann", "ben"],
      ["ben tabs 1", "ben dialog 1", "reveal"],
    ]);
  });

  it("G3: on its way back to the agent the page is nobody's, also not the last controller's", () => {
    const { follow, seers } = theatre(HIDDEN, ann, ben);
    follow({ ...AGENT, phase: "draining" });
    expect(seers()).toEqual([]);
    follow(AGENT);
    expect(seers()).toEqual(["ann", "ben"]);
  });

  it("G3: passed on, the page goes from one to the other; in the queue it is nobody's", () => {
    const { news, follow, seers } = theatre(HIDDEN, ann, ben);
    follow({ ...HIDDEN, controller: "ben" });
    expect(seers()).toEqual(["ben"]);
    expect(news()).toEqual(["ann tabs 0", "ann dialog 0", "ben tabs 1", "ben dialog 1", "conceal"]);
    follow({ mode: "shared", phase: "active", privacy: "private", since: 1 });
    expect(seers()).toEqual([]);
    expect(news()).toEqual(["ben tabs 0", "ben dialog 0", "conceal"]);
  });

  it("G3: an agent or a viewer that bears the controller's name sees nothing", () => {
    const { curtain } = theatre(HIDDEN);
    const seers = Role.options.filter((role) => curtain.sees({ role, name: "ann" }));
    expect(seers).toEqual(["worker", "sdk", "operator", "admin"]);
    expect(Role.options.filter((role) => curtain.sees({ role, name: "ben" }))).toEqual([]);
  });

  it("a drain without privacy takes the page from nobody", () => {
    const { news, follow, seers } = theatre(AGENT, ann, ben);
    for (const phase of ["draining", "active"] as const) follow({ ...ANN, phase });
    expect([seers(), news()]).toEqual([["ann", "ben"], []]);
  });

  it("G3: who comes in the middle of a drain cannot know what was before it: the page waits for its end", () => {
    const { curtain, follow, seers } = theatre({ ...ANN, phase: "draining" }, ann, ben);
    expect(seers()).toEqual(["ann"]);
    follow(ANN);
    expect(seers()).toEqual(["ann", "ben"]);
    curtain.restart({ seq: 9, control: { ...AGENT, phase: "draining" } });
    expect(seers()).toEqual([]);
    curtain.restart({ seq: 12, control: AGENT });
    expect(seers()).toEqual(["ann", "ben"]);
  });

  it("G3: falls with the first word of it from the store, and stays when older news comes after that", () => {
    const { curtain, seers } = theatre(AGENT, ann, ben);
    const replica = { seq: 1, control: AGENT };
    curtain.foresee({ seq: 4, control: HIDDEN }, replica);
    expect(seers()).toEqual(["ann"]);
    curtain.foresee({ seq: 3, control: AGENT }, replica);
    curtain.follow({ seq: 2, control: AGENT });
    expect(seers()).toEqual(["ann"]);
    curtain.follow({ seq: 4, control: HIDDEN });
    curtain.follow({ seq: 5, control: AGENT });
    expect(seers()).toEqual(["ann", "ben"]);
    // What is known already is no news.
    curtain.foresee({ seq: 4, control: HIDDEN }, { seq: 5, control: AGENT });
    expect(seers()).toEqual(["ann", "ben"]);
  });

  it("G3: falls with what a joining member is about to be told", () => {
    const event = (seq: number, control: Control): SandboxEvent => {
      return { sandboxId: "s", seq, epoch: seq, at: 1, type: "control.taken", changes: { control } };
    };
    const { curtain, seers } = theatre(AGENT, ann, ben);
    curtain.foreseeIn(
      { kind: "events", events: [event(3, AGENT), event(4, HIDDEN)] },
      { seq: 2, control: AGENT },
    );
    expect(seers()).toEqual(["ann"]);
    const other = theatre(AGENT, ann, ben);
    const snapshot = { ...publicView(initialState("s", null, 1)), seq: 4, control: HIDDEN };
    other.curtain.foreseeIn({ kind: "snapshot", snapshot }, { seq: 2, control: AGENT });
    expect(other.seers()).toEqual(["ann"]);
  });

  it("what was foreseen and is not in the store holds nothing back", () => {
    const { curtain, seers } = theatre(AGENT, ann, ben);
    curtain.foresee({ seq: 4, control: HIDDEN }, { seq: 1, control: AGENT });
    curtain.reached({ seq: 2, control: AGENT });
    expect(seers()).toEqual(["ann", "ben"]);
  });

  it("who is still joining is told with the rest, and others' messages pass them by", () => {
    const { curtain, news, follow } = theatre(AGENT, { ...ben, backlog: [] }, { ...ann, name: "cleo" });
    follow({ ...HIDDEN, phase: "draining" });
    expect(news()).toEqual(["cleo tabs 0", "cleo dialog 0", "conceal"]);
    curtain.show({ type: "browser.tabs", sandboxId: "s", tabs: [] });
    follow({ ...ANN, phase: "active" });
    expect(news()).toEqual(["cleo tabs 1", "cleo dialog 1", "reveal"]);
    curtain.show({ type: "browser.dialog", sandboxId: "s", dialog: null });
    expect(news()).toEqual(["cleo dialog 0"]);
  });

  it("G3: shows nothing of the page to whom it hides", () => {
    const { curtain } = theatre(HIDDEN, ann, ben);
    const client = (name: string) => ({ name, role: "operator" }) as Client;
    expect(curtain.pageFor(client("ann"))).toEqual(PAGE);
    expect(curtain.pageFor(client("ben"))).toEqual(NOTHING);
  });
});
