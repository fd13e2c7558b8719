import { describe, expect, it } from "vitest";
import type { Control } from "../../../protocol/control.ts";
import { Role } from "../../../protocol/sandbox.ts";
import { UP_TYPES } from "../../../protocol/up.ts";
import { allowed, driverOf, mayDrive, type Driver, type Operation } from "../../../src/core/access.ts";

/** One letter per role that may, a dot per role that may not, in the order of `Role`. */
const TABLE: Record<Operation, string> = {
  //                   agent worker sdk operator viewer admin
  "sandbox.join": "awsovA",
  "sandbox.leave": "awsovA",
  "lobby.join": ".wso.A",
  "lobby.leave": ".wso.A",
  "sandbox.create": ".wso.A",
  "sandbox.remove": ".wso.A",
  "handoff.get": "awsovA",
  "handoff.request": "awso.A",
  "handoff.accept": ".wso.A",
  "handoff.complete": ".wso.A",
  "handoff.override": ".....A",
  "handoff.cancel": "awso.A",
  "control.take": ".wso.A",
  "control.force": "...o.A",
  "control.release": ".wso.A",
  "control.pass": ".wso.A",
  "control.privacy": ".wso.A",
  input: "awso.A",
  "preview.start": "awsovA",
  "preview.stop": "awsovA",
  "preview.ack": "awsovA",
  "resume.claim": "aws..A",
  "resume.answer": "aws..A",
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
    const row = Role.options.map((role) => (allowed(role, operation) ? LETTERS[role] : ".")).join("");
    expect(row).toBe(TABLE[operation]);
  });

  it("every message that asks for something has a row", () => {
    const asks = [...UP_TYPES].filter((type) => type !== "hello" && type !== "ping");
    expect(operations.filter((operation) => UP_TYPES.has(operation)).sort()).toEqual(asks.sort());
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
