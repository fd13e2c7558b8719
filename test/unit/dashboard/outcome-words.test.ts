import { describe, expect, it } from "vitest";
import type { ResumeState } from "../../../protocol/sandbox.ts";
import { describeOutcome, type Outcome } from "../../../src/dashboard/lib/outcome-words.ts";
import { T0 } from "./fixtures.ts";

const outcome = (over: Partial<Outcome> = {}): Outcome => ({
  requestId: "req_1",
  prompted: true,
  kept: false,
  answer: undefined,
  ...over,
});
const resume = (status: ResumeState["status"], response?: string): ResumeState => ({
  requestId: "req_1",
  status,
  updatedAt: T0,
  ...(response === undefined ? {} : { response }),
});

describe("R1: what became of the resume prompt, in words", () => {
  it("tells each step", () => {
    expect(describeOutcome(outcome(), resume("waiting"))?.text).toBe(
      "Handed back. Waiting for the agent to take the resume prompt…",
    );
    expect(describeOutcome(outcome(), resume("running"))?.tone).toBe("waiting");
    expect(describeOutcome(outcome(), resume("answered", "thanks"))).toEqual({
      tone: "agent",
      text: "Handed back. The agent answered:",
      answer: "thanks",
    });
    expect(describeOutcome(outcome(), resume("failed", "boom"))).toMatchObject({
      tone: "bad",
      answer: "boom",
    });
  });

  it("takes an answer that comes after the call has returned without one", () => {
    const answer = { ok: false } as const;
    expect(describeOutcome(outcome({ answer }), resume("running"))?.tone).toBe("waiting");
    expect(describeOutcome(outcome({ answer }), resume("answered", "late"))?.answer).toBe("late");
  });

  it("does not take another handoff's answer for this one's", () => {
    const other = { ...resume("answered", "old"), requestId: "req_0" };
    expect(describeOutcome(outcome(), other)?.tone).toBe("waiting");
  });

  it("never claims an answer that was not given", () => {
    expect(describeOutcome(outcome({ prompted: false }), null)?.text).toBe("Handed back. The agent goes on.");
    expect(describeOutcome(outcome({ prompted: false, kept: true }), null)?.text).toBe(
      "Finished. You keep the browser.",
    );
    expect(describeOutcome(undefined, null)).toBeUndefined();
  });
});
