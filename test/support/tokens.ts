/** Tokens for tests: good ones, and every kind of bad one. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT, UnsecuredJWT, type JWTPayload } from "jose";
import type { Role } from "../../protocol/sandbox.ts";
import type { GatewayOptions } from "../../src/gateway.ts";

export const SECRET = "a secret of tests that is long enough";
export const TOKENS: Pick<GatewayOptions, "auth"> = { auth: { secrets: [SECRET] } };

export interface TokenClaims {
  readonly sub?: string;
  readonly role?: Role;
  readonly sandboxes?: readonly string[];
  readonly act_for?: boolean;
  readonly jti?: string;
  /** Seconds from now. Default 600. */
  readonly expiresIn?: number;
  /** Seconds from now. */
  readonly notBefore?: number;
}

const encode = (secret: string): Uint8Array => new TextEncoder().encode(secret);

export function payloadOf(claims: TokenClaims): JWTPayload {
  const { expiresIn = 600, notBefore, ...rest } = claims;
  const now = Math.floor(Date.now() / 1_000);
  return {
    sub: "ada",
    role: "operator",
    sandboxes: ["*"],
    ...rest,
    exp: now + expiresIn,
    ...(notBefore !== undefined && { nbf: now + notBefore }),
  };
}

/** Signed with the tests' secret, or another key. */
export async function token(
  claims: TokenClaims = {},
  key: string | KeyObject = SECRET,
  alg = "HS256",
): Promise<string> {
  return new SignJWT(payloadOf(claims))
    .setProtectedHeader({ alg })
    .sign(typeof key === "string" ? encode(key) : key);
}

/** A payload as it is, whatever is wrong with it. */
export async function signed(payload: JWTPayload, key = SECRET, alg = "HS256"): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(encode(key));
}

export function unsigned(claims: TokenClaims = {}): string {
  return new UnsecuredJWT(payloadOf(claims)).encode();
}

export function keyPair(): { privateKey: KeyObject; publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, publicPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}
