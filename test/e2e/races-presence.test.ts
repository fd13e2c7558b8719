/** Coming and going while the store is slow: nobody is forgotten, and nobody is remembered who has left. */
import { describe, expect, it } from "vitest";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { announces, SteeredStore, storeAway } from "../support/steered-store.ts";

const JOIN = { type: "sandbox.join", sandboxId: "s" } as const;
const TAKE = { type: "control.take", sandboxId: "s", controller: "ann" } as const;

async function room() {
  const store = new SteeredStore();
  const test = await startLoggedGateway({ store });
  await test.create("s");
  const watcher = await test.raw({ role: "viewer", name: "watcher" });
  await watcher.done("sandbox.joined", JOIN);
  return { ...test, store, watcher };
}

describe("H5: a person's grace time", () => {
  it("ends when they came back before it was recorded that they had left", async () => {
    const { store, watcher, raw, state } = await room();
    const before = await raw({ name: "ann" });
    await before.done("sandbox.joined", JOIN);
    await before.done("result", TAKE);
    const leaving = store.holdCommit(announces("control.away"));
    await before.close();
    const goOn = await leaving;
    const after = await raw({ name: "ann" });
    await after.done("sandbox.joined", JOIN);
    goOn();
    await watcher.next("event", ({ event }) => event.type === "control.back");
    const { control } = await state("s");
    expect(control).toMatchObject({ mode: "human", controller: "ann" });
    expect(control.graceUntil).toBeUndefined();
  });

  it("starts when they left again before it was recorded that they were back", async () => {
    const { store, watcher, raw, state } = await room();
    const here = (...names: string[]) =>
      watcher.next("presence", ({ members }) => members.map(({ name }) => name).join() === names.join());
    await here("watcher");
    const first = await raw({ name: "ann" });
    await first.done("sandbox.joined", JOIN);
    await here("ann", "watcher");
    await first.done("result", TAKE);
    await first.close();
    await watcher.next("event", ({ event }) => event.type === "control.away");
    await here("watcher");
    const returning = store.holdCommit(announces("control.back"));
    const second = await raw({ name: "ann" });
    await second.done("sandbox.joined", JOIN);
    const goOn = await returning;
    await here("ann", "watcher");
    await second.close();
    await here("watcher");
    goOn();
    await watcher.next("event", ({ event }) => event.type === "control.back");
    await watcher.next("event", ({ event }) => event.type === "control.away");
    expect((await state("s")).control.graceUntil).toBeDefined();
  });

  it("starts although the store does not answer when they leave", async () => {
    const { store, watcher, raw } = await room();
    const ann = await raw({ name: "ann" });
    await ann.done("sandbox.joined", JOIN);
    await ann.done("result", TAKE);
    let failures = 0;
    store.beforeCommit = (_sandboxId, commit) => {
      if (!announces("control.away")(commit) || failures === 2) return;
      failures += 1;
      throw storeAway();
    };
    await ann.close();
    await watcher.next("event", ({ event }) => event.type === "control.away");
    expect(failures).toBe(2);
  });
});

describe("H5: a person who reconnects", () => {
  it("and whose join fails has left all the same", async () => {
    const { store, watcher, raw } = await room();
    const before = await raw({ name: "ann" });
    await before.done("sandbox.joined", JOIN);
    await before.done("result", TAKE);
    const reading = store.holdRead();
    const after = await raw({ name: "ann" });
    const refused = after.refused(JOIN, "unavailable");
    const goOn = await reading;
    const gone = watcher.next("presence", ({ members }) => members.length === 2);
    await before.close();
    await gone;
    goOn(storeAway());
    await refused;
    await watcher.next("event", ({ event }) => event.type === "control.away");
  });
});

/** A person finished and left a prompt; the agent that asked has not joined. */
async function withPromptWaiting(raw: Awaited<ReturnType<typeof room>>["raw"]) {
  const [ann, bot] = [await raw({ name: "ann" }), await raw({ role: "agent", name: "bot" })];
  const handoff = { sandboxId: "s", controller: "ann" };
  const request = { reason: "mfa", message: "code", resumePrompt: "go on" };
  await bot.done("result", { type: "handoff.request", sandboxId: "s", ...request });
  await ann.done("result", { type: "handoff.accept", ...handoff });
  const completed = { type: "handoff.complete", ...handoff, runResumePrompt: true, resumeWaitMs: 0 };
  await ann.done("result", completed);
  return bot;
}

describe("R1: a prompt whose agent", () => {
  it("joined when the store was away for a moment is offered to it all the same", async () => {
    const { store, raw } = await room();
    const bot = await withPromptWaiting(raw);
    store.afterLoad = () => {
      store.afterLoad = () => {};
      throw storeAway();
    };
    await bot.done("sandbox.joined", { ...JOIN, resume: true });
    expect(await bot.next("resume.prompt")).toMatchObject({ prompt: "go on" });
  });

  it("left while the store was asked for it is not sent after the leave was answered", async () => {
    const { store, raw } = await room();
    const bot = await withPromptWaiting(raw);
    const loading = store.holdLoad();
    await bot.done("sandbox.joined", { ...JOIN, resume: true });
    const goOn = await loading;
    await bot.done("done", { type: "sandbox.leave", sandboxId: "s" });
    goOn();
    for (let turn = 0; turn < 3; turn += 1) await bot.ping();
    expect(bot.received.filter(({ type }) => type === "resume.prompt")).toEqual([]);
  });

  it("connects anew before the old connection is known to be gone is offered to it again", async () => {
    const { raw } = await room();
    const agent = { role: "agent", name: "bot", clientId: "bot-1-of-the-tests" } as const;
    const [ann, before] = [await raw({ name: "ann" }), await raw(agent)];
    await before.done("sandbox.joined", { ...JOIN, resume: true });
    const handoff = { sandboxId: "s", controller: "ann" };
    const request = { reason: "mfa", message: "code", resumePrompt: "go on" };
    await before.done("result", { type: "handoff.request", sandboxId: "s", ...request });
    await ann.done("result", { type: "handoff.accept", ...handoff });
    ann.send({ type: "handoff.complete", id: "complete", ...handoff, runResumePrompt: true });
    const { requestId } = await before.next("resume.prompt");
    await before.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    const after = await raw(agent);
    await after.done("sandbox.joined", { ...JOIN, resume: true });
    expect((await after.next("resume.prompt")).requestId).toBe(requestId);
    await after.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    await before.close();
    await after.done("done", { type: "resume.answer", sandboxId: "s", requestId, ok: true });
    expect(await ann.answer("complete")).toMatchObject({ type: "result", result: { resume: { ok: true } } });
  });

  it("came back before it was recorded that it had left is offered to it again", async () => {
    const { store, raw } = await room();
    const bot = { role: "agent", name: "bot", clientId: "bot-1-of-the-tests" } as const;
    const before = await raw(bot);
    await before.done("sandbox.joined", { ...JOIN, resume: true });
    const ann = await raw({ name: "ann" });
    const handoff = { sandboxId: "s", controller: "ann" };
    const request = { reason: "mfa", message: "code", resumePrompt: "go on" };
    await before.done("result", { type: "handoff.request", sandboxId: "s", ...request });
    await ann.done("result", { type: "handoff.accept", ...handoff });
    const completed = ann.done("result", { type: "handoff.complete", ...handoff, runResumePrompt: true });
    const { requestId } = await before.next("resume.prompt");
    await before.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    const leaving = store.holdCommit(({ next }) =>
      next.resumes.some(({ releaseAt }) => releaseAt !== undefined),
    );
    await before.close();
    const goOn = await leaving;
    const after = await raw(bot);
    await after.done("sandbox.joined", { ...JOIN, resume: true });
    goOn();
    expect((await after.next("resume.prompt")).requestId).toBe(requestId);
    await after.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    await after.done("done", { type: "resume.answer", sandboxId: "s", requestId, ok: true });
    await completed;
  });
});

describe("joining", () => {
  it("that fails leaves nobody behind in the presence that others see", async () => {
    const { store, watcher, raw } = await room();
    const [ben, carl] = [await raw({ name: "ben" }), await raw({ name: "carl" })];
    const reading = store.holdRead();
    const refused = ben.refused(JOIN, "unavailable");
    const goOn = await reading;
    await carl.done("sandbox.joined", JOIN);
    goOn(storeAway());
    await refused;
    const names = ["carl", "watcher"];
    await watcher.next("presence", ({ members }) => members.length === names.length);
    const last = watcher.received.findLast((message) => message.type === "presence");
    expect(last?.members.map(({ name }) => name)).toEqual(names);
  });

  it("is answered although the sandbox is removed meanwhile", async () => {
    const { store, raw, http } = await room();
    const ben = await raw({ name: "ben" });
    const reading = store.holdRead();
    const refused = ben.refused(JOIN, "sandbox_not_found");
    const goOn = await reading;
    await http("/v1/sandboxes/s", { method: "DELETE" });
    goOn();
    await refused;
    await ben.refused(JOIN, "sandbox_not_found");
  });
});
