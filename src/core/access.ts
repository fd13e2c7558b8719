/** Who may ask for what. One table, checked on the server for every message, HTTP call and socket. */
import type { LinkAccess } from "../../protocol/auth.ts";
import type { Control } from "../../protocol/control.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { UpType } from "../../protocol/up.ts";

export type Operation =
  | Exclude<UpType, "hello" | "ping">
  | "sandbox.create"
  | "sandbox.remove"
  | "handoff.override"
  | "control.force"
  | "cdp.connect"
  | "link.create"
  | "link.revoke"
  | "token.revoke"
  | "audit.read"
  | "metrics.read";

const EVERYBODY = ["agent", "worker", "sdk", "operator", "viewer", "admin"] as const;
const PROGRAMS = ["agent", "worker", "sdk", "admin"] as const;
/** People, and programs that act for one. */
const FOR_PEOPLE = ["worker", "sdk", "operator", "admin"] as const;
/** Everybody who does more than to look on. */
const ACTIVE = ["agent", "worker", "sdk", "operator", "admin"] as const;

interface Right {
  readonly roles: readonly Role[];
  /** Also for who came by a link to drive. Those who came to watch are viewers, and have a viewer's rights. */
  readonly driveLink?: true;
  /** Concerns the gateway as a whole: only for tokens that reach every sandbox. */
  readonly everywhere?: true;
}

export const ACCESS: Readonly<Record<Operation, Right>> = {
  "auth.refresh": { roles: EVERYBODY, driveLink: true },
  "auth.renew": { roles: EVERYBODY, driveLink: true },
  "sandbox.join": { roles: EVERYBODY, driveLink: true },
  "sandbox.leave": { roles: EVERYBODY, driveLink: true },
  "lobby.join": { roles: FOR_PEOPLE },
  "lobby.leave": { roles: FOR_PEOPLE },
  "sandbox.create": { roles: FOR_PEOPLE },
  "sandbox.remove": { roles: FOR_PEOPLE },
  "handoff.get": { roles: EVERYBODY, driveLink: true },
  "handoff.request": { roles: ACTIVE },
  "handoff.accept": { roles: FOR_PEOPLE, driveLink: true },
  "handoff.complete": { roles: FOR_PEOPLE, driveLink: true },
  "handoff.override": { roles: ["admin"] },
  "handoff.cancel": { roles: ACTIVE },
  "control.take": { roles: FOR_PEOPLE, driveLink: true },
  "control.force": { roles: ["operator", "admin"] },
  "control.release": { roles: FOR_PEOPLE, driveLink: true },
  "control.pass": { roles: FOR_PEOPLE },
  "control.privacy": { roles: FOR_PEOPLE, driveLink: true },
  input: { roles: ACTIVE, driveLink: true },
  "preview.start": { roles: EVERYBODY, driveLink: true },
  "preview.stop": { roles: EVERYBODY, driveLink: true },
  "preview.ack": { roles: EVERYBODY, driveLink: true },
  "resume.claim": { roles: PROGRAMS },
  "resume.answer": { roles: PROGRAMS },
  "cdp.connect": { roles: PROGRAMS },
  "link.create": { roles: FOR_PEOPLE },
  "link.revoke": { roles: FOR_PEOPLE },
  "token.revoke": { roles: ["admin"], everywhere: true },
  "audit.read": { roles: ["admin"], everywhere: true },
  "metrics.read": { roles: ["worker", "sdk", "operator", "admin"], everywhere: true },
};

/** What a token allows beside its role. */
export interface Grant {
  /** Ids of sandboxes, beginnings of ids that end in `*`, or `*` for all. */
  readonly sandboxes: readonly string[];
  /** Came by a link. */
  readonly link?: LinkAccess;
  /** May name other people as `controller`: a backend that people are signed in to. */
  readonly actFor: boolean;
}

/** Where no tokens are asked for, everybody is who they say, and may do what their role may. */
export const OPEN_GRANT: Grant = { sandboxes: ["*"], actFor: true };

/** Of one whom nobody knows yet. */
export const NO_GRANT: Grant = { sandboxes: [], actFor: false };

/** Somebody who asks for something. */
export interface Caller {
  /** With a token: its subject. */
  readonly name: string;
  readonly role: Role;
  readonly grant: Grant;
  /** Where the call comes from, as far as proxies that are trusted say. */
  readonly address: string;
  readonly tokenId?: string;
}

/** Whom limits count: a link's bearer is not the person of that name who has a token. */
export function countedAs({ name, grant }: Pick<Caller, "name" | "grant">): string {
  return grant.link === undefined ? name : `${name} by a link to ${grant.sandboxes[0]}`;
}

/** Whether the caller's role, and the link it came by, have the right. Which sandboxes it reaches is `reaches`. */
export function allowed({ role, grant }: Pick<Caller, "role" | "grant">, operation: Operation): boolean {
  const { roles, driveLink = false, everywhere = false } = ACCESS[operation];
  if (!roles.includes(role)) return false;
  if (grant.link === "drive" && !driveLink) return false;
  return !everywhere || grant.sandboxes.includes("*");
}

export function reaches({ sandboxes }: Grant, sandboxId: string): boolean {
  return sandboxes.some((scope) =>
    scope.endsWith("*") ? sandboxId.startsWith(scope.slice(0, -1)) : scope === sandboxId,
  );
}

/**
 * The one question of every door. Asked before anything is looked up, so that the answer does not tell whether a
 * sandbox exists.
 * @throws BatonError `forbidden`
 */
export function authorize(
  caller: Pick<Caller, "role" | "grant">,
  operation: Operation,
  sandboxId?: string,
): void {
  const { role, grant } = caller;
  if (!allowed(caller, operation)) {
    const who = grant.link === undefined ? `The role ${role}` : `A link to ${grant.link}`;
    throw new BatonError("forbidden", `${who} may not use ${operation}. Connect with a token that may.`, {
      role,
      operation,
    });
  }
  if (sandboxId !== undefined && !reaches(grant, sandboxId)) {
    throw new BatonError(
      "forbidden",
      `This token does not reach sandbox ${sandboxId}. Use one whose \`sandboxes\` name it.`,
      { sandboxId, operation },
    );
  }
}

/**
 * C4: nobody lends somebody else's hand.
 * @param named the `controller` of a call; undefined: it names nobody
 * @throws BatonError `forbidden`
 */
export function authorizeName(
  { name, grant }: Pick<Caller, "name" | "grant">,
  named: string | undefined,
): void {
  if (named === undefined || named === name || grant.actFor) return;
  throw new BatonError(
    "forbidden",
    `This token acts for ${name}, not for the one that the call names. Name yourself, or use a token with act_for.`,
    { name },
  );
}

/** The hand that an input comes from. */
export type Driver = { readonly kind: "agent" } | { readonly kind: "person"; readonly name: string };

/**
 * A program drives as the agent unless it names the person it acts for; people drive as themselves. An agent acts for
 * nobody: naming the person who holds the browser does not lend it their hand (C4).
 */
export function driverOf(role: Role, name: string, controller: string | undefined): Driver {
  if (role === "agent") return { kind: "agent" };
  if (controller !== undefined) return { kind: "person", name: controller };
  return role === "operator" || role === "admin" || role === "viewer"
    ? { kind: "person", name }
    : { kind: "agent" };
}

/** Whether control names this hand: it drives, or will once the drain is over. */
export function isNamed({ mode, controller }: Control, driver: Driver): boolean {
  if (mode === "ai") return driver.kind === "agent";
  return driver.kind === "person" && controller === driver.name;
}

/** C1, C4: the one question of the gate. */
export function mayDrive(control: Control, driver: Driver): boolean {
  return control.phase === "active" && isNamed(control, driver);
}
