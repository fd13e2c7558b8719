/**
 * What every command does in every state, decided in one table: an error code, `same`, `silent` (a change that no
 * subscriber sees) or the events it causes. A state or command type that is missing fails `tsc` or the run.
 */
import { describe, expect, it } from "vitest";
import { ControlMode, ControlPhase } from "../../../protocol/control.ts";
import { HandoffStatus } from "../../../protocol/handoff.ts";
import { ResumeState } from "../../../protocol/sandbox.ts";
import type { CommandType } from "../../../src/core/commands.ts";
import { nextDeadline, type SandboxState } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import {
  ALL,
  ANN,
  AWAY,
  DRAINING,
  EXPECTED_RECORDS,
  HUMAN,
  NAMES,
  OPEN,
  PRIVATE,
  SEEN,
  STATES,
  type StateName,
} from "./states.ts";
import { cmd, START } from "./support.ts";
import { CONTROL_ROWS } from "./table-control.ts";
import { GATE_ROWS } from "./table-gates.ts";
import { HANDOFF_ROWS } from "./table-handoff.ts";
import { RESUME_ROWS } from "./table-resume.ts";
import { DUE, type Row, type Rows } from "./table.ts";

const TABLE: Rows<CommandType> = {
  ...HANDOFF_ROWS,
  ...CONTROL_ROWS,
  ...GATE_ROWS,
  ...RESUME_ROWS,
  tick: {
    "with nothing due": { command: cmd("tick"), outcomes: { same: ALL } },
    "at the next deadline": { command: cmd("tick"), atDeadline: true, outcomes: DUE },
  },
};

function outcomeOf(name: StateName, row: Row<CommandType>): string {
  const walk = STATES[name]();
  if (row.atDeadline) walk.now = nextDeadline(walk.state) ?? walk.now;
  const before = structuredClone(walk.state);
  const command = typeof row.command === "function" ? row.command(walk.state) : row.command;
  const step = transition(walk.state, command, walk.now);
  expect(walk.state, "a transition leaves the state it was given as it was").toStrictEqual(before);
  if (step.kind === "refused") return step.error.code;
  if (step.kind === "same") return "same";
  return step.events.length === 0 ? "silent" : step.events.map(({ type }) => type).join(" ");
}

describe("every command in every state", () => {
  for (const [type, rows] of Object.entries(TABLE)) {
    for (const [variant, row] of Object.entries(rows) as [string, Row<CommandType>][]) {
      it(`${type}, ${variant}`, () => {
        const decided = Object.entries(row.outcomes).flatMap(([outcome, names]) =>
          names.map((name) => [name, outcome] as const),
        );
        expect(decided.map(([name]) => name).sort(), "each state is decided once").toEqual([...NAMES].sort());
        const actual = NAMES.map((name) => [name, outcomeOf(name, row)] as const);
        expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(decided));
      });
    }
  }
});

it("the states show every mode, phase and status there is", () => {
  const states = NAMES.map((name) => STATES[name]().state);
  const shown = (pick: (state: SandboxState) => string | undefined) => new Set(states.map(pick));
  expect(shown(({ control }) => control.mode)).toEqual(new Set(ControlMode.options));
  expect(shown(({ control }) => control.phase)).toEqual(new Set(ControlPhase.options));
  expect(shown(({ handoff }) => handoff?.status)).toEqual(new Set([undefined, ...HandoffStatus.options]));
  expect(shown(({ resumes }) => resumes.at(-1)?.status)).toEqual(
    new Set([undefined, ...ResumeState.shape.status.options]),
  );
});

describe("the table's states are what their names say", () => {
  it.each(NAMES)("%s", (name) => {
    const { state } = STATES[name]();
    const { control, handoff } = state;
    const resume = state.resumes.at(-1);
    expect(state.gates).toEqual({ g1: { nodeId: "n1", attachedAt: START, status: "live" } });
    expect(Object.keys(state.seen)).toEqual(SEEN[name] ?? []);
    expect([
      control.mode,
      control.phase,
      control.controller ?? null,
      control.graceUntil !== undefined,
      control.privacy ?? "open",
    ]).toEqual([
      OPEN.some((open) => open === name) ? "shared" : HUMAN.some((it) => it === name) ? "human" : "ai",
      DRAINING.some((it) => it === name) ? "draining" : "active",
      ANN.some((it) => it === name) ? "ann" : null,
      AWAY.some((it) => it === name),
      PRIVATE.some((it) => it === name) ? "private" : "open",
    ]);
    expect([handoff?.status ?? null, resume?.status ?? null, resume?.releaseAt !== undefined]).toEqual(
      EXPECTED_RECORDS[name],
    );
  });
});
