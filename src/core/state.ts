/** What is stored of one sandbox, and what of it others may see. Plain data: it is written to stores as JSON. */
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { Control } from "../../protocol/control.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { BrowserSource } from "../../protocol/http.ts";
import type { PreviewStatus } from "../../protocol/preview.ts";
import type { ResumeState, Sandbox } from "../../protocol/sandbox.ts";

/** A resume prompt from the moment the person finished until an agent has answered it (R1). */
export interface Resume {
  readonly requestId: string;
  readonly status: ResumeState["status"];
  readonly prompt: string;
  readonly handoff: Handoff;
  /** The program that took it; it may take it again after a reconnect. */
  readonly clientId?: string;
  /** Shown to people: which of the program's connections. */
  readonly sessionId?: string;
  /** The node with that connection vouches for it until then; silence frees the prompt. */
  readonly heldUntil?: number;
  readonly response?: string;
  /** The program went away; at this time another may take the prompt. */
  readonly releaseAt?: number;
  readonly updatedAt: number;
}

/** One node's way to the browser. */
export interface GateRecord {
  readonly nodeId: string;
  /** Which browser it leads to: `attachedAt` of the one it was opened for. */
  readonly attachedAt: number;
  /** How the node sees that browser. Absent: it has not said, or it is gone. */
  readonly status?: PreviewStatus;
}

/** A node's word that the controller has a connection there. */
export interface Sighting {
  readonly until: number;
  /** Grace time that begins when nobody gives this word any more (H5). */
  readonly graceMs: number;
}

export interface SandboxState {
  readonly sandboxId: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly epoch: number;
  readonly seq: number;
  readonly control: Control;
  /**
   * Gates that have not yet said that nothing of an older epoch is under way, each with the time at which its lease
   * certainly ran out. Empty when `control.phase` is `active` (C2).
   */
  readonly draining: Readonly<Record<string, number>>;
  /** Every gate through which input can reach the browser, by id. */
  readonly gates: Readonly<Record<string, GateRecord>>;
  /** Nodes where the controller has a connection. Empty for one that never had any: a call over HTTP. */
  readonly seen: Readonly<Record<string, Sighting>>;
  readonly handoff: Handoff | null;
  /** Newest last. Bounded by `MAX_RESUMES`: ended ones leave first. */
  readonly resumes: readonly Resume[];
  readonly browser: {
    readonly source: BrowserSource;
    /** Where a launched one listens. */
    readonly endpoint?: string;
    readonly status: PreviewStatus;
    readonly attachedAt: number;
    readonly updatedAt: number;
  } | null;
  /** Of the agent's CDP connections that do not choose one. Absent: `hold` (G1). */
  readonly agentPolicy?: AgentPolicy;
}

/** Resume prompts kept per sandbox. One that had to leave is gone: who answers it hears `resume_not_found`. */
export const MAX_RESUMES = 8;

/** @param endpoint where the browser listens, if it was launched */
export function initialState(
  sandboxId: string,
  source: BrowserSource | null,
  now: number,
  endpoint?: string,
  agentPolicy?: AgentPolicy,
): SandboxState {
  return {
    sandboxId,
    createdAt: now,
    updatedAt: now,
    epoch: epochAfter(0, now),
    seq: 0,
    control: { mode: "ai", phase: "active", since: now },
    draining: {},
    gates: {},
    seen: {},
    handoff: null,
    resumes: [],
    browser: source && {
      source,
      ...(endpoint !== undefined && { endpoint }),
      status: "idle",
      attachedAt: now,
      updatedAt: now,
    },
    ...(agentPolicy !== undefined && { agentPolicy }),
  };
}

/**
 * The next fencing token. The clock's microseconds keep it rising even when a store came back without its last
 * writes; the increment keeps it rising when the clock did not move.
 */
export function epochAfter(previous: number, nowMs: number): number {
  return Math.max(previous + 1, Math.floor(nowMs) * 1_000);
}

export function isOpen(handoff: Handoff | null): handoff is Handoff {
  return handoff !== null && (handoff.status === "pending" || handoff.status === "accepted");
}

/** The part of the state that subscribers see: no addresses, no gates, no prompts on their way. */
export function publicView(state: SandboxState): Sandbox {
  const last = state.resumes.at(-1);
  return {
    sandboxId: state.sandboxId,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    epoch: state.epoch,
    seq: state.seq,
    control: state.control,
    handoff: state.handoff,
    resume: last ? resumeView(last) : null,
    browser: state.browser && {
      status: state.browser.status,
      attachedAt: state.browser.attachedAt,
      updatedAt: state.browser.updatedAt,
    },
    ...(state.agentPolicy !== undefined && { agentPolicy: state.agentPolicy }),
  };
}

export function resumeView(resume: Resume): ResumeState {
  return {
    requestId: resume.requestId,
    status: resume.status,
    ...(resume.sessionId !== undefined && { sessionId: resume.sessionId }),
    ...(resume.response !== undefined && { response: resume.response }),
    updatedAt: resume.updatedAt,
  };
}

/** When `tick` next has something to do, or `null`: the earliest deadline in the state. */
export function nextDeadline(state: SandboxState): number | null {
  const deadlines = [
    ...Object.values(state.draining),
    ...(isOpen(state.handoff) && state.handoff.expiresAt !== undefined ? [state.handoff.expiresAt] : []),
    ...(state.control.graceUntil !== undefined ? [state.control.graceUntil] : []),
    ...Object.values(state.seen).map(({ until }) => until),
    ...state.resumes.flatMap(({ releaseAt, heldUntil }) => releaseAt ?? heldUntil ?? []),
  ];
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}
