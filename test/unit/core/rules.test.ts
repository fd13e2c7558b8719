/** What the transition table cannot show: the contents of answers, and what depends on more than one step. */
import { describe, expect, it } from "vitest";
import type { Command } from "../../../src/core/commands.ts";
import { deliverable } from "../../../src/core/resume.ts";
import { epochAfter, initialState, MAX_RESUMES, nextDeadline, publicView } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import { cmd, GRACE_MS, START, TTL_MS, Walk } from "./support.ts";

function refused(walk: Walk, command: Command) {
  const step = transition(walk.state, command, walk.now);
  if (step.kind !== "refused") throw new Error(`${command.type} was ${step.kind}`);
  return step.error;
}

/** Gates g1 and g2, a handoff of the agent's, everything drained. */
function pending(): Walk {
  const walk = new Walk();
  walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
  return walk.drain();
}

function accepted(): Walk {
  const walk = pending();
  walk.run(cmd("handoff.accept"));
  return walk;
}

/** A completed handoff whose prompt waits, for each id. */
function complete(walk: Walk, ...requestIds: string[]): Walk {
  for (const requestId of requestIds) {
    walk.run(cmd("handoff.request", { requestId }), cmd("handoff.accept"));
    walk.run(cmd("handoff.complete", { runResumePrompt: true }));
    walk.drain();
  }
  return walk;
}

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

  it("H5: the countdown of a person who is away goes on when the agent asks for them", () => {
    const walk = new Walk();
    walk.run(cmd("control.take"), cmd("controller.away"));
    walk.wait(10).run(cmd("handoff.request"));
    expect(walk.state.control.graceUntil).toBe(START + GRACE_MS);
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual(["handoff.returned"]);
  });

  it("H5: a second disconnect does not lengthen the grace time", () => {
    const walk = accepted();
    walk.run(cmd("controller.away"));
    walk.wait(GRACE_MS - 1).run(cmd("controller.away"));
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["handoff.returned"]);
    expect(walk.state.handoff).toMatchObject({ status: "pending", requestId: "r1" });
    expect(walk.state.handoff).not.toHaveProperty("controller");
    expect(walk.state.handoff).not.toHaveProperty("acceptedAt");
  });

  it("H5: taking or passing the browser during the grace time ends the countdown", () => {
    for (const command of [cmd("control.take", { controller: "ben", force: true }), cmd("control.pass")]) {
      const walk = accepted();
      walk.run(cmd("controller.away"), command);
      walk.drain();
      expect(walk.state.control).toEqual({
        mode: "shared",
        phase: "active",
        controller: "ben",
        since: walk.now,
      });
      expect(walk.state.handoff).toMatchObject({ status: "accepted", controller: "ben" });
      expect(walk.run(cmd("controller.back"))).toEqual([]);
    }
  });
});

describe("control", () => {
  it("C2: every gate must acknowledge the present epoch; those of the epoch before count for nothing", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
    walk.drain("g1");
    const { epoch } = walk.state;
    walk.wait(1).run(cmd("handoff.accept"));
    expect(Object.keys(walk.state.draining).sort()).toEqual(["g1", "g2"]);
    walk.run(cmd("gate.drained", { gateId: "g1", epoch }), cmd("gate.drained", { gateId: "g2", epoch }));
    expect(walk.state.control.phase).toBe("draining");
    walk.drain("g1", "g2");
    expect(walk.state.control.phase).toBe("active");
  });

  it("C2: a gate that opens during a drain is not waited for, and is in the next one", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("handoff.request"), cmd("gate.open", { gateId: "g2" }));
    expect(walk.drain("g1").state.control.phase).toBe("active");
    walk.run(cmd("handoff.accept"), cmd("handoff.cancel"));
    expect(Object.keys(walk.state.draining)).toEqual(["g1", "g2"]);
  });

  it("C2: a gate that renews keeps the others waiting; a silent one is waited for until its lease ran out", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
    const renew = cmd("gate.renew", { epoch: walk.state.epoch });
    walk.wait(4_000).run(renew);
    expect(walk.wait(1_000).run(cmd("tick"))).toEqual([]);
    expect(walk.state.draining).toEqual({ g1: START + 9_000 });
    expect(walk.wait(3_999).run(cmd("tick"))).toEqual([]);
    expect(walk.wait(1).run(renew)).toEqual(["control.active"]);
  });

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
    walk.run(cmd("controller.away"));
    expect(walk.wait(TTL_MS).run(cmd("tick"))).toEqual(["handoff.expired"]);
    expect(walk.wait(TTL_MS).run(cmd("tick"))).toEqual(["control.active"]);
    expect(publicView(walk.state).control).toMatchObject({ mode: "ai", phase: "active" });
    expect(nextDeadline(walk.state)).toBeNull();
  });
});

describe("resume", () => {
  it("R1: a prompt is given out only once the agent may drive, oldest first", () => {
    const walk = accepted();
    walk.run(cmd("handoff.complete", { runResumePrompt: true }));
    expect(deliverable(walk.state)).toBeNull();
    walk.drain();
    expect(deliverable(walk.state)?.requestId).toBe("r1");
    complete(walk, "r2");
    expect(deliverable(walk.state)?.requestId).toBe("r1");
    walk.run(cmd("resume.claim"));
    expect(deliverable(walk.state)?.requestId).toBe("r2");
    walk.run(cmd("control.take"));
    expect(deliverable(walk.state)).toBeNull();
  });

  it("R1: a program that goes away with two prompts gives up both after the grace time", () => {
    const walk = complete(new Walk(), "r1", "r2");
    walk.run(cmd("resume.claim"), cmd("resume.claim", { requestId: "r2" }), cmd("resume.away"));
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual(["resume.released", "resume.released"]);
    expect(walk.state.resumes.map(({ status }) => status)).toEqual(["waiting", "waiting"]);
    const other = { clientId: "c2", sessionId: "s9" };
    expect(walk.run(cmd("resume.claim", { ...other, requestId: "r2" }))).toEqual(["resume.claimed"]);
    expect(walk.refusal(cmd("resume.claim", { requestId: "r2" }))).toBe("resume_taken");
  });

  it("R1: a program that is back in time keeps its prompt, and is given it again if it forgot", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("resume.claim"), cmd("resume.away"));
    expect(deliverable(walk.state)?.requestId).toBe("r1");
    walk.wait(GRACE_MS - 1).run(cmd("resume.claim", { sessionId: "s2" }));
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual([]);
    expect(publicView(walk.state).resume).toMatchObject({ status: "running", sessionId: "s2" });
  });

  it("no prompt, or none wanted: nothing for the agent to take", () => {
    const walk = accepted();
    walk.run(cmd("handoff.complete"));
    expect(walk.state.resumes).toEqual([]);
    const { resumePrompt: _, ...plain } = cmd("handoff.request", { requestId: "r2" });
    walk.run(plain, cmd("handoff.accept"), cmd("handoff.complete", { runResumePrompt: true }));
    expect(walk.state.resumes).toEqual([]);
  });

  it("the bound: the oldest ended prompt leaves first, then the oldest", () => {
    const ids = Array.from({ length: MAX_RESUMES }, (_, index) => `p${index}`);
    const walk = complete(new Walk(), ...ids);
    walk.run(cmd("resume.claim", { requestId: "p2" }), cmd("resume.claim", { requestId: "p5" }));
    walk.run(cmd("resume.answer", { requestId: "p5" }));
    const left = () => walk.state.resumes.map(({ requestId }) => requestId).join(" ");
    complete(walk, "q0");
    expect(left()).toBe("p0 p1 p2 p3 p4 p6 p7 q0");
    complete(walk, "q1");
    expect(left()).toBe("p1 p2 p3 p4 p6 p7 q0 q1");
    complete(walk, "q2", "q3");
    expect(left()).toBe("p3 p4 p6 p7 q0 q1 q2 q3");
    expect(walk.refusal(cmd("resume.answer", { requestId: "p2" }))).toBe("resume_not_found");
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
    walk.run(cmd("browser.status", { status: "live" }));
    expect(Object.keys(walk.events.at(-1)?.changes ?? {})).toEqual(["browser"]);
    walk.run(cmd("controller.away"));
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

  it("every browser that is attached can be told from the one before, whatever the clock does", () => {
    const walk = new Walk();
    const seen = [walk.state.browser?.attachedAt];
    for (const ms of [0, 5, -1_000, 0]) {
      expect(walk.wait(ms).run(cmd("browser.attach"))).toEqual(["browser.changed"]);
      seen.push(walk.state.browser?.attachedAt);
    }
    expect(new Set(seen).size).toBe(5);
  });

  it("a sandbox without a browser has no browser state to change", () => {
    const step = transition(
      initialState("box", null, START),
      cmd("browser.status", { status: "live" }),
      START,
    );
    expect(step.kind).toBe("same");
  });
});
