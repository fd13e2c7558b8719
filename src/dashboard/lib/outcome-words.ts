import type { HandoffResult, ResumeState } from "../../../protocol/sandbox.ts";

/** What became of the handoff that this person finished on this page. */
export interface Outcome {
  readonly requestId: string;
  /** The prompt was to be run: an answer is expected. */
  readonly prompted: boolean;
  /** The person kept the browser. */
  readonly kept: boolean;
  /** Present once the call has returned and the gateway had something to say. */
  readonly answer: HandoffResult["resume"];
}

export interface OutcomeWords {
  readonly tone: "agent" | "waiting" | "bad" | "person";
  readonly text: string;
  /** The agent's own words. */
  readonly answer?: string;
}

/**
 * The result of a finished handoff in words, for the one who finished it (`outcome`) and for everybody else. The newer
 * of the call's answer and the sandbox's own state wins: an agent may answer after the call has returned.
 */
export function describeOutcome(
  outcome: Outcome | undefined,
  resume: ResumeState | null,
): OutcomeWords | undefined {
  const state = outcome === undefined || resume?.requestId === outcome.requestId ? resume : null;
  const lead = outcome === undefined ? "" : outcome.kept ? "Finished. " : "Handed back. ";
  const response = state?.response ?? outcome?.answer?.response;
  const failed = state?.status === "failed" || (state === null && outcome?.answer?.ok === false);
  if (failed) return withAnswer("bad", `${lead}The agent could not run the resume prompt.`, response);
  if (state?.status === "answered" || response !== undefined) {
    return response === undefined || response === ""
      ? { tone: "agent", text: `${lead}The agent finished the resume prompt.` }
      : withAnswer("agent", `${lead}The agent answered:`, response);
  }
  if (state?.status === "running") {
    return { tone: "waiting", text: `${lead}The agent works on the resume prompt…` };
  }
  if (state?.status === "waiting" || outcome?.prompted === true) {
    return { tone: "waiting", text: `${lead}Waiting for the agent to take the resume prompt…` };
  }
  if (outcome === undefined) return undefined;
  return outcome.kept
    ? { tone: "person", text: "Finished. You keep the browser." }
    : { tone: "agent", text: "Handed back. The agent goes on." };
}

function withAnswer(tone: OutcomeWords["tone"], text: string, answer: string | undefined): OutcomeWords {
  return answer === undefined || answer === "" ? { tone, text } : { tone, text, answer };
}
