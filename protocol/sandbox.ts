import { z } from "zod";
import { AgentPolicy } from "./agent.ts";
import { Control } from "./control.ts";
import { Handoff } from "./handoff.ts";
import { Epoch, Name, RequestId, SandboxId, Seq, Timestamp } from "./ids.ts";
import { PreviewStatus } from "./preview.ts";

export const Role = z.enum(["agent", "worker", "sdk", "operator", "viewer", "admin"]);
export type Role = z.infer<typeof Role>;

/** Delivery of the last resume prompt (R1), with what the agent answered. */
export const ResumeState = z
  .object({
    requestId: RequestId,
    /** `waiting`: no agent has taken it. `running`: `sessionId` works on it. The rest: how it ended. */
    status: z.enum(["waiting", "running", "answered", "failed"]),
    sessionId: z.string().exactOptional(),
    response: z.string().exactOptional(),
    updatedAt: Timestamp,
  })
  .meta({ id: "ResumeState" });
export type ResumeState = z.infer<typeof ResumeState>;

export const BrowserState = z
  .object({
    status: PreviewStatus,
    /** When this browser was attached; another value means another browser. */
    attachedAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: "BrowserState" });
export type BrowserState = z.infer<typeof BrowserState>;

/** Everything a subscriber may know of a sandbox: the snapshot that events then change. */
export const Sandbox = z
  .object({
    sandboxId: SandboxId,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    epoch: Epoch,
    seq: Seq,
    control: Control,
    /** The open handoff, or the last one. */
    handoff: Handoff.nullable(),
    resume: ResumeState.nullable(),
    /** `null`: no browser is attached to this sandbox. */
    browser: BrowserState.nullable(),
    /** What becomes of the agent's CDP commands while it may not drive (G1). Absent: `hold`. */
    agentPolicy: AgentPolicy.exactOptional(),
  })
  .meta({ id: "Sandbox" });
export type Sandbox = z.infer<typeof Sandbox>;

export const EventType = z.enum([
  "sandbox.created",
  "handoff.requested",
  "handoff.accepted",
  "handoff.completed",
  "handoff.cancelled",
  "handoff.expired",
  /** Back to `pending`: the controller gave it back, or stayed away too long. */
  "handoff.returned",
  "control.taken",
  "control.released",
  "control.passed",
  /** The controller hid the page from everybody else, or shows it again (G3). */
  "control.privacy",
  /** The drain is over: the controller now drives. */
  "control.active",
  /** The store lost its last writes: the same holder as before them, under a new epoch. */
  "control.fenced",
  "control.away",
  "control.back",
  "resume.claimed",
  "resume.released",
  "resume.answered",
  "resume.failed",
  "browser.changed",
]);
export type EventType = z.infer<typeof EventType>;

/** Who caused an event, as far as others may know. */
export const EventActor = z.object({ name: Name, role: Role });
export type EventActor = z.infer<typeof EventActor>;

/** The parts of the snapshot that an event replaces, each as a whole. */
export const SandboxChanges = z.object({
  control: Control.exactOptional(),
  handoff: Handoff.nullable().exactOptional(),
  resume: ResumeState.nullable().exactOptional(),
  browser: BrowserState.nullable().exactOptional(),
});
export type SandboxChanges = z.infer<typeof SandboxChanges>;

/** One change of one sandbox (E1). Applying `changes` to the snapshot before it gives the snapshot after it. */
export const SandboxEvent = z
  .object({
    sandboxId: SandboxId,
    seq: Seq,
    epoch: Epoch,
    at: Timestamp,
    type: EventType,
    /** Absent when no one caused it: a deadline passed, a browser went away. */
    by: EventActor.exactOptional(),
    changes: SandboxChanges,
  })
  .meta({ id: "SandboxEvent" });
export type SandboxEvent = z.infer<typeof SandboxEvent>;

/** Applies an event to the snapshot it follows. Pure; shared by the gateway and the SDK. */
export function applyEvent(sandbox: Sandbox, event: SandboxEvent): Sandbox {
  return { ...sandbox, ...event.changes, seq: event.seq, epoch: event.epoch, updatedAt: event.at };
}

/** What the calls of the handoff and control API resolve to. */
export const HandoffResult = z
  .object({
    ok: z.literal(true),
    handoff: Handoff.nullable(),
    preview: z
      .object({
        status: PreviewStatus,
        controlMode: Control.shape.mode.exactOptional(),
        controller: z.string().exactOptional(),
        updatedAt: Timestamp.exactOptional(),
      })
      .nullable(),
    pairedBrowser: z
      .object({
        previewUrl: z.string().exactOptional(),
        controlMode: Control.shape.mode.exactOptional(),
        controller: z.string().exactOptional(),
        handoffRequestedAt: Timestamp.exactOptional(),
        updatedAt: Timestamp.exactOptional(),
      })
      .exactOptional(),
    resume: z
      .object({
        ok: z.boolean(),
        sessionId: z.string().exactOptional(),
        response: z.string().exactOptional(),
      })
      .exactOptional(),
  })
  .meta({ id: "HandoffResult" });
export type HandoffResult = z.infer<typeof HandoffResult>;

/** Someone with a socket in the room. */
export const Member = z
  .object({
    connectionId: z.string(),
    name: Name,
    role: Role,
    watching: z.boolean(),
    /** An agent's CDP socket: its policy, and how many of its commands wait for control to return. */
    cdp: z.object({ policy: AgentPolicy, held: z.number().int() }).exactOptional(),
  })
  .meta({ id: "Member" });
export type Member = z.infer<typeof Member>;
