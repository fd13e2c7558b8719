/** Two gateways on one store: whoever is connected to either sees one sandbox, and one baton (DESIGN's C2 across nodes). */
import { describe, expect, it } from "vitest";
import { GATE_LEASE_MS } from "../../src/core/commands.ts";
import { DEFAULT_SETTINGS } from "../../src/room/settings.ts";
import { until } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";
import { turn, twoNodes } from "../support/two-nodes.ts";

const REQUEST = { reason: "mfa", message: "Type the code", resumePrompt: "Go on" } as const;

describe("a handoff over two nodes", () => {
  it("C1, C4: request on one, accept on the other, complete, answer: only the controller's input arrives", async () => {
    const { agent, anna, received } = await twoNodes();
    agent.onResume(async ({ prompt }) => `did: ${prompt}`);
    await agent.input.text("agent 1");
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    await expect(agent.input.text("not mine")).rejects.toMatchObject({ code: "not_controller" });
    await anna.input.text("anna 1");
    const done = await anna.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
    expect(done.resume).toMatchObject({ ok: true, response: "did: Go on" });
    await agent.waitForControl();
    await expect(anna.input.text("too late")).rejects.toMatchObject({ code: "not_controller" });
    await agent.input.text("agent 2");
    expect(received()).toEqual(["agent 1", "anna 1", "agent 2"]);
  });

  it("C2: the other node's unfinished input keeps the accept waiting, and the person sees why", async () => {
    const { agent, anna, browser, received } = await twoNodes();
    browser.holdAnswers();
    const inFlight = agent.input.text("in flight");
    const order: string[] = [];
    const requested = agent.requestHumanHandoff(REQUEST);
    await until(anna, ({ sandbox }) => sandbox.handoff?.status === "pending");
    const accepted = anna.acceptHumanHandoff({ controller: "anna" }).then(() => order.push("accepted"));
    const waiting = await until(anna, ({ sandbox }) => sandbox.handoff?.status === "accepted");
    expect(waiting.sandbox.control).toMatchObject({ phase: "draining", controller: "anna" });
    order.push("answered");
    browser.answer();
    await Promise.all([inFlight, requested, accepted]);
    expect(order).toEqual(["answered", "accepted"]);
    await anna.input.text("anna 1");
    expect(received()).toEqual(["in flight", "anna 1"]);
  });

  it("C2, C3: a node that fell silent is waited for until its lease has run out, and no longer", async () => {
    const { a, agent, anna, advance, received, shared } = await twoNodes();
    await agent.input.text("agent 1");
    a.store.cut();
    const taken = anna.takeControl({ controller: "anna" });
    const waiting = await until(anna, ({ sandbox }) => sandbox.control.controller === "anna");
    expect(waiting.sandbox.control.phase).toBe("draining");
    expect(Object.keys((await shared.load("s"))?.state.draining ?? {})).toHaveLength(1);
    advance(GATE_LEASE_MS);
    await taken;
    await anna.input.text("anna 1");
    expect(received()).toEqual(["agent 1", "anna 1"]);
    expect(Object.keys((await shared.load("s"))?.state.gates ?? {})).toHaveLength(1);
    // It comes back, and learns before it lets anything through that it was passed over.
    a.store.restore();
    await expect(agent.input.text("not mine")).rejects.toMatchObject({ details: { controller: "anna" } });
    await anna.releaseControl({ controller: "anna" });
    await agent.waitForControl();
    await agent.input.text("agent 2");
    expect(received()).toEqual(["agent 1", "anna 1", "agent 2"]);
    // Before that input it registered anew: drains wait for it again.
    expect(Object.keys((await shared.load("s"))?.state.gates ?? {})).toHaveLength(2);
  });
});

describe("a node that is cut off from its store", () => {
  it("C3: lets input through only as long as its proof lasts, says so, and goes on by itself afterwards", async () => {
    const { a, agent, anna, received } = await twoNodes();
    const watcher = await RawClient.greeted(a.url, { role: "viewer", name: "vera" });
    await agent.input.text("before");
    a.store.cut();
    const notice = watcher.next("gateway.status", ({ degraded }) => degraded);
    let sent = 0;
    const stopped = async (): Promise<unknown> => {
      for (;;) {
        try {
          await agent.input.text("still mine");
          sent += 1;
        } catch (error) {
          return error;
        }
      }
    };
    expect(await stopped()).toMatchObject({ code: "unavailable", retryable: true });
    await notice;
    expect(await watcher.refused({ type: "handoff.get", sandboxId: "t" }, "unavailable")).toMatchObject({
      retryable: true,
    });
    expect((await fetch(`${a.url}/readyz`)).status).toBe(503);
    const back = watcher.next("gateway.status", ({ degraded }) => !degraded);
    a.store.restore();
    await back;
    expect((await fetch(`${a.url}/readyz`)).status).toBe(200);
    await agent.input.text("after");
    expect(received()).toEqual(["before", ...Array.from({ length: sent }, () => "still mine"), "after"]);
    await anna.takeControl({ controller: "anna" });
  });

  it("E2: its subscribers get what they missed when it is back, once and in order", async () => {
    const { a, agent, anna } = await twoNodes();
    const seen: number[] = [];
    await until(agent, () => true);
    const watching = until(agent, ({ event, sandbox }) => {
      if (event) seen.push(event.seq);
      return sandbox.control.mode === "ai" && sandbox.handoff?.status === "completed";
    });
    a.store.cut();
    await anna.takeControl({ controller: "anna" }).catch(() => {});
    a.store.restore();
    await agent.requestHumanHandoff(REQUEST);
    await anna.completeHumanHandoff({ controller: "anna" });
    await watching;
    const first = seen[0] ?? 0;
    expect(seen).toEqual(seen.map((_, index) => first + index));
  });
});

describe("presence over two nodes", () => {
  it("shows members of every node, without those of a node that was killed", async () => {
    const { a, b, advance } = await twoNodes();
    const watcher = await RawClient.greeted(a.url, { role: "operator", name: "wim" });
    await watcher.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    const names = (members: readonly { name: string }[]) => members.map(({ name }) => name).sort();
    await watcher.next("presence", ({ members }) => names(members).join() === "anna,bot,wim");
    b.store.cut();
    advance(DEFAULT_SETTINGS.nodeTtlMs);
    await watcher.next("presence", ({ members }) => names(members).join() === "bot,wim");
    // It was only cut off: its members are there again.
    b.store.restore();
    await watcher.next("presence", ({ members }) => names(members).join() === "anna,bot,wim");
  });

  it("H5: a person moves to another node without losing the browser", async () => {
    const { a, agent, anna, shared } = await twoNodes();
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    const again = a.client({ role: "operator", name: "anna" }).sandbox("s");
    await until(again, () => true);
    while (Object.keys((await shared.load("s"))?.state.seen ?? {}).length < 2) await turn();
    anna.close();
    while (Object.keys((await shared.load("s"))?.state.seen ?? {}).length > 1) await turn();
    const { sandbox } = await until(again, () => true);
    expect(sandbox.control).toMatchObject({ controller: "anna" });
    expect(sandbox.control).not.toHaveProperty("graceUntil");
  });

  it("H5: the controller's node is killed: the grace time begins by itself, and the handoff returns to the queue", async () => {
    const { a, b, agent, anna, advance } = await twoNodes();
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    const watcher = a.client({ role: "operator", name: "wim" }).sandbox("s");
    await until(watcher, () => true);
    b.store.cut();
    advance(DEFAULT_SETTINGS.sightingMs);
    await until(watcher, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    advance(DEFAULT_SETTINGS.graceMs);
    await until(watcher, ({ sandbox }) => sandbox.handoff?.status === "pending");
  });

  it("R1: the node of the agent that claimed is killed: another agent gets the prompt", async () => {
    const { a, b, agent, anna, advance, shared } = await twoNodes();
    const taken = await RawClient.greeted(b.url, { role: "agent", name: "bot-b" });
    await taken.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s", resume: true });
    await agent.requestHumanHandoff(REQUEST);
    await anna.acceptHumanHandoff({ controller: "anna" });
    await anna.completeHumanHandoff({ controller: "anna", runResumePrompt: true, resumeWaitMs: 0 });
    const { requestId } = await taken.next("resume.prompt");
    await taken.done("done", { type: "resume.claim", sandboxId: "s", requestId });
    b.store.cut();
    const other = await RawClient.greeted(a.url, { role: "agent", name: "bot-a" });
    await other.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s", resume: true });
    // The node's word runs out; then the time begins after which the prompt is free.
    advance(DEFAULT_SETTINGS.sightingMs);
    while ((await shared.load("s"))?.state.resumes[0]?.releaseAt === undefined) await turn();
    advance(30_000);
    await other.next("event", ({ event }) => event.type === "resume.released");
    await other.next("resume.prompt");
    await other.done("done", { type: "resume.claim", sandboxId: "s", requestId });
  });
});
