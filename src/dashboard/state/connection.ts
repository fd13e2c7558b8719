import { batch, computed, effect, signal } from "@preact/signals";
import type { BatonError } from "../../../protocol/errors.ts";
import type { Role } from "../../../protocol/sandbox.ts";
import type { BatonClient, ConnectionStatus, Grant, SandboxHandle } from "../../sdk/api.ts";
import { connect } from "../../sdk/client.ts";
import type { Refusal } from "../lib/access-words.ts";
import { ALL_RIGHTS, rightsOf } from "../lib/rights.ts";
import { setClockOffset } from "./clock.ts";
import { credential, type Credential, keepForReload, signOut } from "./credential.ts";
import { myName } from "./name.ts";

export const status = signal<ConnectionStatus>("connecting");
/** Newest round trip to the gateway, ms. */
export const latencyMs = signal<number | undefined>(undefined);

/** The gateway has lost its store: what is shown is true, and nothing can be changed. */
export const degraded = signal(false);

/** Whom the gateway takes this page for; `undefined` until it said so. */
export const identity = signal<
  { readonly name: string; readonly role: Role; readonly grant: Grant | undefined } | undefined
>(undefined);

/** The gateway does not let this page in, or no longer. */
export const refusal = signal<Refusal | undefined>(undefined);

/** This person's name: a token's subject, or what they call themselves. */
export const me = computed(() => identity.value?.name ?? myName.value);
export const grant = computed(() => identity.value?.grant);
export const rights = computed(() => {
  const known = identity.value;
  return known === undefined ? ALL_RIGHTS : rightsOf(known.role, known.grant);
});

/** The one connection of this page. A new name or token is a new connection: the gateway learns them at the start. */
export const client = signal<BatonClient>(open(credential.peek(), myName.peek()));
let opened = { held: credential.peek(), name: myName.peek() };

function open(held: Credential | undefined, name: string): BatonClient {
  const url = location.origin;
  if (held?.token === undefined) return connect({ url, role: "operator", name });
  return connect({
    url,
    token: held.token,
    clientId: held.clientId,
    onSession: (session) => session && keepForReload(session.token),
  });
}

effect(() => {
  const held = credential.value;
  const name = myName.value;
  if (opened.held === held && (held !== undefined || opened.name === name)) return;
  const present = client.peek();
  const before = opened;
  opened = { held, name };
  batch(() => {
    if (before.held !== held) {
      identity.value = undefined;
      // What was typed into the sign-in page stays there until there is an answer to it.
      if (held?.from !== "pasted") refusal.value = undefined;
    }
    client.value = open(held, name);
  });
  present.close();
});

effect(() => {
  const present = client.value;
  status.value = present.status;
  const look = (next: ConnectionStatus, latency: number | undefined): void =>
    batch(() => {
      status.value = next;
      latencyMs.value = latency;
      degraded.value = present.degraded;
      setClockOffset(present.clockOffsetMs);
      if (next === "open") greeted(present);
      else if (present.error !== undefined) turnedAway(present.error);
    });
  return present.onStatus(look);
});

function greeted(present: BatonClient): void {
  const { name, role, grant } = present;
  if (grant === undefined && opened.held !== undefined) {
    // Nobody asks for tokens here: this page goes by its own name, as everybody.
    signOut();
    return;
  }
  refusal.value = undefined;
  const known = identity.peek();
  const same = known?.name === name && known.role === role && known.grant?.expiresAt === grant?.expiresAt;
  if (!same) identity.value = { name, role, grant };
}

function turnedAway(error: BatonError): void {
  const known = identity.peek();
  const { held } = opened;
  const unauthorized = error.code === "unauthorized";
  // Without a token at stake the badge says it; the page keeps what it shows.
  if (!unauthorized && held === undefined) return;
  if (error.code === "invalid_message" && known === undefined) {
    // A gateway that asks for no tokens reads none: this page goes by its own name, as everybody.
    signOut();
    return;
  }
  const malformed = held !== undefined && held.token === undefined;
  const reason = error.details?.["reason"];
  const link = known === undefined ? held?.from === "link" : known.grant?.link !== undefined;
  refusal.value = {
    reason: !unauthorized
      ? "closed"
      : malformed
        ? "malformed"
        : typeof reason === "string"
          ? reason
          : "refused",
    by: held === undefined ? "nothing" : link ? "link" : "token",
    wasIn: known !== undefined,
    message: error.message,
  };
  identity.value = undefined;
}

interface Lease {
  readonly handle: SandboxHandle;
  users: number;
}
const leases = new WeakMap<BatonClient, Map<string, Lease>>();

/**
 * A sandbox's handle, shared by all parts of the page that show it, and followed until the last one has released it.
 * `release` twice does nothing.
 */
export function leaseHandle(
  present: BatonClient,
  sandboxId: string,
): { handle: SandboxHandle; release: () => void } {
  const all = leases.get(present) ?? new Map<string, Lease>();
  leases.set(present, all);
  const lease = all.get(sandboxId) ?? { handle: present.sandbox(sandboxId), users: 0 };
  all.set(sandboxId, lease);
  lease.users++;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    lease.users--;
    // From card to viewer the one lets go before the other takes: without the pause that would leave and join again.
    setTimeout(() => {
      if (lease.users > 0 || all.get(sandboxId) !== lease) return;
      all.delete(sandboxId);
      lease.handle.close();
    }, 250);
  };
  return { handle: lease.handle, release };
}
