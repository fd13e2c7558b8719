/** A short history in which everything holds, for the checker's tests to break one thing at a time. */
import type { Control } from "../../protocol/control.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import {
  applyEvent,
  type EventType,
  type Sandbox,
  type SandboxChanges,
  type SandboxEvent,
} from "../../protocol/sandbox.ts";
import type { Entry, Fact } from "./history.ts";

/** One event in each epoch's name: the agent, ann's handoff, the agent again, ann on her own, the agent. */
export const EPOCH = { first: 100, asked: 200, accepted: 300, returned: 400, taken: 500, last: 600 } as const;

const created: Sandbox = {
  sandboxId: "s",
  createdAt: 1_000,
  updatedAt: 1_000,
  epoch: EPOCH.first,
  seq: 1,
  control: { mode: "ai", phase: "active", since: 1_000 },
  handoff: null,
  resume: null,
  browser: null,
};

const asked: Handoff = {
  requestId: "h",
  status: "pending",
  reason: "approval",
  message: "agent-1",
  requestedBy: "agent",
  resumePrompt: "go on",
  requestedAt: 1_121,
  updatedAt: 1_121,
};
const accepted: Handoff = {
  ...asked,
  status: "accepted",
  controller: "ann",
  acceptedAt: 1_141,
  updatedAt: 1_141,
};
const completed: Handoff = {
  ...accepted,
  status: "completed",
  note: "ann-2",
  completedAt: 1_281,
  updatedAt: 1_281,
};

function control(mode: Control["mode"], phase: Control["phase"], controller?: string): Control {
  return { mode, phase, since: 0, ...(controller !== undefined && { controller }) };
}

function event(
  seq: number,
  epoch: number,
  at: number,
  type: EventType,
  changes: SandboxChanges,
  by?: string,
): SandboxEvent {
  return {
    sandboxId: "s",
    seq,
    epoch,
    at,
    type,
    changes,
    ...(by !== undefined && { by: { name: by, role: by === "agent" ? "agent" : "operator" } }),
  };
}

const waiting = { requestId: "h", status: "waiting", updatedAt: 1_281 } as const;

export const LOG: readonly SandboxEvent[] = [
  event(
    2,
    200,
    1_121,
    "handoff.requested",
    { control: control("shared", "draining"), handoff: asked },
    "agent",
  ),
  event(3, 200, 1_123, "control.active", { control: control("shared", "active") }),
  event(
    4,
    300,
    1_141,
    "handoff.accepted",
    { control: control("shared", "active", "ann"), handoff: accepted },
    "ann",
  ),
  event(
    5,
    400,
    1_281,
    "handoff.completed",
    { control: control("ai", "draining"), handoff: completed, resume: waiting },
    "ann",
  ),
  event(6, 400, 1_283, "control.active", { control: control("ai", "active") }),
  event(7, 400, 1_290, "resume.claimed", { resume: { ...waiting, status: "running" } }, "agent"),
  event(8, 400, 1_295, "resume.answered", { resume: { ...waiting, status: "answered" } }, "agent"),
  event(9, 500, 1_401, "control.taken", { control: control("human", "draining", "ann") }, "ann"),
  event(10, 500, 1_403, "control.active", { control: control("human", "active", "ann") }),
  event(11, 600, 1_501, "control.released", { control: control("ai", "draining") }, "ann"),
  event(12, 600, 1_503, "control.active", { control: control("ai", "active") }),
];

export const FINAL: Sandbox = LOG.reduce(applyEvent, created);

/** Sends and answers of one input, and its arrival in the page. */
function typed(at: number, hand: string, tag: string, epoch: number | undefined, n: number): Entry[] {
  return [
    { at, kind: "input", tag, hand, node: "a", ...(epoch !== undefined && { epoch }) },
    { at: at + 2, kind: "page", n, tag },
    { at: at + 4, kind: "input.done", tag },
  ];
}

function refused(at: number, hand: string, tag: string, epoch?: number): Entry[] {
  return [
    { at, kind: "input", tag, hand, node: "a", ...(epoch !== undefined && { epoch }) },
    { at: at + 2, kind: "input.refused", tag, code: "not_controller" },
  ];
}

function watched(): Entry[] {
  const from = (fact: Fact, at: number): Entry => ({ ...fact, at });
  const given = (socket: number, events: readonly SandboxEvent[]): Entry[] =>
    events.map((each) =>
      from({ kind: "event", actor: "watcher", socket, node: "b", event: each }, each.at + 1),
    );
  const half = LOG[4];
  const since = { epoch: half?.epoch ?? 0, seq: half?.seq ?? 0 };
  const common = { actor: "watcher", node: "b" } as const;
  return [
    from({ kind: "join", actor: "watcher", socket: 1, id: "1" }, 1_050),
    from(
      { kind: "joined", ...common, socket: 1, id: "1", position: { epoch: 100, seq: 1 }, snapshot: created },
      1_051,
    ),
    ...given(1, LOG.slice(0, 5)),
    from({ kind: "join", actor: "watcher", socket: 2, id: "2", since }, 1_285),
    from({ kind: "joined", ...common, socket: 2, id: "2", position: since }, 1_286),
    ...given(2, LOG.slice(5)),
    from({ kind: "shown", actor: "watcher", sandbox: FINAL }, 1_700),
  ];
}

export function sampleHistory(): Entry[] {
  const entries: Entry[] = [
    { at: 1_000, kind: "created", sandbox: created },
    ...typed(1_110, "ai", "agent:1;", EPOCH.first, 1),
    { at: 1_120, kind: "call", call: "agent-1", op: "request", actor: "agent" },
    { at: 1_124, kind: "answered", call: "agent-1", handoff: asked },
    ...refused(1_130, "ai", "agent:2;", EPOCH.first),
    ...refused(1_132, "ai", "rogue:1;"),
    { at: 1_140, kind: "call", call: "ann-1", op: "accept", actor: "ann" },
    { at: 1_142, kind: "answered", call: "ann-1", handoff: accepted },
    ...refused(1_150, "ai", "rogue:2;"),
    ...typed(1_200, "ann", "ann:1;", EPOCH.accepted, 2),
    { at: 1_280, kind: "call", call: "ann-2", op: "complete", actor: "ann", to: "ai", resumes: true },
    { at: 1_284, kind: "answered", call: "ann-2", handoff: completed },
    { at: 1_291, kind: "handled", actor: "agent", requestId: "h" },
    ...typed(1_310, "ai", "agent:3;", EPOCH.returned, 3),
    ...typed(1_320, "ai", "rogue:3;", undefined, 4),
    { at: 1_400, kind: "call", call: "ann-3", op: "take", actor: "ann" },
    { at: 1_404, kind: "answered", call: "ann-3", handoff: completed },
    ...refused(1_450, "ai", "rogue:4;"),
    { at: 1_500, kind: "call", call: "ann-4", op: "release", actor: "ann" },
    { at: 1_504, kind: "answered", call: "ann-4", handoff: completed },
    ...typed(1_550, "ai", "agent:4;", EPOCH.last, 5),
    ...watched(),
    { at: 1_701, kind: "final", node: "a", sandbox: FINAL, log: [...LOG] },
    { at: 1_702, kind: "final", node: "b", sandbox: FINAL, log: [...LOG] },
  ];
  return entries.sort((a, b) => a.at - b.at);
}
