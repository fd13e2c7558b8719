/** Tokens, links, and what they may be used for. */
import { z } from "zod";
import { Controller, Timestamp } from "./ids.ts";

/** A signed token: three base64url parts. Longer ones are refused unread. */
export const MAX_TOKEN_LENGTH = 8_192;
export const Token = z
  .string()
  .max(MAX_TOKEN_LENGTH)
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/, "must be a token of three base64url parts");
export type Token = z.infer<typeof Token>;

/** Before a token in the list of subprotocols, for pages, which can set no header. */
export const TOKEN_SUBPROTOCOL = "baton.token.";

/** Identifies a token or a link (`jti`), for its revocation. */
export const TokenId = z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/, "must match [A-Za-z0-9_.:-]{1,128}");
export type TokenId = z.infer<typeof TokenId>;

/** Which sandboxes a token reaches: one by its id, all whose ids start so (`acme-*`), or all (`*`). */
export const SandboxScope = z
  .string()
  .regex(
    /^(?:\*|[A-Za-z0-9_-]{1,64}\*?)$/,
    "must be a sandbox's id, a beginning of ids such as acme-*, or *",
  );
export type SandboxScope = z.infer<typeof SandboxScope>;

export const MAX_SCOPES = 1_000;

/** `watch`: see the picture and the state. `drive`: also accept handoffs, take the browser, and give it back. */
export const LinkAccess = z.enum(["watch", "drive"]);
export type LinkAccess = z.infer<typeof LinkAccess>;

export const MIN_LINK_TTL_MS = 10_000;
export const MAX_LINK_TTL_MS = 24 * 60 * 60 * 1_000;

const MAX_LINK_SUBJECT = 100;

export const CreateLinkBody = z.strictObject({
  access: LinkAccess,
  /**
   * Who the link makes of those who open it: `guest-SUBJECT-` and six random characters, others for each of them. Who
   * makes the link and may act for others names one person, who is all of them.
   */
  subject: Controller.refine(
    (subject) => subject.length <= MAX_LINK_SUBJECT,
    `must have at most ${MAX_LINK_SUBJECT} characters`,
  ).exactOptional(),
  /** How long it can be opened, and how long each who opened it may stay. Default 15 minutes. */
  expiresInMs: z.number().int().min(MIN_LINK_TTL_MS).max(MAX_LINK_TTL_MS).exactOptional(),
  /** Only the first who opens it gets in; that one may reload. Default: it can be opened until it expires. */
  singleUse: z.boolean().exactOptional(),
});
export type CreateLinkBody = z.infer<typeof CreateLinkBody>;

export const Link = z
  .object({
    linkId: TokenId,
    sandboxId: z.string(),
    access: LinkAccess,
    subject: z.string(),
    singleUse: z.boolean(),
    expiresAt: Timestamp,
  })
  .meta({ id: "Link" });
export type Link = z.infer<typeof Link>;

/** `url` is as good as a password: it carries the token in its fragment, which browsers send to no server. */
export const LinkResult = z
  .object({ ok: z.literal(true), link: Link, url: z.string() })
  .meta({ id: "LinkResult" });
export type LinkResult = z.infer<typeof LinkResult>;

export const RevokeTokenBody = z.strictObject({
  /** `jti` of the token. */
  tokenId: TokenId,
  /** When the token ends by itself (its `exp`, as milliseconds): no longer need it be remembered. Default: in a year. */
  expiresAt: Timestamp.exactOptional(),
});
export type RevokeTokenBody = z.infer<typeof RevokeTokenBody>;

/** A token of the gateway's own making, for the one who opened a link: it outlives the link's first use. */
export const SessionToken = z.object({ token: Token, expiresAt: Timestamp });
export type SessionToken = z.infer<typeof SessionToken>;
