/** What a token says, and what the gateway makes of it. */
import { z } from "zod";
import { LinkAccess, MAX_LINK_TTL_MS, MAX_SCOPES, SandboxScope, TokenId } from "../../protocol/auth.ts";
import { Controller } from "../../protocol/ids.ts";
import { Role } from "../../protocol/sandbox.ts";
import { unauthorized, type Identity } from "./identity.ts";
import type { Verified } from "./keys.ts";

/** Claims of every token. Others are not looked at: identity providers add many. */
const Claims = z.object({
  /** The name in the room, and the `controller` that the bearer is. */
  sub: Controller,
  role: Role,
  sandboxes: z.array(SandboxScope).min(1).max(MAX_SCOPES),
  /** Seconds since the Unix epoch. */
  exp: z
    .number()
    .int()
    .positive()
    .max(Number.MAX_SAFE_INTEGER / 1_000),
  jti: TokenId.optional(),
  act_for: z.boolean().default(false),
});

/** Claims that only the gateway's own tokens have. */
const OwnClaims = z.object({
  /** `link`: opens a link. `session`: of one who has opened it. Absent: an ordinary token. */
  use: z.enum(["link", "session"]).optional(),
  access: LinkAccess.optional(),
  /** The link's id, in a session's token. */
  link: TokenId.optional(),
  /** The token that made the link. */
  by: TokenId.optional(),
  /** Each who opens the link is somebody of their own. */
  apart: z.boolean().default(false),
  once: z.boolean().default(false),
  /** How long a session lives, ms. */
  life: z.number().int().positive().max(MAX_LINK_TTL_MS).optional(),
});

export interface ReadToken {
  readonly identity: Identity;
  /** It only opens a link, and only one bearer may if `once`. */
  readonly opens?: { readonly linkId: string; readonly once: boolean; readonly apart: boolean };
}

/** @throws BatonError `unauthorized`, `claims` */
export function readClaims({ payload, own, digest }: Verified): ReadToken {
  const parsed = Claims.safeParse(payload);
  if (!parsed.success) throw unauthorized("claims", wrongClaim(parsed.error));
  const { sub, role, sandboxes, exp, jti, act_for } = parsed.data;
  const made = own ? OwnClaims.safeParse(payload) : undefined;
  if (made && !made.success) throw unauthorized("claims", wrongClaim(made.error));
  const { use, access, link, by, once = false, apart = false, life } = made?.data ?? {};
  const tokenId = jti ?? digest;
  const linkId = use === "link" ? tokenId : use === "session" ? link : undefined;
  const complete = use === undefined || (linkId !== undefined && access !== undefined && life !== undefined);
  if (!complete) throw unauthorized("claims");
  const identity: Identity = {
    subject: sub,
    role,
    grant: {
      sandboxes,
      actFor: use === undefined && act_for,
      ...(use !== undefined && access !== undefined && { link: access }),
    },
    tokenId,
    expiresAt: exp * 1_000,
    ...(linkId !== undefined && { linkId }),
    ...(linkId !== undefined && by !== undefined && { madeBy: by }),
    ...(life !== undefined && use !== undefined && { lifeMs: life }),
  };
  return { identity, ...(use === "link" && { opens: { linkId: tokenId, once, apart } }) };
}

/** Which one, not what it said. */
function wrongClaim(error: z.ZodError): string {
  const path = error.issues[0]?.path.map(String).join(".") ?? "";
  return path === "" ? "" : `Look at \`${path}\`.`;
}
