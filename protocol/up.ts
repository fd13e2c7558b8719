/** Client to gateway: every message, one union. Objects are strict: an unknown field is an error, not a surprise. */
import { z } from "zod";
import { Token } from "./auth.ts";
import { PassControlParams, ReleaseControlParams, SetPrivacyParams, TakeControlParams } from "./control.ts";
import {
  AcceptHandoffParams,
  CancelHandoffParams,
  CompleteHandoffParams,
  RequestHandoffParams,
} from "./handoff.ts";
import { Controller, Epoch, MessageId, Name, Position, RequestId, SandboxId, Seq } from "./ids.ts";
import { InputEvent, MAX_INPUT_BATCH } from "./input.ts";
import { PreviewOptions } from "./preview.ts";
import { Role } from "./sandbox.ts";

const type = <const T extends string>(name: T) => ({ type: z.literal(name) });
const call = { id: MessageId, sandboxId: SandboxId };

/** First message of a socket. Answered with `welcome`. */
export const Hello = z.strictObject({
  ...type("hello"),
  version: z.number().int(),
  /** Who speaks. Default: the token of the handshake; without any, `role` and `name` say it, where that is allowed. */
  token: Token.exactOptional(),
  /** With a token: if given, it must be the token's. */
  role: Role.exactOptional(),
  /** With a token: if given, it must be the token's subject. */
  name: Name.exactOptional(),
  /** Stays the same while one program reconnects: makes a resume prompt run once (R1). Default: a new one. */
  clientId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{8,64}$/)
    .exactOptional(),
});
export const Ping = z.strictObject({ ...type("ping"), id: MessageId });

/** A new token of the same subject and role, before the socket's own ends: the socket then lives as long as that one. */
export const AuthRefresh = z.strictObject({ ...type("auth.refresh"), id: MessageId, token: Token });
/** Asks for more time for who came by a link and is in the middle of a handoff. */
export const AuthRenew = z.strictObject({ ...type("auth.renew"), id: MessageId });

export const Join = z.strictObject({
  ...type("sandbox.join"),
  ...call,
  /** Where this client stands; missed events follow. Without it, or when it is too old, a snapshot (E2). */
  since: Position.exactOptional(),
  /** Take resume prompts (agents). */
  resume: z.boolean().exactOptional(),
});
export const Leave = z.strictObject({ ...type("sandbox.leave"), ...call });
/** All sandboxes, one summary each: newest state wins, no positions. */
export const LobbyJoin = z.strictObject({ ...type("lobby.join"), id: MessageId });
export const LobbyLeave = z.strictObject({ ...type("lobby.leave"), id: MessageId });

export const HandoffGet = z.strictObject({ ...type("handoff.get"), ...call });
export const HandoffRequest = RequestHandoffParams.extend({ ...type("handoff.request"), ...call });
export const HandoffAccept = AcceptHandoffParams.extend({ ...type("handoff.accept"), ...call });
export const HandoffComplete = CompleteHandoffParams.extend({ ...type("handoff.complete"), ...call });
export const HandoffCancel = CancelHandoffParams.extend({ ...type("handoff.cancel"), ...call });
export const ControlTake = TakeControlParams.extend({ ...type("control.take"), ...call });
export const ControlRelease = ReleaseControlParams.extend({ ...type("control.release"), ...call });
export const ControlPass = PassControlParams.extend({ ...type("control.pass"), ...call });
export const ControlPrivacy = SetPrivacyParams.extend({ ...type("control.privacy"), ...call });

/**
 * Input for the shown tab. With `id` it is answered once the browser handled it; without, only a refusal is.
 * A refused event is dropped, never kept for later (C4).
 */
export const Input = z.strictObject({
  ...type("input"),
  id: MessageId.exactOptional(),
  sandboxId: SandboxId,
  /** The person whose hand this is; default: the socket's `name`. */
  controller: Controller.exactOptional(),
  /** The epoch the sender believes in: a click that was sent before control changed is refused, not applied late. */
  epoch: Epoch.exactOptional(),
  /** The tab the sender sees, by number: what was aimed at one tab is refused when another is shown by then (C7). */
  tab: z.number().int().positive().exactOptional(),
  events: z.array(InputEvent).min(1).max(MAX_INPUT_BATCH),
});

export const PreviewStart = PreviewOptions.extend({ ...type("preview.start"), ...call });
export const PreviewStop = z.strictObject({ ...type("preview.stop"), ...call });
/** Cumulative: every frame up to `seq` was shown. No `id`, no answer. */
export const PreviewAck = z.strictObject({ ...type("preview.ack"), sandboxId: SandboxId, seq: Seq });

/** Asks to be the one that handles a resume prompt. The same `clientId` may ask again after a reconnect. */
export const ResumeClaim = z.strictObject({ ...type("resume.claim"), ...call, requestId: RequestId });
export const ResumeAnswer = z.strictObject({
  ...type("resume.answer"),
  ...call,
  requestId: RequestId,
  ok: z.boolean(),
  response: z
    .string()
    .max(64 * 1024)
    .exactOptional(),
});

export const UpMessage = z.discriminatedUnion("type", [
  Hello,
  Ping,
  AuthRefresh,
  AuthRenew,
  Join,
  Leave,
  LobbyJoin,
  LobbyLeave,
  HandoffGet,
  HandoffRequest,
  HandoffAccept,
  HandoffComplete,
  HandoffCancel,
  ControlTake,
  ControlRelease,
  ControlPass,
  ControlPrivacy,
  Input,
  PreviewStart,
  PreviewStop,
  PreviewAck,
  ResumeClaim,
  ResumeAnswer,
]);
export type UpMessage = z.infer<typeof UpMessage>;
export type UpType = UpMessage["type"];
export const UP_TYPES: ReadonlySet<string> = new Set(
  UpMessage.options.map((option) => option.shape.type.value),
);
