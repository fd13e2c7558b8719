import { z } from "zod";
import { Controller, IdempotencyKey, Timestamp } from "./ids.ts";

/** `ai`: the agent drives. `shared`: a handoff is open, only its controller drives. `human`: a person holds the browser. */
export const ControlMode = z.enum(["ai", "shared", "human"]);
export type ControlMode = z.infer<typeof ControlMode>;

/** `draining`: the last holder is being stopped, nobody drives. `active`: the one named here drives (C2). */
export const ControlPhase = z.enum(["draining", "active"]);
export type ControlPhase = z.infer<typeof ControlPhase>;

/** `private`: only the controller sees the page, until control returns to the agent or the controller opens it (G3). */
export const Privacy = z.enum(["open", "private"]);
export type Privacy = z.infer<typeof Privacy>;

export const Control = z
  .object({
    mode: ControlMode,
    phase: ControlPhase,
    /** The person who drives, or will once `phase` is `active`. Absent: the agent (`ai`) or nobody (`shared`). */
    controller: Controller.exactOptional(),
    /** Nobody but the controller sees the page (G3). Absent: open. */
    privacy: z.literal("private").exactOptional(),
    /** When the present epoch began. */
    since: Timestamp,
    /** The controller is away; at this time the browser leaves its hands (H5). */
    graceUntil: Timestamp.exactOptional(),
  })
  .meta({ id: "Control" });
export type Control = z.infer<typeof Control>;

export const TakeControlParams = z.strictObject({
  controller: Controller,
  /** Take it from another person as well. Needs the right to override. */
  force: z.boolean().exactOptional(),
  /** `private` hides the page from everybody else; `open`, like none, leaves it as it is (G3). */
  privacy: Privacy.exactOptional(),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type TakeControlParams = z.infer<typeof TakeControlParams>;

export const ReleaseControlParams = z.strictObject({
  controller: Controller,
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type ReleaseControlParams = z.infer<typeof ReleaseControlParams>;

export const PassControlParams = z.strictObject({
  /** Who passes it on; default: the caller. */
  controller: Controller,
  /** A person's name, or `ai` for the agent. */
  to: z.union([z.literal("ai"), Controller]),
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type PassControlParams = z.infer<typeof PassControlParams>;

/** Only the person who holds the browser may hide or show the page (G3). */
export const SetPrivacyParams = z.strictObject({
  controller: Controller,
  privacy: Privacy,
  idempotencyKey: IdempotencyKey.exactOptional(),
});
export type SetPrivacyParams = z.infer<typeof SetPrivacyParams>;
