import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ResumeRequest } from "../../../src/sdk/api.ts";
import { MAX_REMEMBERED } from "../../../src/sdk/resume.ts";
import { handoffOf, recorder, sandboxOf } from "./fixtures.ts";
import { type Peer, ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
let clients = 0;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

const completed = handoffOf({ status: "completed", note: "Signed in", resumePrompt: "Go on" });

function prompt(peer: Peer, requestId = "first"): void {
  const handoff = { ...completed, requestId };
  peer.send({ type: "resume.prompt", sandboxId: "box", requestId, epoch: 100, prompt: "Go on", handoff });
}

/** An agent with a handler that finishes when the test says so. */
async function agent(
  clientId = `resume-test-${(clients += 1)}`,
  options: Parameters<ScriptedGateway["client"]>[0] = {},
) {
  const client = gateway.client({ role: "agent", clientId, ...options });
  const box = client.sandbox("box");
  const runs = recorder<{
    request: ResumeRequest;
    finish: (response?: string) => void;
    fail: (e: Error) => void;
  }>();
  const remove = box.onResume(
    (request) =>
      new Promise<string | void>((resolve, reject) =>
        runs.listener({ request, finish: resolve, fail: reject }),
      ),
  );
  const peer = await gateway.peer();
  const join = await peer.acceptJoin(sandboxOf());
  return { client, clientId, box, runs, remove, peer, join };
}

const count = (peer: Peer, type: string) => peer.types().filter((sent) => sent === type).length;

describe("onResume", () => {
  it("R1: claims a prompt, runs the handler, and answers with what it returns", async () => {
    const { peer, join, runs } = await agent();
    expect(join.resume).toBe(true);
    prompt(peer);
    const claim = await peer.next("resume.claim");
    expect(claim).toMatchObject({ sandboxId: "box", requestId: "first" });
    expect(runs.calls).toHaveLength(0);
    peer.done(claim.id);
    const { request, finish } = await runs.next();
    expect(request).toEqual({ requestId: "first", prompt: "Go on", handoff: completed });
    finish("Bought it");
    const answer = await peer.next("resume.answer");
    expect(answer).toMatchObject({ requestId: "first", ok: true, response: "Bought it" });
    peer.done(answer.id);
  });

  it("R1: runs once though the prompt is delivered many times, and answers again with the same outcome", async () => {
    const { peer, box, runs } = await agent();
    prompt(peer);
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    const run = await runs.next();
    // Delivered while it runs: the claim is renewed, nothing more.
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    run.finish("Once");
    peer.done((await peer.next("resume.answer")).id);
    await peer.handledBy(box);
    // The store may have lost claim and answer: both are made again.
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    const again = await peer.next("resume.answer");
    expect(again).toMatchObject({ ok: true, response: "Once" });
    peer.done(again.id);
    await peer.handledBy(box);
    expect(runs.calls).toHaveLength(1);
    expect(count(peer, "resume.claim")).toBe(3);
  });

  it("R1: sends the answer on the next socket until it is taken", async () => {
    const { peer, runs, box } = await agent();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    const run = await runs.next();
    peer.kill();
    const second = await gateway.peer();
    const rejoin = await second.next("sandbox.join");
    expect(rejoin.resume).toBe(true);
    second.continues(rejoin, { epoch: 100, seq: 5 });
    prompt(second);
    second.done((await second.next("resume.claim")).id);
    run.finish();
    const answer = await second.next("resume.answer");
    expect(answer).toMatchObject({ ok: true });
    expect(answer).not.toHaveProperty("response");
    second.kill();
    const third = await gateway.peer();
    expect(await third.next("resume.answer")).toEqual(answer);
    third.refuse(answer.id, "unavailable");
    const later = await third.next("resume.answer");
    third.done(later.id);
    await third.handledBy(box);
    expect(runs.calls).toHaveLength(1);
  });

  it("R1: repeats an unanswered claim on the next socket, and runs once", async () => {
    const { peer, runs } = await agent();
    prompt(peer);
    const claim = await peer.next("resume.claim");
    peer.kill();
    const second = await gateway.peer();
    second.continues(await second.next("sandbox.join"), { epoch: 100, seq: 5 });
    prompt(second);
    expect(await second.next("resume.claim")).toEqual(claim);
    second.done(claim.id);
    (await runs.next()).finish("Done");
    await second.next("resume.answer");
    expect(runs.calls).toHaveLength(1);
    expect(count(second, "resume.claim")).toBe(1);
  });

  it("R1: asks again when the gateway could not say whether the claim is in, and runs once", async () => {
    const { peer, box, runs } = await agent();
    prompt(peer);
    const claim = await peer.next("resume.claim");
    peer.refuse(claim.id, "unavailable");
    // Delivered again meanwhile: it is being claimed already.
    prompt(peer);
    const again = await peer.next("resume.claim");
    expect(again).toMatchObject({ sandboxId: "box", requestId: "first" });
    expect(runs.calls).toHaveLength(0);
    peer.refuse(again.id, "unavailable");
    peer.done((await peer.next("resume.claim")).id);
    (await runs.next()).finish("Once");
    peer.done((await peer.next("resume.answer")).id);
    await peer.handledBy(box);
    expect(runs.calls).toHaveLength(1);
    expect(count(peer, "resume.claim")).toBe(3);
  });

  it("R1: a client that is closed before it asks again leaves the prompt to the next one", async () => {
    const patient = { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 };
    const { client, clientId, box, peer } = await agent(undefined, patient);
    prompt(peer);
    peer.refuse((await peer.next("resume.claim")).id, "unavailable");
    await peer.handledBy(box);
    client.close();
    const next = await agent(clientId);
    prompt(next.peer);
    next.peer.done((await next.peer.next("resume.claim")).id);
    (await next.runs.next()).finish();
    await next.peer.next("resume.answer");
  });

  it("R1: a new client with the same clientId answers from memory, and does not run it again", async () => {
    const { client, clientId, peer, runs } = await agent();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    const run = await runs.next();
    client.close();
    run.finish("Late");
    const next = await agent(clientId);
    prompt(next.peer);
    next.peer.done((await next.peer.next("resume.claim")).id);
    const answer = await next.peer.next("resume.answer");
    expect(answer).toMatchObject({ ok: true, response: "Late" });
    next.peer.done(answer.id);
    expect(next.runs.calls).toHaveLength(0);
  });

  it("leaves a taken prompt alone, and takes it when it comes back", async () => {
    const { peer, box, runs } = await agent();
    prompt(peer);
    peer.refuse((await peer.next("resume.claim")).id, "resume_taken");
    await peer.handledBy(box);
    expect(runs.calls).toHaveLength(0);
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    (await runs.next()).finish();
    await peer.next("resume.answer");
  });

  it("stops sending an answer that nobody waits for", async () => {
    const { peer, box, runs } = await agent();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    (await runs.next()).finish("Too late");
    peer.refuse((await peer.next("resume.answer")).id, "resume_not_found");
    await peer.handledBy(box);
    peer.kill();
    const second = await gateway.peer();
    second.continues(await second.next("sandbox.join"), { epoch: 100, seq: 5 });
    await second.handledBy(box);
    expect(count(second, "resume.answer")).toBe(0);
  });

  it("answers a handler's throw as a failure", async () => {
    const { peer, runs } = await agent();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    (await runs.next()).fail(new Error("The page changed"));
    expect(await peer.next("resume.answer")).toMatchObject({ ok: false, response: "The page changed" });
  });

  it("cuts an answer that is longer than the gateway takes", async () => {
    const { peer, runs } = await agent();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    (await runs.next()).finish("x".repeat(100_000));
    const { response } = await peer.next("resume.answer");
    expect(response).toHaveLength(65_536);
    expect(response).toMatch(/x …\(cut\)$/);
  });

  it("joins again when the handler comes later or goes; without one, prompts stay with the gateway", async () => {
    const box = gateway.client({ role: "agent" }).sandbox("box");
    box.subscribe(() => {});
    const peer = await gateway.peer();
    expect(await peer.acceptJoin(sandboxOf())).not.toHaveProperty("resume");
    prompt(peer);
    await peer.handledBy(box);
    const remove = box.onResume(() => "never");
    const rejoin = await peer.next("sandbox.join");
    expect(rejoin).toMatchObject({ resume: true, since: { epoch: 100, seq: 5 } });
    peer.continues(rejoin, { epoch: 100, seq: 5 });
    remove();
    remove();
    expect(await peer.next("sandbox.join")).not.toHaveProperty("resume");
    prompt(peer);
    await peer.handledBy(box);
    expect(count(peer, "resume.claim")).toBe(0);
  });

  it("lets a later handler take an earlier one's place, and the earlier removal remove nothing", async () => {
    const { peer, box, remove, runs } = await agent();
    box.onResume(() => "second");
    remove();
    prompt(peer);
    peer.done((await peer.next("resume.claim")).id);
    expect(await peer.next("resume.answer")).toMatchObject({ response: "second" });
    expect(runs.calls).toHaveLength(0);
  });

  it("R1: remembers a bounded number, and takes no more than that at a time", async () => {
    const { peer, box, runs } = await agent();
    for (let index = 0; index < MAX_REMEMBERED + 5; index += 1) prompt(peer, `many-${index}`);
    await peer.handledBy(box);
    expect(count(peer, "resume.claim")).toBeLessThanOrEqual(MAX_REMEMBERED);
    const first = await peer.next("resume.claim");
    expect(first.requestId).toBe("many-0");
    peer.done(first.id);
    (await runs.next()).finish();
    peer.done((await peer.next("resume.answer")).id);
    await peer.handledBy(box);
    // One has ended: there is room for one more.
    const before = count(peer, "resume.claim");
    prompt(peer, "one-more");
    await peer.handledBy(box);
    expect(count(peer, "resume.claim")).toBe(before + 1);
  });
});
