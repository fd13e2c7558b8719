import { BatonError } from "../../../protocol/errors.ts";
import type { Role } from "../../../protocol/sandbox.ts";
import type { Grant } from "../../sdk/api.ts";
import type { Action } from "./control-view.ts";

/** What the page offers this person. The gateway decides; this keeps buttons away that it would refuse. */
export interface Rights {
  /** Accept a request, take the browser, drive it, finish, give it back, hide the page. */
  readonly drive: boolean;
  /** Withdraw the agent's request. */
  readonly cancel: boolean;
  /** Hand the browser to another person. */
  readonly pass: boolean;
  /** Take the browser from another person. */
  readonly force: boolean;
  /** Make links for others. */
  readonly share: boolean;
  /** See which sandboxes there are. */
  readonly lobby: boolean;
}

/** Where no tokens are asked for, and before the gateway has spoken. */
export const ALL_RIGHTS: Rights = {
  drive: true,
  cancel: true,
  pass: true,
  force: true,
  // Without a secret there is nothing to sign a link with.
  share: false,
  lobby: true,
};

/** Roles that act for people. */
const FOR_PEOPLE: ReadonlySet<Role> = new Set(["worker", "sdk", "operator", "admin"]);

export function rightsOf(role: Role, grant: Grant | undefined): Rights {
  if (grant === undefined) return ALL_RIGHTS;
  const forPeople = FOR_PEOPLE.has(role);
  const unbound = forPeople && grant.link === undefined;
  return {
    drive: forPeople && grant.link !== "watch",
    cancel: unbound || role === "agent",
    pass: unbound,
    force: unbound && (role === "operator" || role === "admin"),
    share: unbound,
    lobby: unbound,
  };
}

export function mayDo(action: Action, rights: Rights): boolean {
  switch (action) {
    case "accept":
    case "accept-private":
    case "take-control":
    case "take-private":
    case "done":
    case "give-back":
      return rights.drive;
    case "cancel":
      return rights.cancel;
    case "take-over":
      return rights.force;
    default:
      return action satisfies never;
  }
}

/** Why somebody who cannot drive cannot, and what they can do about it. */
export function watchOnly(grant: Grant | undefined): string {
  return grant?.link === "watch"
    ? "This link is for watching. To drive, ask for a link that lets you."
    : "Your token is for watching. To drive, sign in with one that lets you.";
}

/** Why a sandbox cannot be shown: there is none, or it is not for this person. */
export function whyMissing(error: Error, grant: Grant | undefined): string {
  if (!(error instanceof BatonError) || error.code !== "forbidden" || grant === undefined)
    return error.message;
  return grant.link === undefined
    ? "Your token does not open this sandbox. Sign in with one that does."
    : "Your link does not open this sandbox, but one other.";
}

/** A link's single sandbox. */
export function sandboxOfLink(grant: Grant | undefined): string | undefined {
  return grant?.link === undefined ? undefined : grant.sandboxes[0];
}

/** Sandboxes that a token names one by one; the rest are beginnings of names. */
export function namedSandboxes({ sandboxes }: Grant): { named: string[]; beginnings: string[] } {
  return {
    named: sandboxes.filter((scope) => !scope.endsWith("*")),
    beginnings: sandboxes.filter((scope) => scope.endsWith("*")),
  };
}

/** The last stretch of a token's time, in which the page counts. */
const COUNTED_MS = 120_000;
/** Time that will be prolonged has been by then; if not, it is not going to be. */
const PROLONGED_BY_MS = 4_000;

/** Whether to warn that this person's time ends. `holds` the browser: the one case in which a link's is prolonged. */
export function endsSoon(grant: Grant | undefined, holds: boolean, now: number): boolean {
  if (grant === undefined) return false;
  const leftMs = grant.expiresAt - now;
  const prolonged = holds && grant.link === "drive";
  return leftMs < (prolonged ? PROLONGED_BY_MS : COUNTED_MS);
}
