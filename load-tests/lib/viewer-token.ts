/** Tokens for those who only watch. */
import { nanoid } from "nanoid";
import { Keys } from "../../src/auth/keys.ts";

const TOKEN_MS = 60 * 60_000;

/** One of its own for each, as each person has one. */
export function viewerToken(secret: string, sandboxId: string, viewer: number): Promise<string> {
  const claims = { sub: `viewer-${viewer}`, role: "viewer", sandboxes: [sandboxId], jti: nanoid() };
  return new Keys({ secrets: [secret] }).sign(claims, Date.now() + TOKEN_MS);
}
