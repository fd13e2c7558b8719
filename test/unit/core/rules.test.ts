/** What the transition table cannot show: the contents of answers, and what depends on more than one step. */
import { describe, expect, it } from "vitest";
import { epochAfter, initialState, nextDeadline, publicView } from "../../../src/core/state.ts";
import { accepted, cmd, complete, pending, refused, START, TTL_MS, Walk } from "./support.ts";

describe("handoff", () => {
  it("H1: a second request names the open one", () => {
    const walk = pending();
    const error = refused(walk, cmd("handoff.request", { requestId: "r2" }));
    expect(error.details).toEqual({ handoff: walk.state.handoff });
    expect(walk.state.handoff?.requestId).toBe("r1");
  });

  it("H2: who comes second hears who came first, and the acceptance stays as it was", () => {
    const walk = accepted().wait(10);
    const before = walk.state;
    const error = refused(walk, cmd("handoff.accept", { controller: "ben" }));
    expect(error.details).toMatchObject({ controller: "ann", requestId: "r1" });
    expect(walk.run(cmd("handoff.accept"))).toEqual([]);
    expect(walk.state).toBe(before);
  });

  it("H3: who may not complete hears who may", () => {
    const error = refused(accepted(), cmd("handoff.complete", { controller: "ben" }));
    expect(error.details).toMatchObject({ controller: "ann" });
  });

  it("H3: an override gives the browser to the one who had it, not to the one who overrides", () => {
    const walk = accepted();
    const override = { controller: "ben", override: true, returnControlTo: "human" } as const;
    expect(walk.run(cmd("handoff.complete", override))).toEqual(["handoff.completed"]);
    expect(walk.state.control).toMatchObject({ mode: "human", controller: "ann" });
  });

  it("keeps what the person said, and what it was asked with", () => {
    const walk = accepted().wait(5);
    walk.run(cmd("handoff.complete", { note: "All set" }));
    expect(walk.state.handoff).toEqual({
      requestId: "r1",
      status: "completed",
      reason: "approval",
      message: "Please look",
      requestedBy: "agent",
      controller: "ann",
      resumePrompt: "Go on",
      note: "All set",
      requestedAt: START,
      acceptedAt: START,
      completedAt: START + 5,
      expiresAt: START + TTL_MS,
      updatedAt: START + 5,
    });
  });

  it("H4: at its deadline a handoff has ended, whatever is asked first then", () => {
    const walk = accepted().wait(TTL_MS - 1);
    expect(walk.run(cmd("tick"))).toEqual([]);
    walk.wait(1);
    expect(walk.refusal(cmd("handoff.complete"))).toBe("handoff_expired");
    expect(walk.run(cmd("tick"))).toEqual(["handoff.expired"]);
    expect(walk.state.control).toEqual({ mode: "ai", phase: "draining", since: walk.now });
  });

  it("a person who holds the browser is the one the agent's request goes to, without a change of epoch", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("control.take"));
    walk.drain();
    const { epoch } = walk.state;
    walk.run(cmd("handoff.request"));
    expect(walk.state).toMatchObject({
      epoch,
      control: { mode: "shared", phase: "active", controller: "ann" },
    });
    expect(walk.state.handoff).toMatchObject({ status: "accepted", controller: "ann", acceptedAt: walk.now });
  });
});

describe("control", () => {
  it("C2: from nobody to somebody there is nothing to drain", () => {
    const walk = accepted();
    expect(walk.state.control.phase).toBe("active");
    expect(walk.events.map(({ type }) => type)).toEqual([
      "handoff.requested",
      "control.active",
      "handoff.accepted",
    ]);
  });

  it("C2: the epoch moves with every holder, also when the clock stands still or goes back", () => {
    const walk = accepted();
    const epochs = [walk.state.epoch];
    for (const ms of [0, -1, -3_600_000, 0]) {
      walk.wait(ms).run(cmd("control.release"), cmd("handoff.accept"));
      epochs.push(walk.state.epoch);
    }
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
    expect(walk.state.updatedAt).toBe(START);
  });

  it("an epoch is never one that a store which lost its last writes gave out before", () => {
    expect(epochAfter(0, START)).toBe(START * 1_000);
    expect(epochAfter(START * 1_000, START)).toBe(START * 1_000 + 1);
    expect(epochAfter(START * 1_000, START - 50)).toBe(START * 1_000 + 1);
    expect(Number.isSafeInteger(epochAfter(0, Date.UTC(2200, 0)))).toBe(true);
  });

  it("names the holder to who is not: a person, `ai`, or nobody", () => {
    expect(refused(new Walk(), cmd("control.release")).details).toEqual({ controller: "ai" });
    expect(refused(pending(), cmd("control.release")).details).toEqual({});
    expect(refused(accepted(), cmd("control.release", { controller: "ben" })).details).toEqual({
      controller: "ann",
    });
  });

  it("deadlines that passed long ago end in the order that leaves the agent in control", () => {
    const walk = accepted();
    walk.run(cmd("controller.left"));
    expect(walk.wait(TTL_MS).run(cmd("tick"))).toEqual(["handoff.expired"]);
    expect(walk.wait(TTL_MS).run(cmd("tick"))).toEqual(["control.active"]);
    expect(publicView(walk.state).control).toMatchObject({ mode: "ai", phase: "active" });
    expect(nextDeadline(walk.state)).toBeNull();
  });
});

describe("privacy", () => {
  const hidden = (walk: Walk) => walk.state.control.privacy === "private";
  const asked = (): Walk => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("handoff.request", { privacy: "private" }));
    return walk.drain();
  };

  it("G3: a private request hides the page from its acceptance on, and nobody drives before every gate has drained", () => {
    const walk = asked();
    expect([hidden(walk), walk.state.handoff?.privacy]).toEqual([false, "private"]);
    const { epoch } = walk.state;
    expect(walk.run(cmd("handoff.accept"))).toEqual(["handoff.accepted"]);
    expect(walk.state.epoch).toBeGreaterThan(epoch);
    expect(walk.state.control).toMatchObject({ controller: "ann", phase: "draining", privacy: "private" });
    expect(walk.drain().state.control).toMatchObject({ phase: "active", privacy: "private" });
  });

  it("G3: what is hidden stays so for whoever holds the browser next, until control returns to the agent", () => {
    const walk = asked();
    walk.run(cmd("handoff.accept"), cmd("control.pass"));
    expect([hidden(walk), walk.state.control.controller]).toEqual([true, "ben"]);
    walk.run(cmd("control.take", { controller: "cleo", force: true }));
    walk.run(cmd("control.release", { controller: "cleo" }));
    expect([hidden(walk), walk.state.handoff?.status]).toEqual([true, "pending"]);
    walk.run(cmd("handoff.accept"), cmd("handoff.complete", { returnControlTo: "human" }));
    expect([hidden(walk), walk.state.control.mode]).toEqual([true, "human"]);
    walk.run(cmd("handoff.request", { requestId: "r2" }));
    expect([hidden(walk), walk.state.handoff?.privacy]).toEqual([true, undefined]);
    walk.run(cmd("handoff.cancel"));
    expect([hidden(walk), walk.state.control.mode]).toEqual([false, "ai"]);
  });

  it("G3: the holder may hide and show, each under a new epoch after a drain, and stays where they were seen", () => {
    const walk = accepted();
    walk.run(cmd("controller.here"));
    const { seen, epoch } = walk.state;
    expect(walk.run(cmd("control.privacy"))).toEqual(["control.privacy"]);
    expect(walk.state).toMatchObject({ seen, control: { phase: "draining", privacy: "private" } });
    expect(walk.state.epoch).toBeGreaterThan(epoch);
    expect(walk.state.control.since).toBe(walk.now);
    walk.drain().run(cmd("controller.left"));
    const { graceUntil } = walk.state.control;
    walk.run(cmd("control.privacy", { privacy: "open" }));
    expect(walk.state.control).toEqual({
      mode: "shared",
      phase: "draining",
      controller: "ann",
      since: walk.now,
      graceUntil,
    });
    expect(walk.drain("g1").state.control.phase).toBe("draining");
    expect(walk.drain("g2").state.control.phase).toBe("active");
  });

  it("G3: who accepts a private request anew hides the page again, whoever showed it", () => {
    const walk = asked();
    walk.run(cmd("handoff.accept"), cmd("control.privacy", { privacy: "open" }), cmd("control.release"));
    expect(hidden(walk)).toBe(false);
    walk.run(cmd("handoff.accept", { controller: "ben" }));
    expect(hidden(walk)).toBe(true);
  });

  it("G3: a private request to a person who drives already hides the page at once", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("control.take"));
    const { epoch } = walk.drain().state;
    walk.run(cmd("handoff.request", { privacy: "private" }));
    expect(walk.state.epoch).toBeGreaterThan(epoch);
    expect(walk.state.control).toMatchObject({ controller: "ann", phase: "draining", privacy: "private" });
  });

  it("G3: somebody else hears who may change it", () => {
    const error = refused(accepted(), cmd("control.privacy", { controller: "ben" }));
    expect(error).toMatchObject({ code: "not_controller", details: { controller: "ann" } });
    expect(refused(new Walk(), cmd("control.privacy")).details).toEqual({ controller: "ai" });
  });
});

describe("the agent's policy", () => {
  it("is shown as it was asked for, and not at all when it was not", () => {
    const strict = initialState("box", null, START, undefined, "reject");
    expect(publicView(strict).agentPolicy).toBe("reject");
    expect(publicView(initialState("box", null, START))).not.toHaveProperty("agentPolicy");
  });
});

describe("events", () => {
  it("E1: name who caused them, and no one when a deadline did", () => {
    const by = { name: "Ann", role: "operator" } as const;
    const walk = new Walk();
    walk.run(cmd("handoff.request"), { ...cmd("handoff.accept"), by });
    expect(walk.events.at(-1)).toMatchObject({ type: "handoff.accepted", by, at: START });
    walk.wait(TTL_MS).run({ ...cmd("tick"), by });
    expect(walk.events.at(-1)).not.toHaveProperty("by");
  });

  it("E1: carry what changed and nothing else", () => {
    const walk = accepted();
    walk.run(cmd("gate.status"));
    expect(Object.keys(walk.events.at(-1)?.changes ?? {})).toEqual(["browser"]);
    walk.run(cmd("controller.left"));
    expect(Object.keys(walk.events.at(-1)?.changes ?? {})).toEqual(["control"]);
    walk.run(cmd("control.release"));
    expect(Object.keys(walk.events.at(-1)?.changes ?? {})).toEqual(["control", "handoff"]);
  });

  it("the snapshot shows no address, no gate and no prompt that is on its way", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("browser.attach", { source: { cdpUrl: "ws://10.0.0.1:9222/secret" } }), cmd("gate.open"));
    walk.run(cmd("resume.claim", { clientId: "client-secret" }));
    const view = JSON.stringify(publicView(walk.state));
    for (const hidden of ["9222", "secret", "g1", "gates", "draining"]) expect(view).not.toContain(hidden);
  });
});
