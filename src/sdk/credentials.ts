import { MAX_TOKEN_LENGTH, type SessionToken, Token } from "../../protocol/auth.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { Hello } from "../../protocol/up.ts";
import type { z } from "zod";
import type { Grant, TokenSource } from "./api.ts";
import { waiting } from "./waiting.ts";

/** A token function that takes longer than this is asked again: a socket waits for what it answers. */
const TOKEN_TIMEOUT_MS = 30_000;
/** A token that ends within this is not used for a new call. */
export const TOKEN_SPARE_MS = 30_000;

export type Greeting = Omit<z.infer<typeof Hello>, "type" | "version">;
type Welcome = Extract<DownMessage, { type: "welcome" }>;

export interface CredentialsOptions {
  readonly token: TokenSource | undefined;
  readonly onSession: ((session: SessionToken | undefined) => void) | undefined;
  readonly clientId: string;
  readonly role: Role | undefined;
  readonly name: string | undefined;
}

/**
 * Who this client is: what it asks to be, the token that it shows, and what the gateway made of both. Tokens stay in
 * here; no error and no address holds one.
 */
export class Credentials {
  readonly #options: CredentialsOptions;
  /** Instead of a link's own token, which may be good only once. */
  #session: SessionToken | undefined;
  /** The newest answer of the token function, and its end as the gateway said it. */
  #fetched: { readonly token: string; readonly expiresAt?: number } | undefined;
  #asking: Promise<string> | undefined;
  #welcome: Pick<Welcome, "name" | "role"> | undefined;
  #grant: Grant | undefined;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** Whether name and role are certain: without a token they are what was asked for. */
  get known(): boolean {
    const { token, name } = this.#options;
    return token === undefined || name !== undefined || this.#welcome !== undefined;
  }

  get name(): string {
    return this.#welcome?.name ?? this.#options.name ?? this.role;
  }

  get role(): Role {
    return this.#welcome?.role ?? this.#options.role ?? "sdk";
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** How the token's time is prolonged: by a new one of the function, by asking for more, or not at all. */
  get prolonging(): "refresh" | "renew" | undefined {
    if (this.#grant?.link === "drive") return "renew";
    return this.#grant !== undefined && !this.#session && this.#asksForTokens ? "refresh" : undefined;
  }

  /** What the next socket says first. Rejects when no token could be had. */
  greeting(): Greeting | Promise<Greeting> {
    const { clientId, role, name, token } = this.#options;
    const stated = { clientId, ...(role !== undefined && { role }), ...(name !== undefined && { name }) };
    if (token === undefined) return { ...stated, role: this.role, name: this.name };
    const held = this.#session?.token ?? (typeof token === "string" ? token : undefined);
    if (held !== undefined) return { ...stated, token: held };
    return this.fetch().then((fetched) => ({ ...stated, token: fetched }));
  }

  /** For the header of an HTTP call. @throws BatonError `unauthorized`, or what the token function threw */
  async bearer(gatewayNow: number): Promise<string | undefined> {
    const { token } = this.#options;
    if (this.#session) return this.#session.token;
    if (typeof token !== "function") return token;
    const fetched = this.#fetched;
    if (fetched?.expiresAt !== undefined && fetched.expiresAt - gatewayNow > TOKEN_SPARE_MS) {
      return fetched.token;
    }
    return this.fetch();
  }

  /** What an HTTP call says beside the token. */
  get statedHeaders(): { role?: Role; name?: string } {
    const { token, role, name } = this.#options;
    if (token === undefined) return { role: this.role, name: this.name };
    return { ...(role !== undefined && { role }), ...(name !== undefined && { name }) };
  }

  welcomed({ name, role, grant, session }: Welcome): void {
    this.#welcome = { name, role };
    this.#grant = grant;
    if (session) this.#keep(session);
    if (grant && this.#fetched) this.#fetched = { token: this.#fetched.token, expiresAt: grant.expiresAt };
  }

  /** `auth.updated`: the socket lives longer. `token` is the one that it was given. */
  prolonged(expiresAt: number, by: { token?: string; session?: SessionToken | undefined }): void {
    if (this.#grant) this.#grant = { ...this.#grant, expiresAt };
    if (by.session) this.#keep(by.session);
    if (by.token !== undefined) this.#fetched = { token: by.token, expiresAt };
  }

  /** A socket was refused, or closed for good. Returns true when another token than that one can be had. */
  refused(refusal: BatonError): boolean {
    if (refusal.code !== "unauthorized") return false;
    const expired = refusal.details?.["reason"] === "expired";
    const held = this.#session !== undefined;
    if (held) this.#keep(undefined);
    this.#fetched = undefined;
    const over = expired && (held || refusal.details?.["closeCode"] !== undefined);
    return over && this.#asksForTokens;
  }

  /** Asks the token function; one question at a time. */
  fetch(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  get #asksForTokens(): boolean {
    return typeof this.#options.token === "function";
  }

  async #ask(): Promise<string> {
    const { token: source } = this.#options;
    if (typeof source !== "function") throw malformed("There is no token function");
    const answered = await waiting<unknown>(
      "The token function",
      { timeoutMs: TOKEN_TIMEOUT_MS },
      (resolve, reject) => {
        Promise.resolve().then(source).then(resolve, reject);
        return () => {};
      },
    );
    const token = Token.safeParse(answered);
    if (!token.success) throw malformed("What the token function returned is no token");
    this.#fetched = { token: token.data };
    return token.data;
  }

  #keep(session: SessionToken | undefined): void {
    this.#session = session;
    this.#options.onSession?.(session);
  }
}

/** @throws BatonError `unauthorized` (`details.reason`: `malformed`), which does not say what was given */
export function checkToken(token: TokenSource | undefined): void {
  if (token === undefined || typeof token === "function") return;
  if (!Token.safeParse(token).success) throw malformed("`token` is no token");
}

function malformed(what: string): BatonError {
  const message = `${what}: it must be three base64url parts with dots between, at most ${MAX_TOKEN_LENGTH} characters. Give it as it was issued.`;
  return new BatonError("unauthorized", message, { reason: "malformed" });
}
