/** The resume prompt on its way to the agent: at least once, and one handler for each (R1). */
import type { Handoff } from "../../protocol/handoff.ts";
import type { CommandOf } from "./commands.ts";
import { MAX_RESUMES, type Resume, type SandboxState } from "./state.ts";
import { announce, changed, refuse, same, silently, type Transition } from "./step.ts";

/** A node that is only cut off for a while may say again that its program is there. */
const SILENT_GRACE_MS = 30_000;

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
    heldUntil: now + command.leaseMs,
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
  const { releaseAt: _, heldUntil: __, ...rest } = resume;
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

/** The node with the connection vouches for it, also after it was taken for lost. */
export function held(state: SandboxState, command: CommandOf<"resume.held">, now: number): Transition {
  const theirs = ({ status, sessionId }: Resume): boolean =>
    status === "running" && sessionId === command.sessionId;
  if (!state.resumes.some(theirs)) return same;
  const resumes = state.resumes.map((resume) => {
    if (!theirs(resume)) return resume;
    const { releaseAt: _, ...rest } = resume;
    return { ...rest, heldUntil: now + command.leaseMs };
  });
  return silently({ ...state, resumes });
}

/**
 * The connection that took prompts is lost: its program keeps them for a while, then others may take them. One that
 * came back, on whichever node, claims again under its new connection, which this says nothing about.
 */
export function away(state: SandboxState, command: CommandOf<"resume.away">, now: number): Transition {
  const leaves = ({ status, sessionId, releaseAt }: Resume): boolean =>
    status === "running" && sessionId === command.sessionId && releaseAt === undefined;
  if (!state.resumes.some(leaves)) return same;
  const releaseAt = now + command.graceMs;
  const resumes = state.resumes.map((resume) => (leaves(resume) ? leaving(resume, releaseAt) : resume));
  return silently({ ...state, resumes });
}

/** The node with the connection fell silent: as if the connection were lost. */
export function endHold(state: SandboxState, now: number): Transition {
  const due = state.resumes.find(({ heldUntil }) => heldUntil !== undefined && heldUntil <= now);
  if (!due) return same;
  return silently({ ...state, resumes: replace(state, leaving(due, now + SILENT_GRACE_MS)) });
}

export function endClaim(state: SandboxState, now: number): Transition {
  const due = state.resumes.find(({ releaseAt }) => releaseAt !== undefined && releaseAt <= now);
  if (!due) return same;
  const { releaseAt: _, clientId: __, sessionId: ___, ...rest } = due;
  const waiting: Resume = { ...rest, status: "waiting", updatedAt: now };
  return changed(announce(state, { ...state, resumes: replace(state, waiting) }, "resume.released", now));
}

function leaving(resume: Resume, releaseAt: number): Resume {
  const { heldUntil: _, ...rest } = resume;
  return { ...rest, releaseAt };
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
