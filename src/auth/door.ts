/**
 * What stands before everything: who is let in, how often they may knock, and the record of it. One for the gateway;
 * sockets, HTTP and agents' connections all come through it.
 */
import { BatonError } from "../../protocol/errors.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { Caller, Operation } from "../core/access.ts";
import { AddressSet, clientAddress } from "../limits/client-address.ts";
import type { Limits } from "../limits/limits.ts";
import type { Logger } from "../ops/log.ts";
import type { Auth, Claim, Greeting } from "./auth.ts";
import type { Identity } from "./identity.ts";

/** Where the record goes. */
export interface AuditSink {
  /** Resolves when writing it was tried. Never rejects. */
  record(entry: AuditEntry): Promise<void>;
}

export interface DoorOptions {
  /** Absent: no tokens are asked for, and everybody is who they say. */
  readonly auth?: Auth;
  readonly limits: Limits;
  readonly audit: AuditSink;
  readonly trustedProxies?: AddressSet;
  readonly log: Pick<Logger, "warn">;
}

/** What is known of a request before it is read. */
interface Knock {
  readonly remoteAddress: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/**
 * Refusals recorded a minute. The record is bounded, and who is refused must not be able to push out what others did
 * by being refused again and again: those beyond are counted, and the next line says how many there were.
 */
const REFUSALS_A_MINUTE = 120;

export class Door {
  readonly auth: Auth | undefined;
  readonly limits: Limits;
  readonly #audit: AuditSink;
  readonly #trusted: AddressSet;
  readonly #log: Pick<Logger, "warn">;
  #warned = false;
  /** Strangers' refusals, which anybody can cause, take no room from those of callers with a token. */
  readonly #strangers = new RefusalsRecorded();
  readonly #known = new RefusalsRecorded();
  /** An error passes several places on its way out, which need not know of each other. */
  readonly #recorded = new WeakSet<BatonError>();

  constructor({ auth, limits, audit, log, trustedProxies = new AddressSet() }: DoorOptions) {
    this.#log = log;
    this.auth = auth;
    this.limits = limits;
    this.#audit = audit;
    this.#trusted = trustedProxies;
  }

  /**
   * Without tokens everybody is taken for somebody at this machine: who comes through a proxy is not.
   * @throws BatonError `forbidden`
   */
  refuseForwarded({ headers }: Pick<Knock, "headers">): void {
    if (this.auth || (headers["x-forwarded-for"] ?? headers["forwarded"]) === undefined) return;
    throw new BatonError(
      "forbidden",
      "This gateway asks nobody who they are, so it takes nobody who comes through a proxy. Set BATON_SECRET.",
    );
  }

  /** Where it really comes from, as far as trusted proxies say. */
  addressOf({ remoteAddress, headers }: Knock): string {
    if (!this.#warned && headers["x-forwarded-for"] !== undefined && !this.#trusted.has(remoteAddress)) {
      this.#warned = true;
      // Said once: it may be a stranger's invention as well, who must not fill the log with it.
      this.#log.warn(
        { remoteAddress },
        "a request names the client that it came from, and its sender is no proxy of BATON_TRUSTED_PROXIES: all who come through it count as one address",
      );
    }
    return clientAddress(remoteAddress, headers, this.#trusted);
  }

  /**
   * Who bears the token.
   * @throws BatonError `unauthorized`, `rate_limited` after too many that were not valid, `unavailable`
   */
  identify(auth: Auth, token: string | undefined, address: string): Promise<Identity> {
    return this.#try(address, () => auth.identify(token));
  }

  /** The same for a socket's `hello`, where a link may be opened. */
  async greet(
    auth: Auth,
    {
      token,
      clientId,
      ...claim
    }: Claim & { readonly token: () => string | undefined; readonly clientId: string },
    address: string,
  ): Promise<Greeting> {
    const greeting = await this.#try(address, async () => auth.greet(token(), clientId, claim));
    const { identity, session } = greeting;
    if (session) {
      await this.#audit.record({
        action: "link.open",
        outcome: "ok",
        ...whoOf(identity, address),
        ...(identity.grant.sandboxes[0] !== undefined && { sandboxId: identity.grant.sandboxes[0] }),
        ...(identity.linkId !== undefined && { detail: { linkId: identity.linkId } }),
      });
    }
    return greeting;
  }

  /** A newer token for a socket that is open. @throws as `identify`, and `forbidden` when it is somebody else's */
  refresh(auth: Auth, present: Identity, token: string, address: string): Promise<Identity> {
    return this.#try(address, () => auth.refresh(present, token));
  }

  /** Records what was done. */
  did(caller: Caller, entry: Omit<AuditEntry, "outcome" | keyof ReturnType<typeof whoIs>>): Promise<void> {
    return this.#audit.record({ ...entry, outcome: "ok", ...whoIs(caller) });
  }

  /** Records what was refused: not what could not be done at the moment, and not every one of too many. */
  refused(
    caller: Pick<Caller, "address"> & Partial<Caller>,
    action: Operation | "cdp.command" | "connect" | "request",
    error: unknown,
    fields: Pick<AuditEntry, "sandboxId" | "epoch"> = {},
  ): void {
    if (!(error instanceof BatonError) || error.retryable || this.#recorded.has(error)) return;
    this.#recorded.add(error);
    const unrecordedBefore = (caller.name === undefined ? this.#strangers : this.#known).take();
    if (unrecordedBefore === undefined) return;
    const reason = error.details?.["reason"];
    const detail = {
      ...(typeof reason === "string" && { reason }),
      ...(unrecordedBefore > 0 && { unrecordedBefore }),
    };
    void this.#audit.record({
      action,
      outcome: "refused",
      code: error.code,
      ...whoIs(caller),
      ...fields,
      ...(Object.keys(detail).length > 0 && { detail }),
    });
  }

  async #try<T>(address: string, check: () => Promise<T>): Promise<T> {
    this.limits.mayTry(address);
    try {
      return await check();
    } catch (error) {
      // Nothing was guessed by who had nothing to say.
      if (
        error instanceof BatonError &&
        error.code === "unauthorized" &&
        error.details?.["reason"] !== "missing"
      )
        this.limits.refusedToken(address);
      this.refused({ address }, "connect", error);
      throw error;
    }
  }
}

/** How many more refusals may be recorded in this minute. */
class RefusalsRecorded {
  #left = REFUSALS_A_MINUTE;
  #minute = 0;
  #unrecorded = 0;

  /** @returns how many went unrecorded before this one; undefined: neither may this one be */
  take(): number | undefined {
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#left = REFUSALS_A_MINUTE;
    }
    if (this.#left === 0) {
      this.#unrecorded += 1;
      return undefined;
    }
    this.#left -= 1;
    const before = this.#unrecorded;
    this.#unrecorded = 0;
    return before;
  }
}

/** What the record says of somebody who names another person (C4). */
export function actedFor(
  { name }: Pick<Caller, "name">,
  named: string | undefined,
): Pick<AuditEntry, "detail"> {
  return named === undefined || named === name ? {} : { detail: { actedFor: named } };
}

function whoOf({ subject, role, tokenId }: Identity, address: string) {
  return { subject, role, tokenId, address };
}

function whoIs({ name, role, address, tokenId }: Pick<Caller, "address"> & Partial<Caller>) {
  return {
    address,
    ...(name !== undefined && { subject: name }),
    ...(role !== undefined && { role }),
    ...(tokenId !== undefined && tokenId !== "" && { tokenId }),
  };
}
