/** Gateway to client: every JSON message, one union. Clients ignore fields and types they do not know. */
import { z } from "zod";
import { LinkAccess, SandboxScope, SessionToken } from "./auth.ts";
import { ErrorCode, ErrorDetails } from "./errors.ts";
import { Epoch, MessageId, Position, RequestId, SandboxId, Seq, Timestamp } from "./ids.ts";
import { Handoff } from "./handoff.ts";
import { Dialog, Tab } from "./preview.ts";
import { HandoffResult, Member, Role, Sandbox, SandboxEvent } from "./sandbox.ts";

const type = <const T extends string>(name: T) => ({ type: z.literal(name) });

export const Welcome = z.object({
  ...type("welcome"),
  version: z.number().int(),
  connectionId: z.string(),
  clientId: z.string(),
  /** Who the gateway takes this client for. */
  name: z.string(),
  role: Role,
  /** What the token allows; absent where none is needed. */
  grant: z
    .object({
      sandboxes: z.array(SandboxScope),
      /** Came by a link: nothing but what the link is for. */
      link: LinkAccess.exactOptional(),
      /** May name other people as `controller`. */
      actFor: z.boolean(),
      /** The socket is closed then, unless it is given a newer token. */
      expiresAt: Timestamp,
    })
    .exactOptional(),
  /** After a link's token: what to connect with from now on. */
  session: SessionToken.exactOptional(),
  serverTime: Timestamp,
  /** The gateway pings this often, ms; a client that heard nothing for twice as long should reconnect. */
  heartbeatMs: z.number().int(),
  maxMessageBytes: z.number().int(),
});
/** Answers `auth.refresh`, and `auth.renew` with the new token. */
export const AuthUpdated = z.object({
  ...type("auth.updated"),
  id: MessageId,
  expiresAt: Timestamp,
  session: SessionToken.exactOptional(),
});
export const Pong = z.object({ ...type("pong"), id: MessageId, serverTime: Timestamp });
export const Failure = z.object({
  ...type("error"),
  id: MessageId.exactOptional(),
  sandboxId: SandboxId.exactOptional(),
  code: ErrorCode,
  message: z.string(),
  retryable: z.boolean(),
  details: ErrorDetails.exactOptional(),
});

/** Bounded: those who may act before viewers, and `more` says how many are not listed. */
const memberList = {
  members: z.array(Member),
  more: z.number().int().positive().exactOptional(),
};

/** Answers `sandbox.join`. With `snapshot` the client starts afresh; without, the events after `since` follow. */
export const Joined = z.object({
  ...type("sandbox.joined"),
  id: MessageId,
  sandboxId: SandboxId,
  snapshot: Sandbox.exactOptional(),
  /** The last event that `snapshot`, or the events that follow at once, hold. */
  position: Position,
  ...memberList,
  tabs: z.array(Tab),
  dialog: Dialog.nullable(),
  serverTime: Timestamp,
});
/** The gateway ended the subscription: the sandbox was removed, or a newer token no longer reaches it. */
export const Left = z.object({
  ...type("sandbox.left"),
  sandboxId: SandboxId,
  reason: z.enum(["removed", "forbidden"]),
});
export const Event = z.object({ ...type("event"), event: SandboxEvent });
export const Presence = z.object({ ...type("presence"), sandboxId: SandboxId, ...memberList });

/** Answers `lobby.join`. Bounded: `truncated` says that there are more sandboxes than it lists. */
export const Lobby = z.object({
  ...type("lobby"),
  id: MessageId,
  sandboxes: z.array(Sandbox),
  truncated: z.boolean(),
  serverTime: Timestamp,
});
export const LobbyChanged = z.object({ ...type("lobby.changed"), sandbox: Sandbox });
export const LobbyRemoved = z.object({ ...type("lobby.removed"), sandboxId: SandboxId });

/** Answers a handoff or control call. */
export const Result = z.object({ ...type("result"), id: MessageId, result: HandoffResult });
/** Answers any other call that has nothing to say but yes. */
export const Done = z.object({ ...type("done"), id: MessageId });

/** Tabs and dialogs are pictures of the page, not events: newest wins, and they are in no log. */
export const BrowserTabs = z.object({ ...type("browser.tabs"), sandboxId: SandboxId, tabs: z.array(Tab) });
export const BrowserDialog = z.object({
  ...type("browser.dialog"),
  sandboxId: SandboxId,
  dialog: Dialog.nullable(),
});

/** Answers `preview.start`. Binary frames with this `stream` number are of this sandbox. */
export const PreviewStarted = z.object({
  ...type("preview.started"),
  id: MessageId,
  sandboxId: SandboxId,
  stream: z.number().int(),
});
/**
 * Sent every two seconds while frames may come: the browser answered, and `seq` is the newest picture. A page that
 * does not change sends no frames; this is how a viewer tells it from a stream that stopped (P2).
 */
export const PreviewAlive = z.object({
  ...type("preview.alive"),
  sandboxId: SandboxId,
  alive: z.boolean(),
  seq: Seq,
  serverTime: Timestamp,
});

/** A person finished and left a prompt. Claim it with `resume.claim`; sent again until somebody did (R1). */
export const ResumePrompt = z.object({
  ...type("resume.prompt"),
  sandboxId: SandboxId,
  requestId: RequestId,
  epoch: Epoch,
  prompt: z.string(),
  handoff: Handoff,
});

/**
 * Whether the gateway reaches its store. While `degraded`, watching goes on, changes are answered with `unavailable`,
 * and input stops. Sent when that changes, and after `welcome` if it is so.
 */
export const GatewayStatus = z.object({ ...type("gateway.status"), degraded: z.boolean() });

export const DownMessage = z.discriminatedUnion("type", [
  Welcome,
  AuthUpdated,
  Pong,
  Failure,
  Joined,
  Left,
  Event,
  Presence,
  Lobby,
  LobbyChanged,
  LobbyRemoved,
  Result,
  Done,
  BrowserTabs,
  BrowserDialog,
  PreviewStarted,
  PreviewAlive,
  ResumePrompt,
  GatewayStatus,
]);
export type DownMessage = z.infer<typeof DownMessage>;
