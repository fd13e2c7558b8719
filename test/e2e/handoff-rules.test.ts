/** The handoff's rules over real sockets: every promise as a client of the SDK sees it. */
import { describe, expect, it } from "vitest";
import { startGateway, until } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";

async function story() {
  const test = await startGateway();
  await test.create("s");
  const agent = test.client({ role: "agent", name: "bot" }).sandbox("s");
  const anna = test.client({ role: "operator", name: "anna" });
  const ben = test.client({ role: "operator", name: "ben" });
  return { ...test, agent, anna, ben, person: anna.sandbox("s") };
}

const REQUEST = { reason: "approval", message: "Please approve" } as const;

describe("handoff", () => {
  it("H1: a second request is refused with the open one; the same key answers the same handoff", async () => {
    const { agent } = await story();
    const first = await agent.requestHumanHandoff({ ...REQUEST, idempotencyKey: "k1" });
    expect(first.handoff).toMatchObject({ status: "pending", reason: "approval", requestedBy: "agent" });
    await expect(agent.requestHumanHandoff(REQUEST)).rejects.toMatchObject({
      code: "handoff_in_progress",
      details: { handoff: { requestId: first.handoff?.requestId } },
    });
    const again = await agent.requestHumanHandoff({ ...REQUEST, idempotencyKey: "k1" });
    expect(again.handoff?.requestId).toBe(first.handoff?.requestId);
  });

  it("H2: the first accept wins, a repeated one changes nothing, the second person hears who won", async () => {
    const { agent, person, ben } = await story();
    await agent.requestHumanHandoff(REQUEST);
    const [won, lost] = await Promise.allSettled([
      person.acceptHumanHandoff({ controller: "anna" }),
      ben.sandbox("s").acceptHumanHandoff({ controller: "ben" }),
    ]);
    const winner = won.status === "fulfilled" ? "anna" : "ben";
    const [loser] = [won, lost].filter((result) => result.status === "rejected");
    expect(loser?.reason).toMatchObject({ code: "already_accepted", details: { controller: winner } });
    const before = (await agent.getHandoff()).handoff;
    await (winner === "anna" ? person : ben.sandbox("s")).acceptHumanHandoff({ controller: winner });
    expect((await agent.getHandoff()).handoff).toEqual(before);
  });

  it("H3: only the controller completes, and a refused step changes nothing", async () => {
    const { agent, person, ben } = await story();
    await expect(person.completeHumanHandoff({ controller: "anna" })).rejects.toMatchObject({
      code: "no_open_handoff",
    });
    await agent.requestHumanHandoff(REQUEST);
    await expect(person.completeHumanHandoff({ controller: "anna" })).rejects.toMatchObject({
      code: "not_accepted",
    });
    await person.acceptHumanHandoff({ controller: "anna" });
    const before = (await agent.getHandoff()).handoff;
    await expect(ben.sandbox("s").completeHumanHandoff({ controller: "ben" })).rejects.toMatchObject({
      code: "not_controller",
      details: { controller: "anna" },
    });
    expect((await agent.getHandoff()).handoff).toEqual(before);
    await person.completeHumanHandoff({ controller: "anna" });
    await expect(person.completeHumanHandoff({ controller: "anna" })).rejects.toMatchObject({
      code: "handoff_completed",
    });
  });

  it("H4: a handoff that nobody finishes expires, and the waiting agent hears which ending it was", async () => {
    const { agent, person, advance } = await story();
    await agent.requestHumanHandoff({ ...REQUEST, expiresInMs: 60_000 });
    await person.acceptHumanHandoff({ controller: "anna" });
    const waiting = agent.waitForHandoff();
    advance(60_001);
    expect(await waiting).toMatchObject({ status: "expired", controller: "anna" });
    const seen = await until(person, ({ sandbox }) => sandbox.handoff?.status === "expired");
    expect(seen.sandbox.control).toMatchObject({ mode: "ai" });
    expect(await agent.waitForControl()).toBe("ai");
    await expect(person.completeHumanHandoff({ controller: "anna" })).rejects.toMatchObject({
      code: "handoff_expired",
    });
  });

  it("H4: a cancelled handoff ends the agent's wait and gives control back", async () => {
    const { agent, person } = await story();
    await agent.requestHumanHandoff(REQUEST);
    const waiting = agent.waitForHandoff();
    await until(agent, () => true);
    const seeing = until(agent, ({ event }) => event?.type === "handoff.cancelled");
    await person.cancelHumanHandoff({ note: "not needed", by: "anna of support" });
    expect((await seeing).event?.by).toEqual({ name: "anna of support", role: "operator" });
    expect(await waiting).toMatchObject({ status: "cancelled", note: "not needed" });
    expect(await agent.waitForControl()).toBe("ai");
    await expect(person.acceptHumanHandoff({ controller: "anna" })).rejects.toMatchObject({
      code: "handoff_cancelled",
    });
  });

  it("H5: a controller that vanishes keeps the browser for the grace time, then the next person may claim it", async () => {
    const { agent, anna, ben, person, advance } = await story();
    await agent.requestHumanHandoff(REQUEST);
    await until(person, () => true);
    await person.acceptHumanHandoff({ controller: "anna" });
    anna.offline(true);
    const away = await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    expect(away.sandbox.handoff?.status).toBe("accepted");
    expect(away.sandbox.control).toMatchObject({ mode: "shared", controller: "anna" });
    advance(30_001);
    const returned = await until(agent, ({ sandbox }) => sandbox.handoff?.status === "pending");
    expect(returned.sandbox.control.controller).toBeUndefined();
    expect(returned.sandbox.handoff?.completedAt).toBeUndefined();
    expect((await ben.sandbox("s").acceptHumanHandoff({ controller: "ben" })).handoff).toMatchObject({
      status: "accepted",
      controller: "ben",
    });
  });

  it("H5: a controller that comes back in time keeps what it holds", async () => {
    const { agent, anna, person, advance } = await story();
    await agent.requestHumanHandoff(REQUEST);
    await until(person, () => true);
    await person.acceptHumanHandoff({ controller: "anna" });
    anna.offline(true);
    await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    anna.offline(false);
    await until(agent, ({ event }) => event?.type === "control.back");
    const tab = person.input.text("still mine");
    advance(30_001);
    await tab;
    const { sandbox } = await until(agent, () => true);
    expect(sandbox.handoff).toMatchObject({ status: "accepted", controller: "anna" });
    expect(sandbox.control.graceUntil).toBeUndefined();
  });

  it("H5: a browser held without a handoff returns to the agent when its person stays away", async () => {
    const { agent, anna, person, advance } = await story();
    await until(person, () => true);
    await person.takeControl();
    anna.offline(true);
    await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    advance(30_001);
    expect(await agent.waitForControl()).toBe("ai");
  });

  it("H5: a claim over a socket that never joined ends with that socket", async () => {
    const { agent, url, advance } = await story();
    const raw = await RawClient.greeted(url, { role: "operator", name: "cara" });
    await raw.call({ type: "control.take", sandboxId: "s", controller: "cara" });
    await raw.close();
    await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    advance(30_001);
    expect(await agent.waitForControl()).toBe("ai");
  });

  it("H5: somebody who was passed the browser while away has the grace time to come", async () => {
    const { agent, person, client, advance } = await story();
    await person.takeControl();
    await person.passControl({ to: "dora" });
    await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    const dora = client({ role: "operator", name: "dora" }).sandbox("s");
    await until(dora, ({ sandbox }) => sandbox.control.graceUntil === undefined);
    advance(30_001);
    await dora.input.text("here");
    await dora.passControl({ to: "nobody" });
    await until(agent, ({ sandbox }) => sandbox.control.graceUntil !== undefined);
    advance(30_001);
    expect(await agent.waitForControl()).toBe("ai");
  });

  it("H6: a repeated accept is answered as the first time, also when the handoff is over by then", async () => {
    const { agent, person } = await story();
    await agent.requestHumanHandoff(REQUEST);
    const accept = { controller: "anna", idempotencyKey: "once" };
    const first = await person.acceptHumanHandoff(accept);
    await person.completeHumanHandoff({ controller: "anna" });
    const again = await person.acceptHumanHandoff(accept);
    expect(again.handoff).toEqual(first.handoff);
    expect(again.preview).toMatchObject({ controlMode: "ai" });
    expect((await agent.getHandoff()).handoff?.status).toBe("completed");
  });

  it("H6: a request whose connection drops is made once, and answered", async () => {
    const { agent, client } = await story();
    const bot = client({ role: "agent", name: "bot2" });
    await bot.ready();
    const requests: string[] = [];
    await until(agent, () => true);
    agent.subscribe(({ event }) => {
      if (event?.type === "handoff.requested") requests.push(event.changes.handoff?.requestId ?? "");
    });
    const asked = bot.sandbox("s").requestHumanHandoff(REQUEST);
    await until(agent, ({ sandbox }) => sandbox.handoff !== null);
    bot.cut();
    const { handoff } = await asked;
    await bot.sandbox("s").cancelHumanHandoff();
    await until(agent, ({ sandbox }) => sandbox.handoff?.status === "cancelled");
    expect(requests).toEqual([handoff?.requestId]);
  });

  it("a request made while a person holds the browser is accepted by them", async () => {
    const { agent, person, browser } = await story();
    await person.takeControl();
    const { handoff, preview } = await agent.requestHumanHandoff(REQUEST);
    expect(handoff).toMatchObject({ status: "accepted", controller: "anna" });
    expect(preview).toMatchObject({ controlMode: "shared", controller: "anna" });
    await person.input.text("mine");
    expect(browser.received.map(({ event }) => event)).toEqual([{ kind: "text", text: "mine" }]);
  });
});

describe("resume", () => {
  it("R1: a prompt reaches an agent that was away when the person finished, and is handled once", async () => {
    const { agent, person, client } = await story();
    await agent.requestHumanHandoff({ ...REQUEST, resumePrompt: "go on" });
    await person.acceptHumanHandoff({ controller: "anna" });
    const done = person.completeHumanHandoff({ controller: "anna", note: "all fine", runResumePrompt: true });
    const handled: string[] = [];
    const answered = until(person, ({ sandbox }) => sandbox.resume?.status === "answered");
    for (const name of ["late-1", "late-2"]) {
      client({ role: "agent", name })
        .sandbox("s")
        .onResume(({ prompt, handoff }) => {
          handled.push(`${prompt}, ${handoff.note}`);
          return "thanks";
        });
    }
    expect((await done).resume).toMatchObject({ ok: true, response: "thanks" });
    await answered;
    // One more agent, and a reconnect of everybody: the prompt is spent.
    const third = client({ role: "agent", name: "late-3" });
    third.sandbox("s").onResume(() => void handled.push("again"));
    await until(third.sandbox("s"), () => true);
    await third.sandbox("s").getHandoff();
    expect(handled).toEqual(["go on, all fine"]);
  });

  it("R1: an agent whose connection drops while it works answers after it is back, and works once", async () => {
    const { agent, person, client } = await story();
    const bot = client({ role: "agent", name: "worker-bot" });
    let runs = 0;
    let finishNow = (_answer: string): void => {};
    const finish = new Promise<string>((resolve) => {
      finishNow = resolve;
    });
    bot.sandbox("s").onResume(() => {
      runs += 1;
      return finish;
    });
    await until(bot.sandbox("s"), () => true);
    await agent.requestHumanHandoff({ ...REQUEST, resumePrompt: "go on" });
    await person.acceptHumanHandoff({ controller: "anna" });
    const done = person.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
    await until(person, ({ sandbox }) => sandbox.resume?.status === "running");
    bot.cut();
    finishNow("did it");
    expect((await done).resume).toMatchObject({ ok: true, response: "did it" });
    expect(runs).toBe(1);
  });

  it("keeping the browser does not wait for the agent: the prompt is delivered when the person gives it back", async () => {
    const { agent, person } = await story();
    agent.onResume(() => "at last");
    await until(agent, () => true);
    await agent.requestHumanHandoff({ ...REQUEST, resumePrompt: "go on" });
    await person.acceptHumanHandoff({ controller: "anna" });
    const done = await person.completeHumanHandoff({
      controller: "anna",
      returnControlTo: "human",
      runResumePrompt: true,
    });
    expect(done).toMatchObject({ preview: { controlMode: "human" }, resume: { ok: true } });
    expect(done.resume).not.toHaveProperty("response");
    await person.releaseControl();
    const { sandbox } = await until(person, (update) => update.sandbox.resume?.status === "answered");
    expect(sandbox.resume?.response).toBe("at last");
  });

  it("a handler that throws makes resume.ok false and carries the message", async () => {
    const { agent, person } = await story();
    agent.onResume(() => {
      throw new Error("the page is not what I expected");
    });
    await until(agent, () => true);
    await agent.requestHumanHandoff({ ...REQUEST, resumePrompt: "go on" });
    await person.acceptHumanHandoff({ controller: "anna" });
    const { resume } = await person.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
    expect(resume).toMatchObject({ ok: false, response: "the page is not what I expected" });
  });
});
