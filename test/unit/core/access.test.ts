import { describe, expect, it } from "vitest";
import type { Control } from "../../../protocol/control.ts";
import { Role } from "../../../protocol/sandbox.ts";
import { UP_TYPES } from "../../../protocol/up.ts";
import {
  ACCESS,
  allowed,
  authorize,
  authorizeName,
  driverOf,
  mayDrive,
  OPEN_GRANT,
  reaches,
  type Driver,
  type Grant,
  type Operation,
} from "../../../src/core/access.ts";

/**
 * One letter per role that may, a dot per role that may not, in the order of `Role`; then who came by a link to drive,
 * and by one to watch.
 */
const TABLE: Record<Operation, string> = {
  //                   agent worker sdk operator viewer admin, drive, watch
  "sandbox.join": "awsovAdw",
  "sandbox.leave": "awsovAdw",
  "lobby.join": ".wso.A..",
  "lobby.leave": ".wso.A..",
  "sandbox.create": ".wso.A..",
  "sandbox.remove": ".wso.A..",
  "handoff.get": "awsovAdw",
  "handoff.request": "awso.A..",
  "handoff.accept": ".wso.Ad.",
  "handoff.complete": ".wso.Ad.",
  "handoff.override": ".....A..",
  "handoff.cancel": "awso.A..",
  "control.take": ".wso.Ad.",
  "control.force": "...o.A..",
  "control.release": ".wso.Ad.",
  "control.pass": ".wso.A..",
  "control.privacy": ".wso.Ad.",
  input: "awso.Ad.",
  "preview.start": "awsovAdw",
  "preview.stop": "awsovAdw",
  "preview.ack": "awsovAdw",
  "resume.claim": "aws..A..",
  "resume.answer": "aws..A..",
  "auth.refresh": "awsovAdw",
  "auth.renew": "awsovAdw",
  "cdp.connect": "aws..A..",
  "link.create": ".wso.A..",
  "link.revoke": ".wso.A..",
  "token.revoke": ".....A..",
  "audit.read": ".....A..",
  "metrics.read": ".wso.A..",
};
const LETTERS: Record<Role, string> = {
  agent: "a",
  worker: "w",
  sdk: "s",
  operator: "o",
  viewer: "v",
  admin: "A",
};
const operations = Object.keys(TABLE) as Operation[];

describe("who may ask for what", () => {
  it.each(operations)("%s", (operation) => {
    const mark = (may: boolean, letter: string): string => (may ? letter : ".");
    const link = (access: "drive" | "watch"): Grant => ({ ...OPEN_GRANT, link: access });
    const roles = Role.options.map((role) =>
      mark(allowed({ role, grant: OPEN_GRANT }, operation), LETTERS[role]),
    );
    const drive = mark(allowed({ role: "operator", grant: link("drive") }, operation), "d");
    const watch = mark(allowed({ role: "viewer", grant: link("watch") }, operation), "w");
    expect(`${roles.join("")}${drive}${watch}`).toBe(TABLE[operation]);
  });

  it("the table has no row that is not expected here", () => {
    expect(Object.keys(ACCESS).sort()).toEqual([...operations].sort());
  });

  it.each(["audit.read", "token.revoke", "metrics.read"] as const)(
    "%s concerns everybody: a token of some sandboxes is not enough",
    (operation) => {
      const grant = { ...OPEN_GRANT, sandboxes: ["acme-*", "x"] };
      expect(allowed({ role: "admin", grant }, operation)).toBe(false);
      expect(allowed({ role: "admin", grant: { ...grant, sandboxes: ["x", "*"] } }, operation)).toBe(true);
    },
  );

  it("every message that asks for something has a row", () => {
    const asks = [...UP_TYPES].filter((type) => type !== "hello" && type !== "ping");
    expect(operations.filter((operation) => UP_TYPES.has(operation)).sort()).toEqual(asks.sort());
  });
});

describe("which sandboxes a token reaches", () => {
  it.each([
    [["box"], "box", true],
    [["box"], "boxes", false],
    [["box"], "Box", false],
    [["acme-*"], "acme-1", true],
    [["acme-*"], "acme-", true],
    [["acme-*"], "acme", false],
    [["acme-*"], "xacme-1", false],
    [["a", "b*"], "bx", true],
    [["*"], "anything", true],
    [[], "box", false],
  ])("%j: %s is %s", (sandboxes, sandboxId, expected) => {
    expect(reaches({ sandboxes, actFor: false }, sandboxId)).toBe(expected);
  });

  it("is asked whatever the role may", () => {
    const caller = { role: "admin", grant: { sandboxes: ["mine"], actFor: true } } as const;
    expect(() => authorize(caller, "sandbox.remove", "mine")).not.toThrow();
    expect(() => authorize(caller, "sandbox.remove", "theirs")).toThrow("does not reach sandbox theirs");
  });
});

describe("C4: whom a call may name", () => {
  const named = (actFor: boolean, controller: string | undefined) => () =>
    authorizeName({ name: "ann", grant: { sandboxes: ["*"], actFor } }, controller);
  it("oneself, or nobody", () => {
    expect(named(false, "ann")).not.toThrow();
    expect(named(false, undefined)).not.toThrow();
  });
  it("others only with act_for", () => {
    expect(named(false, "ben")).toThrow("acts for ann");
    expect(named(true, "ben")).not.toThrow();
  });
});

describe("whose hand an input is", () => {
  const person = (name: string): Driver => ({ kind: "person", name });
  const agent: Driver = { kind: "agent" };
  const cases: Record<Role, { alone: Driver; naming: Driver }> = {
    agent: { alone: agent, naming: agent },
    worker: { alone: agent, naming: person("ann") },
    sdk: { alone: agent, naming: person("ann") },
    operator: { alone: person("me"), naming: person("ann") },
    viewer: { alone: person("me"), naming: person("ann") },
    admin: { alone: person("me"), naming: person("ann") },
  };
  it.each(Role.options)("%s", (role) => {
    expect(driverOf(role, "me", undefined)).toEqual(cases[role].alone);
    expect(driverOf(role, "me", "ann")).toEqual(cases[role].naming);
  });

  it("C4: an agent that names the controller still is the agent", () => {
    const control: Control = { mode: "shared", phase: "active", controller: "ann", since: 1 };
    expect(mayDrive(control, driverOf("agent", "bot", "ann"))).toBe(false);
    expect(mayDrive(control, driverOf("agent", "ann", undefined))).toBe(false);
  });
});

describe("C1, C4: who drives", () => {
  const drivers: Driver[] = [
    { kind: "agent" },
    { kind: "person", name: "ann" },
    { kind: "person", name: "ben" },
    { kind: "person", name: "ANN" },
    { kind: "person", name: "ai" },
  ];
  const drive = (control: Omit<Control, "since">): string =>
    drivers
      .filter((driver) => mayDrive({ ...control, since: 1 }, driver))
      .map((driver) => (driver.kind === "agent" ? "the agent" : driver.name))
      .join(" ");

  it.each([
    [{ mode: "ai", phase: "active" }, "the agent"],
    [{ mode: "ai", phase: "draining" }, ""],
    [{ mode: "shared", phase: "active" }, ""],
    [{ mode: "shared", phase: "draining" }, ""],
    [{ mode: "shared", phase: "active", controller: "ann" }, "ann"],
    [{ mode: "shared", phase: "draining", controller: "ann" }, ""],
    [{ mode: "human", phase: "active", controller: "ann" }, "ann"],
    [{ mode: "human", phase: "draining", controller: "ann" }, ""],
    [{ mode: "human", phase: "active", controller: "ann", graceUntil: 9 }, "ann"],
  ] as const)("%o: %s", (control, who) => {
    expect(drive(control)).toBe(who);
  });
});
