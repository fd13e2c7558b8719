/** Who a token says its bearer is, and how the gateway says that it does not. */
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { Grant } from "../core/access.ts";

export interface Identity {
  readonly subject: string;
  readonly role: Role;
  readonly grant: Grant;
  /** `jti`, or for a token without one a digest of what was signed: what it is revoked by. */
  readonly tokenId: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  /** Of the link that the bearer came by. Revoking it ends every token that was made of it. */
  readonly linkId?: string;
  /** The token that made the link. Revoking it ends what came of the link too: a thief's links end with the theft. */
  readonly madeBy?: string;
  /** How long a token made of the link lives, ms. */
  readonly lifeMs?: number;
}

/** Why a token is not accepted. `details.reason` of `unauthorized`. */
export type RefusalReason =
  | "missing"
  | "malformed"
  | "algorithm"
  | "signature"
  | "claims"
  | "issuer"
  | "audience"
  | "expired"
  | "not_yet_valid"
  | "revoked"
  | "used"
  | "link";

const TEXTS: Readonly<Record<RefusalReason, string>> = {
  missing:
    "This gateway needs a token. Send one in `hello`, or as `Authorization: Bearer`; `baton token` makes one.",
  malformed: "This is not a token. Send a signed JWT as it was issued, without spaces or quotes.",
  algorithm:
    "Tokens signed this way are not accepted. Sign with HS256 and BATON_SECRET, or with a key that the gateway knows.",
  signature:
    "The token is not signed with a key that this gateway knows. Get one from whoever runs the gateway.",
  claims: "The token lacks what the gateway needs of it. It must have sub, role, sandboxes and exp.",
  issuer: "The token is of another issuer than BATON_JWT_ISSUER. Get one from that issuer.",
  audience:
    "The token is for another audience than BATON_JWT_AUDIENCE. Ask its issuer for one for this gateway.",
  expired: "The token has expired. Get a new one.",
  not_yet_valid: "The token is not valid yet. Wait until its nbf, or check the clocks of issuer and gateway.",
  revoked: "The token was revoked. Get another one.",
  used: "This link was for one use, and somebody has used it. Ask for another one.",
  link: "A link's token is for opening the link only. Connect with it in `hello`, and use the token of `welcome` after that.",
};

/** @param detail more than the reason says: never anything of the token's */
export function unauthorized(reason: RefusalReason, detail?: string): BatonError {
  const text = detail === undefined ? TEXTS[reason] : `${TEXTS[reason]} ${detail}`;
  return new BatonError("unauthorized", text, { reason });
}

/** Where no tokens are asked for. */
export function noTokens(): BatonError {
  return new BatonError(
    "forbidden",
    "This gateway runs without BATON_SECRET and reads no tokens: there is nothing to make, renew or revoke.",
  );
}

/** Revoking any of these ends the token. */
export function revocableBy({ tokenId, linkId, madeBy }: Identity): readonly string[] {
  return [tokenId, linkId, madeBy].filter((id) => id !== undefined);
}
