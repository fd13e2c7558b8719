/**
 * What every command does in every state, decided in one table: an error code, `same`, `silent` (a change that no
 * subscriber sees) or the events it causes. A state or command type that is missing fails `tsc` or the run.
 */
import { describe, expect, it } from "vitest";
import { ControlMode, ControlPhase } from "../../../protocol/control.ts";
import { HandoffStatus } from "../../../protocol/handoff.ts";
import { ResumeState } from "../../../protocol/sandbox.ts";
import type { Command, CommandOf, CommandType } from "../../../src/core/commands.ts";
import { nextDeadline, type SandboxState } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import {
  AGENT,
  ALL,
  ANN,
  but,
  CLOSED,
  COMPLETED,
  DRAINING,
  ACCEPTED,
  EXPECTED_RECORDS,
  HUMAN,
  NAMES,
  NO_HANDOFF,
  OPEN,
  PENDING,
  STATES,
  type StateName,
} from "./states.ts";
import { cmd } from "./support.ts";

interface Row<T extends CommandType> {
  readonly command: CommandOf<T> | ((state: SandboxState) => CommandOf<T>);
  /** Run at the state's next deadline instead of before it. */
  readonly atDeadline?: true;
  readonly outcomes: Readonly<Record<string, readonly StateName[]>>;
}
const gate = <T extends "gate.drained" | "gate.renew">(type: T, gateId: string, older = 0) => {
  return (state: SandboxState) =>
    cmd(type, { gateId, epoch: state.epoch - older } as Partial<CommandOf<T>>) satisfies Command;
};
const notOpen = {
  handoff_completed: COMPLETED,
  handoff_cancelled: ["cancelled"],
  handoff_expired: ["expired"],
} as const;

const TABLE: { readonly [T in CommandType]: Readonly<Record<string, Row<T>>> } = {
  "handoff.request": {
    "by the agent": {
      command: cmd("handoff.request", { requestId: "r2" }),
      outcomes: { "handoff.requested": [...AGENT, ...HUMAN, ...CLOSED], handoff_in_progress: OPEN },
    },
    "when a deadline is due": {
      command: cmd("handoff.request", { requestId: "r2" }),
      atDeadline: true,
      outcomes: {
        "handoff.requested": [
          "ai",
          "human",
          ...COMPLETED.filter((name) => name !== "resumeAway"),
          "cancelled",
          "expired",
        ],
        "control.active handoff.requested": ["aiDraining", "humanDraining"],
        "control.released handoff.requested": ["humanAway"],
        "resume.released handoff.requested": ["resumeAway"],
        "handoff.expired handoff.requested": ["pending", "accepted"],
        handoff_in_progress: ["pendingDraining", "acceptedDraining", "acceptedAway"],
      },
    },
  },
  "handoff.accept": {
    "by ann": {
      command: cmd("handoff.accept"),
      outcomes: { ...notOpen, "handoff.accepted": PENDING, same: ACCEPTED, no_open_handoff: NO_HANDOFF },
    },
    "by ben": {
      command: cmd("handoff.accept", { controller: "ben" }),
      outcomes: {
        ...notOpen,
        "handoff.accepted": PENDING,
        already_accepted: ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "of another handoff": {
      command: cmd("handoff.accept", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
    "by ben when a deadline is due": {
      command: cmd("handoff.accept", { controller: "ben" }),
      atDeadline: true,
      outcomes: {
        handoff_completed: COMPLETED,
        handoff_cancelled: ["cancelled"],
        handoff_expired: ["expired", "pending", "accepted"],
        "control.active handoff.accepted": ["pendingDraining"],
        already_accepted: ["acceptedDraining"],
        "handoff.returned handoff.accepted": ["acceptedAway"],
        no_open_handoff: NO_HANDOFF,
      },
    },
  },
  "handoff.complete": {
    "by ann": {
      command: cmd("handoff.complete", { runResumePrompt: true }),
      outcomes: {
        ...notOpen,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "by ann, who keeps the browser": {
      command: cmd("handoff.complete", { returnControlTo: "human" }),
      outcomes: {
        ...notOpen,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "by ben": {
      command: cmd("handoff.complete", { controller: "ben" }),
      outcomes: { ...notOpen, not_accepted: PENDING, not_controller: ACCEPTED, no_open_handoff: NO_HANDOFF },
    },
    "by ben, who may override": {
      command: cmd("handoff.complete", { controller: "ben", override: true }),
      outcomes: {
        ...notOpen,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "of another handoff": {
      command: cmd("handoff.complete", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
  },
  "handoff.cancel": {
    "of the newest": {
      command: cmd("handoff.cancel"),
      outcomes: { ...notOpen, "handoff.cancelled": OPEN, no_open_handoff: NO_HANDOFF },
    },
    "of another handoff": {
      command: cmd("handoff.cancel", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
  },
  "control.take": {
    "by ann": {
      command: cmd("control.take"),
      outcomes: { "control.taken": [...AGENT, ...CLOSED], handoff_in_progress: PENDING, same: ANN },
    },
    "by ben": {
      command: cmd("control.take", { controller: "ben" }),
      outcomes: {
        "control.taken": [...AGENT, ...CLOSED],
        handoff_in_progress: PENDING,
        already_controlled: ANN,
      },
    },
    "by ben, by force": {
      command: cmd("control.take", { controller: "ben", force: true }),
      outcomes: { "control.taken": [...AGENT, ...CLOSED, ...ANN], handoff_in_progress: PENDING },
    },
  },
  "control.release": {
    "by ann": {
      command: cmd("control.release"),
      outcomes: { "handoff.returned": ACCEPTED, "control.released": HUMAN, not_controller: but(...ANN) },
    },
    "by ben": {
      command: cmd("control.release", { controller: "ben" }),
      outcomes: { not_controller: ALL },
    },
  },
  "control.pass": {
    "from ann to ben": {
      command: cmd("control.pass"),
      outcomes: { "control.passed": ANN, not_controller: but(...ANN) },
    },
    "from ann to ann": {
      command: cmd("control.pass", { to: "ann" }),
      outcomes: { same: ANN, not_controller: but(...ANN) },
    },
    "from ann to the agent": {
      command: cmd("control.pass", { to: "ai" }),
      outcomes: { "control.passed": HUMAN, handoff_in_progress: ACCEPTED, not_controller: but(...ANN) },
    },
    "from ben to ann": {
      command: cmd("control.pass", { controller: "ben", to: "ann" }),
      outcomes: { not_controller: ALL },
    },
  },
  "controller.away": {
    ann: {
      command: cmd("controller.away"),
      outcomes: {
        "control.away": ["accepted", "acceptedDraining", "human", "humanDraining"],
        same: but("accepted", "acceptedDraining", "human", "humanDraining"),
      },
    },
    ben: { command: cmd("controller.away", { controller: "ben" }), outcomes: { same: ALL } },
  },
  "controller.back": {
    ann: {
      command: cmd("controller.back"),
      outcomes: { "control.back": ["acceptedAway", "humanAway"], same: but("acceptedAway", "humanAway") },
    },
    ben: { command: cmd("controller.back", { controller: "ben" }), outcomes: { same: ALL } },
  },
  "gate.open": {
    "known gate": { command: cmd("gate.open"), outcomes: { same: ALL } },
    "new gate": { command: cmd("gate.open", { gateId: "g2" }), outcomes: { silent: ALL } },
  },
  "gate.close": {
    "known gate": {
      command: cmd("gate.close"),
      outcomes: { "control.active": DRAINING, silent: but(...DRAINING) },
    },
    "unknown gate": { command: cmd("gate.close", { gateId: "g2" }), outcomes: { same: ALL } },
  },
  "gate.drained": {
    "for this epoch": {
      command: gate("gate.drained", "g1"),
      outcomes: { "control.active": DRAINING, same: but(...DRAINING) },
    },
    "for an older epoch": { command: gate("gate.drained", "g1", 1), outcomes: { same: ALL } },
    "for a later epoch": { command: gate("gate.drained", "g1", -1), outcomes: { same: ALL } },
    "by an unknown gate": { command: gate("gate.drained", "g2"), outcomes: { same: ALL } },
    "by a gate named like a member of every object": {
      command: gate("gate.drained", "toString"),
      outcomes: { same: ALL },
    },
  },
  "gate.renew": {
    "for this epoch": {
      command: gate("gate.renew", "g1"),
      outcomes: { silent: DRAINING, same: but(...DRAINING) },
    },
    "for an older epoch": { command: gate("gate.renew", "g1", 1), outcomes: { same: ALL } },
    "by an unknown gate": { command: gate("gate.renew", "g2"), outcomes: { same: ALL } },
    "by a gate named like a member of every object": {
      command: gate("gate.renew", "toString"),
      outcomes: { same: ALL },
    },
    "when the lease has run out": {
      command: gate("gate.renew", "g1"),
      atDeadline: true,
      outcomes: {
        "control.active": DRAINING,
        "handoff.expired": ["pending", "accepted"],
        "handoff.returned": ["acceptedAway"],
        "control.released": ["humanAway"],
        "resume.released": ["resumeAway"],
        same: [
          "ai",
          "human",
          "resumeWaiting",
          "resumeRunning",
          "resumeAnswered",
          "resumeFailed",
          "cancelled",
          "expired",
        ],
      },
    },
  },
  "resume.claim": {
    "by its client": {
      command: cmd("resume.claim"),
      outcomes: {
        "resume.claimed": ["resumeWaiting", "resumeAway"],
        same: ["resumeRunning"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "by its client on a new connection": {
      command: cmd("resume.claim", { sessionId: "s2" }),
      outcomes: {
        "resume.claimed": ["resumeWaiting", "resumeRunning", "resumeAway"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "by another client": {
      command: cmd("resume.claim", { clientId: "c2", sessionId: "s2" }),
      outcomes: {
        "resume.claimed": ["resumeWaiting"],
        resume_taken: ["resumeRunning", "resumeAway"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
    "of another handoff": {
      command: cmd("resume.claim", { requestId: "r9" }),
      outcomes: { resume_not_found: ALL },
    },
    "by another client when a deadline is due": {
      command: cmd("resume.claim", { clientId: "c2", sessionId: "s2" }),
      atDeadline: true,
      outcomes: {
        "resume.claimed": ["resumeWaiting"],
        "resume.released resume.claimed": ["resumeAway"],
        resume_taken: ["resumeRunning"],
        resume_not_found: but("resumeWaiting", "resumeRunning", "resumeAway"),
      },
    },
  },
  "resume.answer": {
    "by its client": {
      command: cmd("resume.answer"),
      outcomes: {
        "resume.answered": ["resumeRunning", "resumeAway"],
        same: ["resumeAnswered", "resumeFailed"],
        resume_not_found: but("resumeRunning", "resumeAway", "resumeAnswered", "resumeFailed"),
      },
    },
    "by its client, which failed": {
      command: cmd("resume.answer", { ok: false }),
      outcomes: {
        "resume.failed": ["resumeRunning", "resumeAway"],
        same: ["resumeAnswered", "resumeFailed"],
        resume_not_found: but("resumeRunning", "resumeAway", "resumeAnswered", "resumeFailed"),
      },
    },
    "by another client": {
      command: cmd("resume.answer", { clientId: "c2" }),
      outcomes: {
        resume_taken: ["resumeRunning", "resumeAway"],
        resume_not_found: but("resumeRunning", "resumeAway"),
      },
    },
    "to another handoff": {
      command: cmd("resume.answer", { requestId: "r9" }),
      outcomes: { resume_not_found: ALL },
    },
  },
  "resume.away": {
    "its client": {
      command: cmd("resume.away"),
      outcomes: { silent: ["resumeRunning"], same: but("resumeRunning") },
    },
    "another client": { command: cmd("resume.away", { clientId: "c2" }), outcomes: { same: ALL } },
  },
  "browser.attach": {
    "another browser": { command: cmd("browser.attach"), outcomes: { "browser.changed": ALL } },
  },
  "browser.status": {
    "as it was": { command: cmd("browser.status"), outcomes: { same: ALL } },
    "a new one": {
      command: cmd("browser.status", { status: "gone" }),
      outcomes: { "browser.changed": ALL },
    },
  },
  tick: {
    "with nothing due": { command: cmd("tick"), outcomes: { same: ALL } },
    "at the next deadline": {
      command: cmd("tick"),
      atDeadline: true,
      outcomes: {
        "control.active": DRAINING,
        "handoff.expired": ["pending", "accepted"],
        "handoff.returned": ["acceptedAway"],
        "control.released": ["humanAway"],
        "resume.released": ["resumeAway"],
        same: [
          "ai",
          "human",
          "resumeWaiting",
          "resumeRunning",
          "resumeAnswered",
          "resumeFailed",
          "cancelled",
          "expired",
        ],
      },
    },
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
    expect(state.gates).toEqual(["g1"]);
    expect([
      control.mode,
      control.phase,
      control.controller ?? null,
      control.graceUntil !== undefined,
    ]).toEqual([
      OPEN.some((open) => open === name) ? "shared" : HUMAN.some((it) => it === name) ? "human" : "ai",
      DRAINING.some((it) => it === name) ? "draining" : "active",
      ANN.some((it) => it === name) ? "ann" : null,
      name === "acceptedAway" || name === "humanAway",
    ]);
    expect([handoff?.status ?? null, resume?.status ?? null, resume?.releaseAt !== undefined]).toEqual(
      EXPECTED_RECORDS[name],
    );
  });
});
