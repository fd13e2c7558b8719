/** Nodes that pause, lose an answer or a message, or learn late of a removal. */
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { CutOffStore } from "../support/cut-off-store.ts";
import { startGateway } from "../support/gateway.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { RawClient } from "../support/raw-client.ts";
import { announces, SteeredStore, storeAway } from "../support/steered-store.ts";
import { turn, twoNodes } from "../support/two-nodes.ts";

const JOIN = { type: "sandbox.join", sandboxId: "s" } as const;
const REQUEST = { reason: "mfa", message: "Type the code", resumePrompt: "Go on" } as const;
const names = (members: readonly { readonly name: string }[]) => members.map(({ name }) => name).sort();

/** Has some of a node's calls to its store answered otherwise. */
function steer(store: CutOffStore, calls: Partial<Pick<Store, "roster" | "confirm">>): void {
  Object.assign(store, calls);
}

describe("a sandbox that another node removed", () => {
  it("is given to nobody any more, and callers see the one that is made anew", async () => {
    const store = new MemoryStore();
    const { client, create } = await startGateway({ store });
    await create("s");
    const box = client({ role: "operator", name: "anna" }).sandbox("s");
    await box.requestHumanHandoff({ ...REQUEST, message: "the old one's" });
    await store.remove("s");
    await expect(box.getHandoff()).rejects.toMatchObject({ code: "sandbox_not_found" });
    await create("s");
    expect((await box.getHandoff()).handoff).toBeNull();
    await box.requestHumanHandoff({ ...REQUEST, message: "the new one's" });
    expect((await store.load("s"))?.state.handoff?.message).toBe("the new one's");
  });
});

/** Whose messages of removal are lost. */
class Unheard extends MemoryStore {
  override subscribe(...[sandboxId, listener]: Parameters<MemoryStore["subscribe"]>) {
    return super.subscribe(sandboxId, { ...listener, removed: () => {} });
  }
}

describe("removing a sandbox", () => {
  it("tells members here though the store's own message is lost", async () => {
    const { create, raw, http } = await startLoggedGateway({ store: new Unheard() });
    await create("s");
    const anna = await raw({ name: "anna" });
    await anna.done("sandbox.joined", JOIN);
    const headers = { "x-baton-name": "w", "x-baton-role": "worker" };
    expect((await http("/v1/sandboxes/s", { method: "DELETE", headers })).ok).toBe(true);
    expect(await anna.next("sandbox.left")).toMatchObject({ sandboxId: "s", reason: "removed" });
  });
});

/** Whose `create` is executed, and not answered. */
class Forgetful extends MemoryStore {
  unanswered = 1;
  override async create(...args: Parameters<MemoryStore["create"]>): Promise<boolean> {
    const created = await super.create(...args);
    this.unanswered -= 1;
    if (this.unanswered >= 0) throw storeAway();
    return created;
  }
}

describe("creating a sandbox", () => {
  it("whose answer is lost leaves its browser to the same call made again", async () => {
    const { client } = await startGateway({ store: new Forgetful() });
    const worker = client({ role: "worker" });
    const create = () => worker.createSandbox({ sandboxId: "s", browser: { launch: true } });
    await expect(create()).rejects.toMatchObject({ code: "unavailable" });
    await create();
    await client({ role: "agent" }).sandbox("s").input.text("works");
  });
});

describe("who is there, after the store was away for a moment", () => {
  const bench = async () => {
    const test = await twoNodes();
    const annaAnnounced = async (): Promise<boolean> =>
      (await test.shared.roster("s")).some(({ members }) => names(members).includes("anna"));
    while (!(await annaAnnounced())) await turn();
    const wim = await test.a.raw({ name: "wim" });
    await wim.done("sandbox.joined", JOIN);
    await wim.next("presence", ({ members }) => names(members).join() === "anna,bot,wim");
    return { ...test, wim, annaAnnounced };
  };

  it("is read again when the first try fails", async () => {
    const { a, anna, wim, annaAnnounced } = await bench();
    a.store.cut();
    anna.close();
    while (await annaAnnounced()) await turn();
    const { roster } = a.store;
    steer(a.store, {
      roster: async () => {
        steer(a.store, { roster });
        throw storeAway();
      },
    });
    a.store.restore();
    await wim.next("presence", ({ members }) => names(members).join() === "bot,wim");
  });

  it("is what was heard during the reading, and not the older answer", async () => {
    const { a, anna, wim } = await bench();
    let goOn = (): void => {};
    const { roster } = a.store;
    const read = new Promise<void>((resolve) => {
      steer(a.store, {
        roster: async (sandboxId) => {
          const answer = await roster(sandboxId);
          resolve();
          await new Promise<void>((answered) => (goOn = answered));
          return answer;
        },
      });
    });
    a.store.restore();
    await read;
    anna.close();
    await wim.next("presence", ({ members }) => names(members).join() === "bot,wim");
    goOn();
    const { members } = await wim.done("sandbox.joined", JOIN);
    expect(names(members)).toEqual(["bot", "wim"]);
  });
});

describe("a gate whose node's subscription broke off", () => {
  it("C3: lets nothing through before the store has confirmed who drives", async () => {
    const { a, agent, received } = await twoNodes();
    await agent.input.text("before");
    const { confirm } = a.store;
    steer(a.store, {
      confirm: async () => {
        throw storeAway();
      },
    });
    a.store.restore();
    await expect(agent.input.text("unproven")).rejects.toMatchObject({ code: "unavailable" });
    steer(a.store, { confirm });
    await agent.input.text("after");
    expect(received()).toEqual(["before", "after"]);
  });
});

describe("a node that paused, and was taken for gone", () => {
  it("says again how it sees the browser", async () => {
    const { b, advance, stored } = await twoNodes();
    const live = (count: number) =>
      stored(({ gates }) => Object.values(gates).filter(({ status }) => status === "live").length === count);
    await live(2);
    b.store.cut();
    advance(1_000);
    await live(1);
    b.store.restore();
    await live(2);
  });
});

/** Whose nodes cannot be counted. */
class Uncounted extends MemoryStore {
  counting = true;
  override async beat(...args: Parameters<MemoryStore["beat"]>) {
    if (!this.counting) throw storeAway();
    return super.beat(...args);
  }
}

describe("a node whose beats fail", () => {
  it("H5, R1: goes on vouching for who is connected to it", async () => {
    const store = new Uncounted();
    const settings = { nodeTtlMs: 100, sightingMs: 2_000 };
    const { create, url } = await startGateway({ store, settings });
    await create("s");
    const anna = await RawClient.greeted(url, { name: "anna" });
    const bot = await RawClient.greeted(url, { role: "agent", name: "bot" });
    await anna.done("sandbox.joined", JOIN);
    await bot.done("sandbox.joined", { ...JOIN, resume: true });
    await bot.done("result", { type: "handoff.request", sandboxId: "s", ...REQUEST });
    await anna.done("result", { type: "handoff.accept", sandboxId: "s", controller: "anna" });
    const complete = { type: "handoff.complete", sandboxId: "s", controller: "anna", runResumePrompt: true };
    await anna.done("result", { ...complete, resumeWaitMs: 0 });
    const { requestId } = await bot.next("resume.prompt");
    await bot.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    await anna.done("result", { type: "control.take", sandboxId: "s", controller: "anna" });
    store.counting = false;
    await anna.next("gateway.status", ({ degraded }) => degraded);
    const given = async () => {
      const state = (await store.load("s"))?.state;
      return [Object.values(state?.seen ?? {})[0]?.until ?? 0, state?.resumes[0]?.heldUntil ?? 0] as const;
    };
    const [seen, held] = await given();
    const renewed = async () => {
      const [seenNow, heldNow] = await given();
      return seenNow > seen && heldNow > held;
    };
    await anna.ping();
    while (!(await renewed())) await anna.ping();
  });
});

describe("a claim of a resume prompt that the gateway could not answer", () => {
  it.each([
    ["was not made", false],
    ["was made, and its answer lost", true],
  ])("R1: %s: it is asked again, and the handler runs once", async (_, made) => {
    const store = new SteeredStore();
    const { client, create } = await startGateway({ store });
    await create("s");
    const agent = client({ role: "agent", name: "bot" }).sandbox("s");
    const runs: string[] = [];
    agent.onResume(({ prompt }) => `did ${runs.push(prompt)}`);
    const anna = client({ role: "operator", name: "anna" }).sandbox("s");
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    let failures = 0;
    const commit = store.commit.bind(store);
    store.commit = async (sandboxId, change) => {
      if (failures === 2 || !announces("resume.claimed")(change)) return commit(sandboxId, change);
      failures += 1;
      if (made) await commit(sandboxId, change);
      throw storeAway();
    };
    // What is found is in no replica yet: the call ends without an answer although it was done.
    const confirm = store.confirm.bind(store);
    store.confirm = async (sandboxId) => {
      if (!made || failures !== 1) return confirm(sandboxId);
      failures += 1;
      throw storeAway();
    };
    const done = await anna.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
    expect(done.resume).toMatchObject({ ok: true, response: "did 1" });
    expect(failures).toBe(2);
    expect(runs).toEqual(["Go on"]);
  });
});
