/** The doorkeeper: reads tokens, opens links, and says when a token's time is over. */
import { customAlphabet, nanoid } from "nanoid";
import { MAX_LINK_TTL_MS, type CreateLinkBody, type Link } from "../../protocol/auth.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { Caller } from "../core/access.ts";
import type { Logger } from "../ops/log.ts";
import type { Store } from "../store/store.ts";
import { readClaims, type ReadToken } from "./claims.ts";
import { unauthorized, type Identity } from "./identity.ts";
import { Keys, type KeyOptions } from "./keys.ts";
import { Revocations, type TokenEnd, type Watch } from "./revocations.ts";

export interface AuthOptions {
  readonly keys: KeyOptions;
  readonly store: Store;
  readonly log: Logger;
}

/** A token that the gateway made for one who came by a link. */
export interface Session {
  readonly token: string;
  readonly expiresAt: number;
}

export interface Greeting {
  readonly identity: Identity;
  /** After a link's token: what to connect with from now on. */
  readonly session?: Session;
}

/** What `hello` says beside the token. */
export interface Claim {
  readonly name?: string;
  readonly role?: Role;
}

/** The end of a guest's name, which nobody guesses and nobody mistakes: without letters that look alike. */
const guestEnding = customAlphabet("abcdefghjkmnpqrstuvwxyz23456789", 6);
const DEFAULT_LINK_TTL_MS = 15 * 60_000;
/** Longer than any token that came of a link can still live. */
const LINK_MEMORY_MS = MAX_LINK_TTL_MS + 60 * 60_000;
/** What has expired is refused; a mark that outlasts it needs no agreement on what time it is. */
const MARGIN_MS = 60_000;

export class Auth {
  readonly #keys: Keys;
  readonly #revocations: Revocations;

  /** @throws TypeError when a key cannot be used */
  constructor({ keys, store, log }: AuthOptions) {
    this.#keys = new Keys(keys);
    this.#revocations = new Revocations(store, log);
  }

  start(): Promise<void> {
    return this.#revocations.start();
  }

  close(): Promise<void> {
    return this.#revocations.close();
  }

  /**
   * Who bears this token.
   * @throws BatonError `unauthorized`; `unavailable` while it cannot be checked
   */
  async identify(token: string | undefined): Promise<Identity> {
    const { identity, opens } = await this.#read(token);
    if (opens) throw unauthorized("link");
    return identity;
  }

  /**
   * The same for a socket's first message, where a link may be opened.
   * @param opener who may open a single-use link again: one whose answer was lost, and nobody else
   * @param claim who the bearer says they are: nobody else than the token says
   * @throws BatonError `unauthorized`, `forbidden`, `unavailable`
   */
  async greet(token: string | undefined, opener: string, claim: Claim = {}): Promise<Greeting> {
    const { identity, opens } = await this.#read(token);
    // Before a link is used up.
    const { subject, role } = identity;
    if ((claim.name ?? subject) !== subject || (claim.role ?? role) !== role) {
      throw new BatonError(
        "forbidden",
        `The token is of ${subject} with the role ${role}. Leave \`name\` and \`role\` out, or send these.`,
        { name: subject, role },
      );
    }
    if (!opens) return { identity };
    if (opens.once) {
      const until = identity.expiresAt + MARGIN_MS;
      const winner = await this.#revocations.markLink(`used:${opens.linkId}`, opener, until);
      if (winner !== opener) throw unauthorized("used");
    }
    if (!opens.apart) return this.#makeSession(identity);
    // Nobody can open a link to become the guest that somebody else is: that guest's private page would be theirs.
    return this.#makeSession({ ...identity, subject: `${subject}-${guestEnding()}` });
  }

  /**
   * A newer token for a socket that is open.
   * @throws BatonError `unauthorized`; `forbidden` when it is somebody else's
   */
  async refresh(present: Identity, token: string): Promise<Identity> {
    const identity = await this.identify(token);
    if (identity.subject === present.subject && identity.role === present.role) return identity;
    throw new BatonError(
      "forbidden",
      "The new token is of another subject or role. Open another socket for another identity.",
    );
  }

  /**
   * More time for one who came by a link. Whether there is a reason is the caller's to know.
   * @throws BatonError `forbidden`, `unauthorized`
   */
  async renew(present: Identity): Promise<Required<Greeting>> {
    if (present.linkId === undefined) {
      throw new BatonError(
        "forbidden",
        "Only who came by a link is given more time. Send a newer token with auth.refresh.",
      );
    }
    this.#refuseRevoked(present);
    return this.#makeSession(present);
  }

  /**
   * Ends the token and the links that it made, on every node within a second.
   * @param until when it ends by itself, epoch milliseconds
   */
  revoke(tokenId: string, until: number): Promise<void> {
    // Its links may last longer than it does.
    return this.#revocations.revoke(tokenId, Math.max(until + MARGIN_MS, Date.now() + LINK_MEMORY_MS));
  }

  revokeLink(linkId: string): Promise<void> {
    return this.#revocations.revokeLink(linkId, Date.now() + LINK_MEMORY_MS);
  }

  /**
   * Whether a call that took long to come may still be done.
   * @throws BatonError `unauthorized`, `unavailable`
   */
  checkStill(identity: Identity): void {
    if (identity.expiresAt <= Date.now()) throw unauthorized("expired");
    this.#refuseRevoked(identity);
  }

  /** An ordinary token, signed with the gateway's secret. */
  sign(claims: {
    readonly subject: string;
    readonly role: Role;
    readonly sandboxes: readonly string[];
    readonly actFor?: boolean;
    readonly expiresAt: number;
  }): Promise<string> {
    const { subject, role, sandboxes, actFor = false, expiresAt } = claims;
    return this.#keys.sign(
      { sub: subject, role, sandboxes: [...sandboxes], jti: nanoid(), ...(actFor && { act_for: true }) },
      expiresAt,
    );
  }

  /**
   * The link's id begins with the sandbox that it opens: who may end one sandbox's links ends no other's.
   * @param by who mints it. Whom it makes of its bearer is told apart from people with tokens of their own, unless the
   *   one who mints it may act for them.
   */
  async createLink(
    sandboxId: string,
    body: CreateLinkBody,
    by: Pick<Caller, "grant" | "tokenId">,
  ): Promise<{ link: Link; token: string }> {
    const { access, expiresInMs = DEFAULT_LINK_TTL_MS, singleUse = false } = body;
    const chosen = by.grant.actFor ? body.subject : undefined;
    const subject = chosen ?? ["guest", body.subject].filter((part) => part !== undefined).join("-");
    const linkId = `${sandboxId}.${nanoid()}`;
    const expiresAt = inSeconds(Date.now() + expiresInMs);
    const token = await this.#keys.sign(
      {
        ...linkClaims({ subject, access, sandboxId, lifeMs: expiresInMs, madeBy: by.tokenId }),
        use: "link",
        jti: linkId,
        ...(singleUse && { once: true }),
        ...(chosen === undefined && { apart: true }),
      },
      expiresAt,
    );
    return { link: { linkId, sandboxId, access, subject, singleUse, expiresAt }, token };
  }

  /** Calls `ended` once when the token expires or is revoked, at most half a second late. */
  watch(identity: Identity, ended: (how: TokenEnd) => void): Watch {
    return this.#revocations.watch(identity, ended);
  }

  async #read(token: string | undefined): Promise<ReadToken> {
    if (token === undefined || token === "") throw unauthorized("missing");
    const read = readClaims(await this.#keys.verify(token));
    this.#refuseRevoked(read.identity);
    return read;
  }

  #refuseRevoked(identity: Identity): void {
    if (this.#revocations.isRevoked(identity)) throw unauthorized("revoked");
  }

  async #makeSession(identity: Identity): Promise<Required<Greeting>> {
    const { subject, grant, linkId, lifeMs, madeBy } = identity;
    const [sandboxId] = grant.sandboxes;
    if (linkId === undefined || lifeMs === undefined || sandboxId === undefined || grant.link === undefined)
      throw unauthorized("claims");
    const expiresAt = inSeconds(Date.now() + lifeMs);
    const tokenId = nanoid();
    const token = await this.#keys.sign(
      {
        ...linkClaims({ subject, access: grant.link, sandboxId, lifeMs, madeBy }),
        use: "session",
        jti: tokenId,
        link: linkId,
      },
      expiresAt,
    );
    return { identity: { ...identity, tokenId, expiresAt }, session: { token, expiresAt } };
  }
}

function linkClaims(of: {
  readonly subject: string;
  readonly access: Link["access"];
  readonly sandboxId: string;
  readonly lifeMs: number;
  readonly madeBy: string | undefined;
}) {
  const { subject, access, sandboxId, lifeMs, madeBy } = of;
  const role: Role = access === "drive" ? "operator" : "viewer";
  return {
    sub: subject,
    role,
    sandboxes: [sandboxId],
    access,
    life: lifeMs,
    ...(madeBy !== undefined && madeBy !== "" && { by: madeBy }),
  };
}

/** Tokens know seconds: no time is promised that they don't give. */
function inSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

/** What every door makes of an identity. */
export function callerOf({ subject, role, grant, tokenId }: Identity, address: string): Caller {
  return { name: subject, role, grant, address, tokenId };
}
