/** What the commands of the program that takes resume prompts do in every state. */
import { ALL, but } from "./states.ts";
import { cmd } from "./support.ts";
import { DUE, type Rows } from "./table.ts";

export const RESUME_ROWS: Rows<"resume.claim" | "resume.held" | "resume.answer" | "resume.away"> = {
  "resume.claim": {
    "by its client": {
      command: cmd("resume.claim"),
      outcomes: {
        "resume.claimed": ["resumeWaiting", "resumeAway"],
        same: ["resumeRunning"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "by its client on a new connection": {
      command: cmd("resume.claim", { sessionId: "s2" }),
      outcomes: {
        "resume.claimed": ["resumeWaiting", "resumeRunning", "resumeAway"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "by another client": {
      command: cmd("resume.claim", { clientId: "c2", sessionId: "s2" }),
      outcomes: {
        "resume.claimed": ["resumeWaiting"],
        resume_taken: ["resumeRunning", "resumeAway"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "of another handoff": {
      command: cmd("resume.claim", { requestId: "r9" }),
      outcomes: { resume_not_found: ALL },
    },
    "by another client when a deadline is due": {
      command: cmd("resume.claim", { clientId: "c2", sessionId: "s2" }),
      atDeadline: true,
      outcomes: {
        "resume.claimed": ["resumeWaiting"],
        "resume.released resume.claimed": ["resumeAway"],
        resume_taken: ["resumeRunning"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
  },
  "resume.held": {
    "the connection that claimed": {
      command: cmd("resume.held"),
      outcomes: {
        silent: ["resumeRunning", "resumeAway"],
        same: but("resumeRunning", "resumeAway"),
      },
    },
    "another connection": { command: cmd("resume.held", { sessionId: "s2" }), outcomes: { same: ALL } },
    "the connection that claimed, when a deadline is due": {
      command: cmd("resume.held"),
      atDeadline: true,
      outcomes: DUE,
    },
  },
  "resume.answer": {
    "by its client": {
      command: cmd("resume.answer"),
      outcomes: {
        "resume.answered": ["resumeRunning", "resumeAway"],
        same: ["resumeAnswered", "resumeFailed"],
        resume_not_found: but("resumeRunning", "resumeAway", "resumeAnswered", "resumeFailed"),
      },
    },
    "by its client, which failed": {
      command: cmd("resume.answer", { ok: false }),
      outcomes: {
        "resume.failed": ["resumeRunning", "resumeAway"],
        same: ["resumeAnswered", "resumeFailed"],
        resume_not_found: but("resumeRunning", "resumeAway", "resumeAnswered", "resumeFailed"),
      },
    },
    "by another client": {
      command: cmd("resume.answer", { clientId: "c2" }),
      outcomes: {
        resume_taken: ["resumeRunning", "resumeAway"],
        resume_not_found: but("resumeRunning", "resumeAway"),
      },
    },
    "to another handoff": {
      command: cmd("resume.answer", { requestId: "r9" }),
      outcomes: { resume_not_found: ALL },
    },
  },
  "resume.away": {
    "the connection that claimed": {
      command: cmd("resume.away"),
      outcomes: { silent: ["resumeRunning"], same: but("resumeRunning") },
    },
    "another connection": { command: cmd("resume.away", { sessionId: "s2" }), outcomes: { same: ALL } },
  },
};
