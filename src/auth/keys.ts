/** The keys that tokens are signed with: the gateway's own secrets, public keys, and a key server's. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  SignJWT,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from "jose";
import { MAX_TOKEN_LENGTH } from "../../protocol/auth.ts";
import { BatonError } from "../../protocol/errors.ts";
import { unauthorized } from "./identity.ts";

export interface KeyOptions {
  /** The first signs; all are accepted, so that one can be replaced while tokens of the old one are still out. */
  readonly secrets: readonly string[];
  /** One or more public keys in PEM, one after the other. */
  readonly publicKeys?: string;
  /** Where a key server lists its public keys (JWKS). Read again when a token names a key that is not known. */
  readonly jwksUrl?: string;
  /** What `iss` and `aud` must be of tokens that are not signed with a secret. */
  readonly issuer?: string;
  readonly audience?: string;
}

/** Shorter ones can be guessed from one token, without asking the gateway: 256 bits, as HS256 wants (RFC 7518). */
export const MIN_SECRET_LENGTH = 32;
const MAX_PUBLIC_KEYS = 16;
const JWKS_TIMEOUT_MS = 5_000;
/** How long a key server that did not answer is left alone: anybody can send tokens of keys that are not known. */
const JWKS_REST_MS = 1_000;
/** Issuers' clocks run a little ahead: only for `nbf`; what has expired has expired. */
const TOLERANCE_S = 5;
/** Which signatures a public key may have made. Never HS256: a public key is no secret. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  rsa: ["RS256", "PS256"],
  ec: ["ES256", "ES384"],
  ed25519: ["EdDSA", "Ed25519"],
};
/** In OpenSSL's names. */
const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1"]);
const PUBLIC_ALGORITHMS = Object.values(ALGORITHMS).flat();

/** What was signed, and by which kind of key. */
export interface Verified {
  readonly payload: JWTPayload;
  /** Signed with a secret of the gateway's: it may say what only the gateway says. */
  readonly own: boolean;
  /** Digest of what was signed. */
  readonly digest: string;
}

interface PublicKey {
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
}

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;

export class Keys {
  /** Imported once: `jose` would import bytes anew for each token, at twice the cost of checking it. */
  readonly #secrets: readonly Promise<CryptoKey>[];
  readonly #publicKeys: readonly PublicKey[];
  readonly #remote: JWTVerifyGetKey | undefined;
  #remoteFailedAt = Number.NEGATIVE_INFINITY;
  readonly #options: KeyOptions;

  /**
   * @param jwksCooldownMs how long the key server is left alone after it was asked, whatever keys tokens name
   * @throws TypeError saying what is wrong with which option, without quoting it
   */
  constructor(options: KeyOptions, { jwksCooldownMs = 30_000 }: { readonly jwksCooldownMs?: number } = {}) {
    this.#options = options;
    if (options.secrets.length === 0 || options.secrets.some((secret) => secret.length < MIN_SECRET_LENGTH))
      throw new TypeError(`A secret must have at least ${MIN_SECRET_LENGTH} characters.`);
    this.#secrets = options.secrets.map(async (secret) =>
      crypto.subtle.importKey("raw", new TextEncoder().encode(secret), HMAC, false, ["sign", "verify"]),
    );
    this.#publicKeys = options.publicKeys === undefined ? [] : readPublicKeys(options.publicKeys);
    this.#remote =
      options.jwksUrl === undefined
        ? undefined
        : createRemoteJWKSet(new URL(options.jwksUrl), {
            timeoutDuration: JWKS_TIMEOUT_MS,
            cooldownDuration: jwksCooldownMs,
          });
  }

  /** @throws as the constructor does */
  static check(options: KeyOptions): void {
    void new Keys(options);
  }

  /** @param expiresAt epoch milliseconds */
  async sign(claims: JWTPayload, expiresAt: number): Promise<string> {
    const secret = await this.#secrets[0];
    if (!secret) throw new TypeError("There is no secret to sign with.");
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuedAt()
      .setExpirationTime(Math.floor(expiresAt / 1_000))
      .sign(secret);
  }

  /**
   * Checks signature and time.
   * @throws BatonError `unauthorized`; `unavailable` when the key server does not answer
   */
  async verify(token: string): Promise<Verified> {
    const alg = algorithmOf(token);
    const own = alg === "HS256";
    if (!own && !PUBLIC_ALGORITHMS.includes(alg)) throw unauthorized("algorithm");
    const payload = own ? await this.#verifyOwn(token) : await this.#verifyForeign(token, alg);
    // To the moment: the tolerance is for clocks that are ahead.
    if (payload.exp !== undefined && payload.exp * 1_000 <= Date.now()) throw unauthorized("expired");
    const signed = token.slice(0, token.lastIndexOf("."));
    return { payload, own, digest: `h:${createHash("sha256").update(signed).digest("base64url")}` };
  }

  async #verifyOwn(token: string): Promise<JWTPayload> {
    const options = { algorithms: ["HS256"], requiredClaims: ["exp"], clockTolerance: TOLERANCE_S };
    return first(
      this.#secrets.map((secret) => async () => (await jwtVerify(token, await secret, options)).payload),
    );
  }

  async #verifyForeign(token: string, alg: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#options;
    const options = {
      algorithms: [alg],
      requiredClaims: ["exp"],
      clockTolerance: TOLERANCE_S,
      ...(issuer !== undefined && { issuer }),
      ...(audience !== undefined && { audience }),
    };
    const remote = this.#remote;
    const attempts = this.#publicKeys
      .filter(({ algorithms }) => algorithms.includes(alg))
      .map(
        ({ key }) =>
          async () =>
            (await jwtVerify(token, key, options)).payload,
      );
    if (remote) attempts.push(() => this.#verifyRemote(remote, token, options));
    return first(attempts);
  }

  async #verifyRemote(
    remote: JWTVerifyGetKey,
    token: string,
    options: JWTVerifyOptions,
  ): Promise<JWTPayload> {
    if (performance.now() - this.#remoteFailedAt < JWKS_REST_MS) throw noKeys();
    try {
      return (await jwtVerify(token, remote, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed) && refusalOf(error).retryable)
        this.#remoteFailedAt = performance.now();
      throw error;
    }
  }
}

/** The first key that fits says what is right or wrong with the token; if none does, its signature is wrong. */
async function first(attempts: readonly (() => Promise<JWTPayload>)[]): Promise<JWTPayload> {
  for (const attempt of attempts) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refusalOf(error);
    }
  }
  throw unauthorized("signature");
}

function algorithmOf(token: string): string {
  if (token.length > MAX_TOKEN_LENGTH) throw unauthorized("malformed");
  try {
    return decodeProtectedHeader(token).alg ?? "none";
  } catch {
    throw unauthorized("malformed");
  }
}

function refusalOf(error: unknown): BatonError {
  if (error instanceof BatonError) return error;
  if (error instanceof errors.JWTExpired) return unauthorized("expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "nbf") return unauthorized("not_yet_valid");
    if (error.claim === "iss") return unauthorized("issuer");
    if (error.claim === "aud") return unauthorized("audience");
    return unauthorized("claims");
  }
  // A key server that knows no such key, or several that fit: nobody whom the gateway knows signed this.
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return unauthorized("signature");
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return unauthorized("malformed");
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return unauthorized("algorithm");
  return noKeys(error);
}

function noKeys(cause?: unknown): BatonError {
  return new BatonError(
    "unavailable",
    "The server of BATON_JWKS_URL does not answer with keys, so that this token cannot be checked. Try again.",
    undefined,
    { cause },
  );
}

function readPublicKeys(text: string): readonly PublicKey[] {
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g) ?? [];
  if (blocks.length === 0 || blocks.length > MAX_PUBLIC_KEYS)
    throw new TypeError(`There must be 1 to ${MAX_PUBLIC_KEYS} public keys in PEM.`);
  return blocks.map((block) => {
    if (block.includes("PRIVATE"))
      throw new TypeError("One of the keys is a private one. Give its public half only.");
    const key = createPublicKey(block);
    const algorithms = ALGORITHMS[key.asymmetricKeyType ?? ""];
    if (!algorithms) throw new TypeError("A public key must be of RSA, of an elliptic curve, or Ed25519.");
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (curve !== undefined && !CURVES.has(curve))
      throw new TypeError("The curve of a public key must be P-256 or P-384.");
    if (key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2_048)
      throw new TypeError("An RSA key must have 2048 bits or more.");
    return { key, algorithms };
  });
}
