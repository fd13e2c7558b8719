import { z } from "zod";
import { Privacy } from "./control.ts";
import { Controller, IdempotencyKey, Name, RequestId, Timestamp } from "./ids.ts";

export const HandoffStatus = z.enum(["pending", "accepted", "completed", "cancelled", "expired"]);
export type HandoffStatus = z.infer<typeof HandoffStatus>;

export const HandoffReason = z.enum([
  "mfa",
  "captcha",
  "approval",
  "login_failed",
  "ambiguous_ui",
  "file_download",
  "custom",
]);
export type HandoffReason = z.infer<typeof HandoffReason>;

export const HandoffOrigin = z.enum(["agent", "worker", "sdk", "dashboard"]);
export type HandoffOrigin = z.infer<typeof HandoffOrigin>;

/** One request for a person, from `pending` to one of its three ends (H1 to H5). */
export const Handoff = z
  .object({
    requestId: RequestId,
    status: HandoffStatus,
    reason: HandoffReason,
    message: z.string(),
    requestedBy: HandoffOrigin,
    controller: Controller.exactOptional(),
    /** Asked for as a private one: accepting it hides the page from everybody else (G3). */
    privacy: z.literal("private").exactOptional(),
    resumePrompt: z.string().exactOptional(),
    note: z.string().exactOptional(),
    requestedAt: Timestamp,
    acceptedAt: Timestamp.exactOptional(),
    completedAt: Timestamp.exactOptional(),
    expiresAt: Timestamp.exactOptional(),
    updatedAt: Timestamp,
  })
  .meta({ id: "Handoff" });
export type Handoff = z.infer<typeof Handoff>;

/** What the agent may tell the person, in characters. */
export const MAX_MESSAGE_LENGTH = 4_000;
/** What the person may tell the agent, in characters. */
export const MAX_NOTE_LENGTH = 8_000;
export const MAX_PROMPT_LENGTH = 16_000;
export const MAX_HANDOFF_TTL_MS = 24 * 60 * 60 * 1000;
/** Longest a single call waits for the agent's answer to the resume prompt. */
export const MAX_RESUME_WAIT_MS = 120_000;

export const RequestHandoffParams = z.strictObject({
  reason: HandoffReason,
  message: z.string().min(1).max(MAX_MESSAGE_LENGTH),
  resumePrompt: z.string().min(1).max(MAX_PROMPT_LENGTH).exactOptional(),
  requestedBy: HandoffOrigin.exactOptional(),
  /** `private`: the page is hidden from everybody but the controller from acceptance on (G3). Default `open`. */
  privacy: Privacy.exactOptional(),
  expiresInMs: z.number().int().min(1_000).max(MAX_HANDOFF_TTL_MS).exactOptional(),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type RequestHandoffParams = z.infer<typeof RequestHandoffParams>;

export const AcceptHandoffParams = z.strictObject({
  controller: Controller,
  requestId: RequestId.exactOptional(),
  /** `private` hides the page although the request did not ask for it; `open`, like none, takes nothing away (G3). */
  privacy: Privacy.exactOptional(),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type AcceptHandoffParams = z.infer<typeof AcceptHandoffParams>;

export const CompleteHandoffParams = z.strictObject({
  controller: Controller,
  requestId: RequestId.exactOptional(),
  /** `ai` (default) gives the browser back to the agent; `human` keeps it with the controller, no handoff open. */
  returnControlTo: z.enum(["ai", "human"]).exactOptional(),
  runResumePrompt: z.boolean().exactOptional(),
  note: z.string().max(MAX_NOTE_LENGTH).exactOptional(),
  /** How long the call waits for the agent's answer to the resume prompt. */
  resumeWaitMs: z.number().int().min(0).max(MAX_RESUME_WAIT_MS).exactOptional(),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type CompleteHandoffParams = z.infer<typeof CompleteHandoffParams>;

export const CancelHandoffParams = z.strictObject({
  /** Who cancels; recorded in the event. */
  by: Name.exactOptional(),
  requestId: RequestId.exactOptional(),
  note: z.string().max(MAX_NOTE_LENGTH).exactOptional(),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type CancelHandoffParams = z.infer<typeof CancelHandoffParams>;
