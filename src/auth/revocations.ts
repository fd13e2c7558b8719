/** Which tokens may not be used any more, as every node learns within a second. */
import { BatonError } from "../../protocol/errors.ts";
import type { Logger } from "../ops/log.ts";
import { tooManyMarks } from "../store/marks.ts";
import type { Store } from "../store/store.ts";
import { revocableBy, type Identity } from "./identity.ts";

/** How a token's time ended. */
export type TokenEnd = "token_expired" | "token_revoked";

export interface Watch {
  /** From here on another token counts. */
  update(identity: Identity): void;
  stop(): void;
}

/** A class, not closures: every open socket has one. */
class Watcher implements Watch {
  identity: Identity;
  readonly ended: (how: TokenEnd) => void;
  readonly #revocations: Revocations;

  constructor(revocations: Revocations, identity: Identity, ended: (how: TokenEnd) => void) {
    this.#revocations = revocations;
    this.identity = identity;
    this.ended = ended;
  }

  update(identity: Identity): void {
    this.identity = identity;
    this.#revocations.wakeAt(identity.expiresAt);
  }

  stop(): void {
    this.#revocations.forget(this);
  }
}

/** Half of the second within which a revocation must be everywhere. */
const POLL_MS = 500;
/** A node that could not ask for so long takes no tokens: it does not know which were revoked. */
const STALE_MS = 10_000;

/** How often marks that have ended are let go of: what they ended has ended before. */
const CLEAN_MS = 10_000;

/** Far below what a timer can hold (24.8 days). */
const MAX_WAIT_MS = 24 * 60 * 60 * 1_000;

const REVOKED = "revoked:";

/**
 * Marks that links may have between them, of the 100,000 that a store keeps: whoever may make links could otherwise use
 * them all up, and nobody could revoke a token.
 */
const LINK_MARKS = 90_000;

export class Revocations {
  readonly #store: Store;
  readonly #log: Logger;
  /** Ids of all marks, those of revoked tokens and links among them, each with its end. Bounded by the store. */
  readonly #marks = new Map<string, number>();
  readonly #linkMarks: number;
  readonly #watchers = new Set<Watcher>();
  #version = 0;
  #cleanedAt = performance.now();
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** For the first token that expires. */
  #expiry: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined;
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: Store, log: Logger, { linkMarks = LINK_MARKS }: { readonly linkMarks?: number } = {}) {
    this.#store = store;
    this.#log = log;
    this.#linkMarks = linkMarks;
  }

  /** Resolves when what is revoked is known, or the store could not be asked: it is then asked again. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry?.timer);
    await this.#turn;
    this.#watchers.clear();
  }

  /** @throws BatonError `unavailable`, while nobody knows what was revoked */
  isRevoked(identity: Identity): boolean {
    if (performance.now() - this.#askedAt > STALE_MS) {
      throw new BatonError(
        "unavailable",
        "The gateway cannot find out which tokens were revoked, because its store is away. Try again in a moment.",
      );
    }
    return this.#isMarked(identity);
  }

  /**
   * Resolves when it is durable; other nodes learn of it at their next look.
   * @param until when the token ends by itself, epoch milliseconds
   * @throws BatonError `unavailable`, `too_many`
   */
  async revoke(tokenId: string, until: number): Promise<void> {
    const id = `${REVOKED}${tokenId}`;
    await this.#store.mark(id, "", until);
    this.#marks.set(id, until);
    this.#sweep();
  }

  /** The same for a link. @throws BatonError `unavailable`, `too_many` while there is room for tokens only */
  async revokeLink(linkId: string, until: number): Promise<void> {
    this.#checkRoom();
    await this.revoke(linkId, until);
  }

  /** Marks something of a link's. As the store's `mark`. @throws BatonError `unavailable`, `too_many` */
  async markLink(id: string, value: string, until: number): Promise<string> {
    this.#checkRoom();
    return this.#store.mark(id, value, until);
  }

  /** Calls `ended` once, when the token expires or is revoked, unless stopped before. */
  watch(identity: Identity, ended: (how: TokenEnd) => void): Watch {
    const watcher = new Watcher(this, identity, ended);
    this.#watchers.add(watcher);
    this.wakeAt(identity.expiresAt);
    return watcher;
  }

  forget(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Of what this node heard of half a second ago: the reserve is larger than what can come in that time. */
  #checkRoom(): void {
    if (this.#marks.size >= this.#linkMarks) throw tooManyMarks(this.#linkMarks);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(
      () => {
        this.#turn = this.#look().finally(() => this.#schedule());
      },
      POLL_MS * (0.75 + Math.random() / 2),
    );
  }

  async #look(): Promise<void> {
    try {
      const { version, reset, marks } = await this.#store.marksSince(this.#version);
      // What the store lost of links is lost; of revocations this node's word is all that is left.
      if (reset) for (const id of this.#marks.keys()) if (!id.startsWith(REVOKED)) this.#marks.delete(id);
      for (const { id, until } of marks) this.#marks.set(id, until);
      // Twice a second there is nothing new: no reason to look at every socket.
      if (marks.length > 0) this.#sweep();
      this.#askedAt = performance.now();
      // Until all is told again, the next look is answered with a reset again.
      if (reset) await this.#tellAgain(new Set(marks.map(({ id }) => id)));
      this.#version = version;
    } catch (error) {
      if (!(error instanceof BatonError && error.retryable))
        this.#log.error({ err: error }, "could not look for revoked tokens; trying again");
    }
    this.#clean();
  }

  #clean(): void {
    const now = performance.now();
    if (now - this.#cleanedAt < CLEAN_MS) return;
    this.#cleanedAt = now;
    for (const [id, until] of this.#marks) if (until <= Date.now()) this.#marks.delete(id);
  }

  async #tellAgain(stored: ReadonlySet<string>): Promise<void> {
    const now = Date.now();
    for (const [id, until] of this.#marks)
      if (id.startsWith(REVOKED) && until > now && !stored.has(id)) await this.#store.mark(id, "", until);
  }

  #isMarked(identity: Identity): boolean {
    return revocableBy(identity).some((id) => this.#marks.has(`${REVOKED}${id}`));
  }

  /** Expiry is to the moment, and one timer serves all sockets. */
  wakeAt(at: number): void {
    if (this.#closed || (this.#expiry && this.#expiry.at <= at)) return;
    clearTimeout(this.#expiry?.timer);
    const wait = Math.min(Math.max(0, at - Date.now()), MAX_WAIT_MS);
    this.#expiry = {
      at,
      timer: setTimeout(() => {
        this.#expiry = undefined;
        this.#sweep();
      }, wait),
    };
  }

  /** One look at all, when something ended: ten thousand sockets need no ten thousand timers. */
  #sweep(): void {
    const now = Date.now();
    let first = Number.POSITIVE_INFINITY;
    for (const watcher of this.#watchers) {
      const { expiresAt } = watcher.identity;
      const revoked = this.#isMarked(watcher.identity);
      if (!revoked && expiresAt > now) {
        first = Math.min(first, expiresAt);
        continue;
      }
      this.#watchers.delete(watcher);
      watcher.ended(revoked ? "token_revoked" : "token_expired");
    }
    if (Number.isFinite(first)) this.wakeAt(first);
  }
}
