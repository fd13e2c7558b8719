/** What subscribers and viewers see, over real sockets (E1, E2, P1, P2). */
import { describe, expect, it, onTestFinished } from "vitest";
import { formatPosition } from "../../protocol/http.ts";
import { applyEvent, type Sandbox, type SandboxEvent } from "../../protocol/sandbox.ts";
import type { FakeBrowserLink } from "../../src/browser/fake-link.ts";
import type { PreviewFrame } from "../../src/sdk/api.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { SandboxListener, Unsubscribe } from "../../src/store/store.ts";
import { startGateway, until } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";

/** Tells every event twice, and some not at all, as a bus after a reconnect may. */
class UnreliableStore extends MemoryStore {
  lose = 0;

  override subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    return super.subscribe(sandboxId, {
      removed: () => listener.removed(),
      lost: () => listener.lost(),
      roster: (change) => listener.roster(change),
      event: (event) => {
        if (this.lose > 0) {
          this.lose -= 1;
          return;
        }
        listener.event(event);
        listener.event(event);
      },
    });
  }
}

const REQUEST = { reason: "captcha", message: "Solve it" } as const;

async function stage() {
  const test = await startGateway();
  await test.create("s");
  return test;
}

describe("events", () => {
  it("E1: every subscriber sees the same dense events, and applying them gives the state", async () => {
    const { client } = await stage();
    const agent = client({ role: "agent" }).sandbox("s");
    const logs: SandboxEvent[][] = [];
    const starts: Sandbox[] = [];
    const watchers = [1, 2, 3].map((n) => client({ role: "viewer", name: `viewer ${n}` }).sandbox("s"));
    await Promise.all(
      watchers.map(async (watcher, index) => {
        starts[index] = (await until(watcher, ({ sandbox }) => sandbox.browser?.status === "live")).sandbox;
        const log: SandboxEvent[] = [];
        logs[index] = log;
        watcher.subscribe(({ event }) => {
          if (event && event.seq > (starts[index]?.seq ?? 0)) log.push(event);
        });
      }),
    );
    for (let round = 0; round < 5; round += 1) {
      await agent.requestHumanHandoff(REQUEST);
      await agent.cancelHumanHandoff();
    }
    const final = (await until(agent, ({ sandbox }) => sandbox.control.phase === "active")).sandbox;
    for (const [index, watcher] of watchers.entries()) {
      await until(watcher, ({ sandbox }) => sandbox.seq >= final.seq);
      const start = starts[index] as Sandbox;
      const log = logs[index] ?? [];
      expect(log.map(({ seq }) => seq)).toEqual(log.map((_, offset) => start.seq + 1 + offset));
      expect(log.reduce(applyEvent, start)).toEqual(watcher.current?.sandbox);
    }
  });

  it("E2: a subscriber that lost its connection resumes from its position, with no gap and no duplicate", async () => {
    const { client, url } = await stage();
    const agent = client({ role: "agent" }).sandbox("s");
    const watching = client({ role: "viewer", name: "resumer" });
    const watcher = watching.sandbox("s");
    const start = (await until(watcher, ({ sandbox }) => sandbox.browser?.status === "live")).sandbox;
    const seen: number[] = [];
    let snapshots = 0;
    watcher.subscribe(({ event, connected }) => {
      if (event && event.seq > start.seq) seen.push(event.seq);
      else if (connected && !event) snapshots += 1;
    });
    snapshots = 0;
    watching.offline(true);
    await agent.requestHumanHandoff(REQUEST);
    await agent.cancelHumanHandoff();
    const missed = (await until(agent, ({ sandbox }) => sandbox.handoff?.status === "cancelled")).sandbox;
    watching.offline(false);
    await until(watcher, ({ sandbox }) => sandbox.seq >= missed.seq);
    await agent.requestHumanHandoff(REQUEST);
    const last = (
      await until(
        watcher,
        ({ sandbox }) => sandbox.handoff?.status === "pending" && sandbox.control.phase === "active",
      )
    ).sandbox;
    expect(seen).toEqual(Array.from({ length: last.seq - start.seq }, (_, offset) => start.seq + 1 + offset));
    const log = (await (
      await fetch(`${url}/v1/sandboxes/s/events?since=${start.epoch}-${start.seq}`)
    ).json()) as {
      events: SandboxEvent[];
    };
    expect(log.events.map(({ seq }) => seq).slice(0, seen.length)).toEqual(seen);
  });

  it("E2: what a store's subscription repeats or loses, a subscriber sees once and in order", async () => {
    const store = new UnreliableStore();
    const { url, create, client } = await startGateway({ store });
    await create("s");
    const agent = client({ role: "agent" }).sandbox("s");
    await until(agent, ({ sandbox }) => sandbox.browser?.status === "live");
    const raw = await RawClient.greeted(url, { role: "viewer", name: "raw" });
    const joined = await raw.call({ type: "sandbox.join", sandboxId: "s" });
    const start = joined.type === "sandbox.joined" ? joined.position.seq : -1;
    store.lose = 1;
    await agent.requestHumanHandoff(REQUEST);
    await agent.cancelHumanHandoff();
    const seen = [await raw.next("event"), await raw.next("event"), await raw.next("event")];
    expect(seen.map(({ event }) => [event.seq, event.type])).toEqual([
      [start + 1, "handoff.requested"],
      [start + 2, "control.active"],
      [start + 3, "handoff.cancelled"],
    ]);
  });

  it("E2: a position that the log does not know gets a snapshot", async () => {
    const { url } = await stage();
    const answer = await fetch(`${url}/v1/sandboxes/s/events?since=1-999`);
    expect(await answer.json()).toMatchObject({ events: [], snapshot: { sandboxId: "s" } });
  });

  it("an event stream says at once that it is open, although nothing has happened since", async () => {
    const { url, gateway } = await stage();
    const { room, release } = await gateway.rooms.acquire("s");
    onTestFinished(release);
    const { epoch, seq } = await room.until(({ browser }) => browser?.status === "idle", 5_000);
    const leave = new AbortController();
    onTestFinished(() => leave.abort());
    const response = await fetch(`${url}/v1/sandboxes/s/events?since=${formatPosition({ epoch, seq })}`, {
      headers: { accept: "text/event-stream" },
      signal: leave.signal,
    });
    const { value } = (await response.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe(": open\n\n");
  });

  it("presence: everybody sees who is here and who watches, and nobody who has left", async () => {
    const { client } = await stage();
    const anna = client({ role: "operator", name: "anna" }).sandbox("s");
    const ben = client({ role: "viewer", name: "ben" });
    const stop = ben.sandbox("s").preview({}, { frame: (_frame, shown) => shown() });
    await until(anna, ({ members }) => members.some(({ name, watching }) => name === "ben" && watching));
    stop();
    await until(anna, ({ members }) => members.some(({ name, watching }) => name === "ben" && !watching));
    ben.cut();
    ben.close();
    const { members } = await until(anna, (update) => update.members.every(({ name }) => name !== "ben"));
    expect(members.map(({ name }) => name)).toEqual(["anna"]);
  });

  it("the lobby shows every sandbox with its newest state, and forgets removed ones", async () => {
    const { client, create } = await stage();
    const operator = client({ role: "operator" });
    const states: string[] = [];
    const { promise, settle } = settled();
    operator.subscribeLobby(({ sandboxes }) => {
      states.push(
        [...sandboxes.values()].map(({ sandboxId, handoff }) => `${sandboxId}:${handoff?.status}`).join(),
      );
      if (sandboxes.get("t")?.handoff?.status === "pending") void operator.removeSandbox("t");
      if (states.some((state) => state.includes("t:pending")) && !sandboxes.has("t")) settle();
    });
    await operator.ready();
    await create("t");
    await client({ role: "agent" }).sandbox("t").requestHumanHandoff(REQUEST);
    await promise;
    expect(states.at(-1)).toBe("s:undefined");
  });
});

describe("preview", () => {
  const linkOf = (browser: { links: Set<FakeBrowserLink> }): FakeBrowserLink =>
    [...browser.links][0] as FakeBrowserLink;

  it("P1: one capture however many watch, none while nobody does, and a late viewer gets a picture at once", async () => {
    const { client, browser } = await stage();
    const agent = client({ role: "agent" }).sandbox("s");
    await until(agent, ({ sandbox }) => sandbox.browser?.status === "live");
    expect(linkOf(browser).capture).toBeUndefined();
    const first = watch(client({ role: "viewer", name: "first" }).sandbox("s"));
    await first.next();
    expect(browser.links.size).toBe(1);
    expect(linkOf(browser).capture).toEqual({ quality: 60 });
    // Nothing is painted from here on: what the late viewer sees is the picture that was there.
    const late = watch(client({ role: "viewer", name: "late" }).sandbox("s"), { quality: 80 });
    await late.next();
    expect(linkOf(browser).capture).toEqual({ quality: 80 });
    first.stop();
    late.stop();
    const observer = client({ role: "viewer", name: "observer" }).sandbox("s");
    await until(observer, ({ members }) => members.every(({ watching }) => !watching));
    expect(linkOf(browser).capture).toBeUndefined();
  });

  it("P2: a viewer that stalls slows neither the others nor the capture", async () => {
    const { client, browser } = await stage();
    const stalled: PreviewFrame[] = [];
    const stalling = client({ role: "viewer", name: "stalled" }).sandbox("s");
    const { promise: full, settle } = settled();
    stalling.preview(
      { maxFps: 60 },
      {
        frame: (frame) => {
          stalled.push(frame);
          browser.paint();
          if (stalled.length === 2) settle();
        },
      },
    );
    await full;
    const live = watch(client({ role: "viewer", name: "live" }).sandbox("s"), { maxFps: 60 });
    await live.next();
    for (let picture = 0; picture < 10; picture += 1) {
      const next = live.next();
      browser.paint();
      await next;
    }
    expect(stalled).toHaveLength(2);
  });

  it("P2: viewers are told whether the browser answers, and which picture is the newest", async () => {
    const { client, browser } = await startGateway({ settings: { aliveMs: 20 } }).then(async (test) => {
      await test.create("s");
      return test;
    });
    const beats: { alive: boolean; seq: number }[] = [];
    const waiters: (() => void)[] = [];
    client({ role: "viewer" })
      .sandbox("s")
      .preview(
        {},
        {
          frame: (_frame, shown) => shown(),
          alive: (alive, seq) => {
            beats.push({ alive, seq });
            for (const wake of waiters.splice(0)) wake();
          },
        },
      );
    const beat = async (check: (last: { alive: boolean; seq: number }) => boolean): Promise<void> => {
      while (!beats.some(check)) await new Promise<void>((resolve) => waiters.push(resolve));
    };
    await beat(({ alive, seq }) => alive && seq >= 1);
    browser.hang();
    beats.length = 0;
    await beat(({ alive }) => !alive);
    browser.recover();
    beats.length = 0;
    await beat(({ alive }) => alive);
  });

  it("tabs and dialogs reach everybody in the room", async () => {
    const { client, browser } = await stage();
    const viewer = client({ role: "viewer" }).sandbox("s");
    const agent = client({ role: "agent" }).sandbox("s");
    await until(viewer, ({ tabs }) => tabs.length === 1);
    const popup = browser.openTab("http://example.test/popup", browser.active?.tabId);
    await until(viewer, ({ tabs }) => tabs.some(({ tabId, active }) => tabId === popup && active));
    browser.openDialog({ type: "confirm", message: "Sure?" });
    await until(viewer, ({ dialog }) => dialog?.message === "Sure?");
    await agent.input.answerDialog(true);
    await until(viewer, ({ dialog }) => dialog === null);
    await agent.input.closeTab(popup);
    await until(viewer, ({ tabs }) => tabs.length === 1 && tabs[0]?.active === true);
  });
});

function settled(): { promise: Promise<void>; settle: () => void } {
  let settle = (): void => {};
  const promise = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}

function watch(
  sandbox: ReturnType<ReturnType<Awaited<ReturnType<typeof startGateway>>["client"]>["sandbox"]>,
  options: { maxFps?: number; quality?: number } = {},
): { next: () => Promise<void>; stop: () => void } {
  const controller = new AbortController();
  const frames = sandbox.frames({ ...options, signal: controller.signal });
  return {
    next: async () => {
      const { done } = await frames.next();
      expect(done).toBe(false);
    },
    stop: () => controller.abort(new Error("seen enough")),
  };
}
