/** The resume prompt on its way: who has it, for how long, and what happens when they fall silent (R1). */
import { describe, expect, it } from "vitest";
import { deliverable } from "../../../src/core/resume.ts";
import { MAX_RESUMES, nextDeadline, publicView } from "../../../src/core/state.ts";
import { accepted, cmd, complete, GRACE_MS, Walk, WORD_MS } from "./support.ts";

/** From the end of a hold to the release of the prompt. */
const SILENCE_MS = 30_000;

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
    walk.wait(GRACE_MS - 1).run(cmd("resume.claim", { sessionId: "s2", leaseMs: 2 * GRACE_MS }));
    expect(deliverable(walk.state)).toBeNull();
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual([]);
    expect(publicView(walk.state).resume).toMatchObject({ status: "running", sessionId: "s2" });
    expect(walk.state.resumes[0]).not.toHaveProperty("releaseAt");
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

  it("R1: a claim that moved to another connection survives the end of the old one", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("resume.claim"));
    expect(walk.run(cmd("resume.claim", { sessionId: "s2" }))).toEqual(["resume.claimed"]);
    const before = walk.state;
    walk.run(cmd("resume.away"), cmd("resume.held", { leaseMs: 999_999 }));
    expect(walk.state).toBe(before);
    walk.run(cmd("resume.away", { sessionId: "s2" }));
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual(["resume.released"]);
  });

  it("R1: the connection's end counts once; a late repetition does not lengthen the release time", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("resume.claim"), cmd("resume.away"));
    walk.wait(GRACE_MS - 1).run(cmd("resume.away"));
    expect(nextDeadline(walk.state)).toBe(walk.now + 1);
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["resume.released"]);
  });

  it("R1: a claim that no node vouches for any more is given up after a time, silently at first", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("resume.claim"));
    expect(nextDeadline(walk.state)).toBe(walk.now + WORD_MS);
    expect(walk.wait(WORD_MS - 1).run(cmd("tick"))).toEqual([]);
    expect(walk.state.resumes[0]).not.toHaveProperty("releaseAt");
    expect(walk.wait(1).run(cmd("tick"))).toEqual([]);
    expect(walk.state.resumes[0]).not.toHaveProperty("heldUntil");
    expect(nextDeadline(walk.state)).toBe(walk.now + SILENCE_MS);
    expect(deliverable(walk.state)?.requestId).toBe("r1");
    expect(walk.refusal(cmd("resume.claim", { clientId: "c2" }))).toBe("resume_taken");
    expect(walk.wait(SILENCE_MS).run(cmd("tick"))).toEqual(["resume.released"]);
    expect(walk.events.at(-1)).not.toHaveProperty("by");
    expect(walk.state.resumes[0]).not.toHaveProperty("clientId");
    expect(walk.state.resumes[0]).not.toHaveProperty("sessionId");
    expect(nextDeadline(walk.state)).toBeNull();
  });

  it("R1: a node that vouches in time keeps the claim, for all prompts of the connection", () => {
    const walk = complete(new Walk(), "r1", "r2", "r3");
    walk.run(cmd("resume.claim"), cmd("resume.claim", { requestId: "r2" }));
    walk.run(cmd("resume.claim", { requestId: "r3", sessionId: "s3", clientId: "c3" }));
    expect(walk.wait(WORD_MS - 1).run(cmd("resume.held"))).toEqual([]);
    walk.wait(1).run(cmd("tick"));
    const until = walk.now - 1 + WORD_MS;
    expect(walk.state.resumes.map(({ heldUntil }) => heldUntil)).toEqual([until, until, undefined]);
    expect(walk.state.resumes[2]?.releaseAt).toBe(walk.now + SILENCE_MS);
  });

  it("R1: a node that was only cut off takes back the release, not one that has happened", () => {
    const walk = complete(new Walk(), "r1");
    walk.run(cmd("resume.claim"));
    walk.wait(WORD_MS).run(cmd("tick"));
    expect(walk.wait(SILENCE_MS - 1).run(cmd("resume.held"))).toEqual([]);
    expect(walk.state.resumes[0]).toMatchObject({ status: "running", heldUntil: walk.now + WORD_MS });
    expect(walk.state.resumes[0]).not.toHaveProperty("releaseAt");
    expect(deliverable(walk.state)).toBeNull();
    walk.wait(WORD_MS).run(cmd("tick"));
    expect(walk.wait(SILENCE_MS).run(cmd("resume.held"))).toEqual(["resume.released"]);
    expect(walk.state.resumes[0]).toMatchObject({ status: "waiting" });
  });

  it("R1: an answer ends every wait for the program, also one from a connection that is lost", () => {
    for (const lost of [false, true]) {
      const walk = complete(new Walk(), "r1");
      walk.run(cmd("resume.claim"));
      if (lost) walk.run(cmd("resume.away"));
      expect(walk.run(cmd("resume.answer"))).toEqual(["resume.answered"]);
      expect(nextDeadline(walk.state)).toBeNull();
      const before = walk.state;
      walk.run(cmd("resume.held"), cmd("resume.away"));
      expect(walk.state).toBe(before);
    }
  });
});
