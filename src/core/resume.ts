/** The resume prompt on its way to the agent: at least once, and one handler for each (R1). */
import type { Handoff } from "../../protocol/handoff.ts";
import type { CommandOf } from "./commands.ts";
import { MAX_RESUMES, type Resume, type SandboxState } from "./state.ts";
import { announce, changed, refuse, same, silently, type Transition } from "./step.ts";

const ended = (resume: Resume): boolean => resume.status === "answered" || resume.status === "failed";

/** Adds the newest; the oldest ended one leaves first, else the oldest. */
export function addResume(
  resumes: readonly Resume[],
  handoff: Handoff,
  prompt: string,
  now: number,
): readonly Resume[] {
  const added: Resume = { requestId: handoff.requestId, status: "waiting", prompt, handoff, updatedAt: now };
  if (resumes.length < MAX_RESUMES) return [...resumes, added];
  const firstEnded = resumes.findIndex(ended);
  return [...resumes.filter((_, index) => index !== Math.max(firstEnded, 0)), added];
}

/** The prompt an agent should be given now: only once it may drive, oldest first. */
export function deliverable(state: SandboxState): Resume | null {
  if (state.control.mode !== "ai" || state.control.phase !== "active") return null;
  return (
    state.resumes.find((resume) => resume.status === "waiting" || resume.releaseAt !== undefined) ?? null
  );
}

export function claim(state: SandboxState, command: CommandOf<"resume.claim">, now: number): Transition {
  const resume = state.resumes.find(({ requestId }) => requestId === command.requestId);
  if (!resume || ended(resume)) return notWaiting(command.requestId);
  const mine = resume.clientId === command.clientId;
  if (resume.status === "running" && !mine) {
    return refuse("resume_taken", "Another agent handles this prompt. Nothing is left to do here.", {
      requestId: resume.requestId,
    });
  }
  if (resume.status === "running" && resume.sessionId === command.sessionId && resume.releaseAt === undefined)
    return same;
  const { releaseAt: _, ...rest } = resume;
  const running: Resume = {
    ...rest,
    status: "running",
    clientId: command.clientId,
    sessionId: command.sessionId,
    updatedAt: now,
  };
  return changed(
    announce(state, { ...state, resumes: replace(state, running) }, "resume.claimed", now, command.by),
  );
}

export function answer(state: SandboxState, command: CommandOf<"resume.answer">, now: number): Transition {
  const resume = state.resumes.find(({ requestId }) => requestId === command.requestId);
  if (resume && ended(resume) && resume.clientId === command.clientId) return same;
  if (!resume || ended(resume) || resume.clientId === undefined) return notWaiting(command.requestId);
  if (resume.clientId !== command.clientId) {
    return refuse("resume_taken", "Another agent handles this prompt. Claim a prompt before answering it.", {
      requestId: resume.requestId,
    });
  }
  const { releaseAt: _, ...rest } = resume;
  const done: Resume = {
    ...rest,
    status: command.ok ? "answered" : "failed",
    ...(command.response !== undefined && { response: command.response }),
    updatedAt: now,
  };
  return changed(
    announce(
      state,
      { ...state, resumes: replace(state, done) },
      command.ok ? "resume.answered" : "resume.failed",
      now,
      command.by,
    ),
  );
}

/** The program that took prompts lost its connection: it keeps them for a while, then others may take them. */
export function away(state: SandboxState, command: CommandOf<"resume.away">, now: number): Transition {
  const leaves = ({ status, clientId, releaseAt }: Resume): boolean =>
    status === "running" && clientId === command.clientId && releaseAt === undefined;
  if (!state.resumes.some(leaves)) return same;
  const releaseAt = now + command.graceMs;
  const resumes = state.resumes.map((resume) => (leaves(resume) ? { ...resume, releaseAt } : resume));
  return silently({ ...state, resumes });
}

export function endClaims(state: SandboxState, now: number): Transition {
  const due = state.resumes.find(({ releaseAt }) => releaseAt !== undefined && releaseAt <= now);
  if (!due) return same;
  const { releaseAt: _, clientId: __, sessionId: ___, ...rest } = due;
  const waiting: Resume = { ...rest, status: "waiting", updatedAt: now };
  return changed(announce(state, { ...state, resumes: replace(state, waiting) }, "resume.released", now));
}

function replace(state: SandboxState, resume: Resume): readonly Resume[] {
  return state.resumes.map((other) => (other.requestId === resume.requestId ? resume : other));
}

function notWaiting(requestId: string): Transition {
  return refuse(
    "resume_not_found",
    `No prompt of handoff ${requestId} waits for an answer: it was answered, or never asked for.`,
    { requestId },
  );
}
