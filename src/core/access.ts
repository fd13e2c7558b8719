/** Who may ask for what. One table, checked on the server for every message and HTTP call. */
import type { UpType } from "../../protocol/up.ts";
import type { Control } from "../../protocol/control.ts";
import type { Role } from "../../protocol/sandbox.ts";

export type Operation =
  | Exclude<UpType, "hello" | "ping">
  | "sandbox.create"
  | "sandbox.remove"
  | "handoff.override"
  | "control.force";

const EVERYBODY = ["agent", "worker", "sdk", "operator", "viewer", "admin"] as const;
const PROGRAMS = ["agent", "worker", "sdk", "admin"] as const;
/** People, and programs that act for one. */
const FOR_PEOPLE = ["worker", "sdk", "operator", "admin"] as const;

const TABLE: Readonly<Record<Operation, readonly Role[]>> = {
  "sandbox.join": EVERYBODY,
  "sandbox.leave": EVERYBODY,
  "lobby.join": FOR_PEOPLE,
  "lobby.leave": FOR_PEOPLE,
  "sandbox.create": ["worker", "sdk", "operator", "admin"],
  "sandbox.remove": ["worker", "sdk", "operator", "admin"],
  "handoff.get": EVERYBODY,
  "handoff.request": ["agent", "worker", "sdk", "operator", "admin"],
  "handoff.accept": FOR_PEOPLE,
  "handoff.complete": FOR_PEOPLE,
  "handoff.override": ["admin"],
  "handoff.cancel": ["agent", "worker", "sdk", "operator", "admin"],
  "control.take": FOR_PEOPLE,
  "control.force": ["operator", "admin"],
  "control.release": FOR_PEOPLE,
  "control.pass": FOR_PEOPLE,
  "control.privacy": FOR_PEOPLE,
  input: ["agent", "worker", "sdk", "operator", "admin"],
  "preview.start": EVERYBODY,
  "preview.stop": EVERYBODY,
  "preview.ack": EVERYBODY,
  "resume.claim": PROGRAMS,
  "resume.answer": PROGRAMS,
};

export function allowed(role: Role, operation: Operation): boolean {
  return TABLE[operation].includes(role);
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
