/** Random histories of one sandbox on a clock that jumps, each step judged by `oracle.ts`. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Privacy } from "../../../protocol/control.ts";
import { PreviewStatus } from "../../../protocol/preview.ts";
import type { Command, CommandType, Seen } from "../../../src/core/commands.ts";
import { initialState, nextDeadline, type SandboxState } from "../../../src/core/state.ts";
import { Oracle } from "./oracle.ts";
import { cmd, START } from "./support.ts";

/** A step before ids are filled in: those depend on what has happened by then. */
interface Plan {
  readonly type: CommandType;
  /** How far the clock moves before the step, or to the next deadline. */
  readonly jump: number | "due";
  readonly who: string;
  readonly to: string;
  readonly id: "none" | "newest" | "older" | "unknown";
  readonly gate: string;
  readonly node: string;
  readonly status: PreviewStatus;
  readonly epoch: "present" | "older" | "later";
  readonly client: string;
  readonly flag: boolean;
  readonly flag2: boolean;
  readonly privacy: "none" | Privacy;
  readonly ms: number;
  readonly graceMs: number;
}

const WEIGHTS: { readonly [T in CommandType]: number } = {
  "handoff.request": 9,
  "handoff.accept": 9,
  "handoff.complete": 11,
  "handoff.cancel": 1,
  "control.take": 3,
  "control.release": 2,
  "control.pass": 3,
  "control.privacy": 4,
  "control.fence": 1,
  "controller.here": 7,
  "controller.left": 5,
  "gate.open": 4,
  "gate.close": 1,
  "gate.status": 7,
  "node.gone": 1,
  "gate.drained": 14,
  "gate.renew": 3,
  "resume.claim": 9,
  "resume.held": 5,
  "resume.answer": 6,
  "resume.away": 5,
  "browser.attach": 1,
  "browser.endpoint": 1,
  tick: 4,
};
const PEOPLE = ["ann", "ben", "cleo"];

const plan: fc.Arbitrary<Plan> = fc.record({
  type: fc.oneof(
    ...(Object.entries(WEIGHTS) as [CommandType, number][]).map(([type, weight]) => ({
      weight,
      arbitrary: fc.constant(type),
    })),
  ),
  jump: fc.oneof(
    { weight: 14, arbitrary: fc.constantFrom(0, 0, 1, 10, 500) },
    { weight: 2, arbitrary: fc.constantFrom(4_999, 5_000, 5_001, 30_000) },
    { weight: 1, arbitrary: fc.constantFrom(60_000, 600_000, 90_000_000) },
    { weight: 1, arbitrary: fc.constant("due" as const) },
    { weight: 1, arbitrary: fc.constantFrom(-1, -5_000, -3_600_000) },
  ),
  who: fc.constantFrom("holder", "holder", ...PEOPLE),
  to: fc.constantFrom("ai", ...PEOPLE),
  id: fc.constantFrom("none", "none", "newest", "newest", "older", "unknown"),
  gate: fc.constantFrom("g1", "g2", "g3", "toString"),
  node: fc.constantFrom("n1", "n1", "n2", "toString"),
  status: fc.constantFrom(...PreviewStatus.options),
  epoch: fc.constantFrom("present", "present", "present", "older", "later"),
  client: fc.constantFrom("c1", "c1", "c2"),
  flag: fc.boolean(),
  flag2: fc.boolean(),
  privacy: fc.constantFrom("none", "none", "none", ...Privacy.options),
  ms: fc.constantFrom(1, 5_000, 5_000, 30_000, 30_000, 60_000),
  graceMs: fc.constantFrom(1, 10_000, 30_000),
});

function towardsPrompt({ handoff }: SandboxState): CommandType {
  if (handoff?.status === "accepted") return "handoff.complete";
  return handoff?.status === "pending" ? "handoff.accept" : "handoff.request";
}

function fill(plan: Plan, oracle: Oracle, freshId: string): Command {
  const { state } = oracle;
  const who = plan.who === "holder" ? (state.control.controller ?? "ann") : plan.who;
  const epoch = state.epoch + { present: 0, older: -1, later: 1 }[plan.epoch];
  const resume = plan.type.startsWith("resume.");
  // Where there is no prompt yet, mostly the next step towards one, or histories rarely get that far.
  const type = resume && plan.flag && state.resumes.length === 0 ? towardsPrompt(state) : plan.type;
  const ids = resume ? state.resumes.map(({ requestId }) => requestId) : [state.handoff?.requestId];
  const known = { none: ids.at(-1), newest: ids.at(-1), older: resume ? ids[0] : "r1", unknown: "r-none" };
  const requestId = known[plan.id] ?? "r-none";
  const named = plan.id === "none" ? {} : { requestId };
  const privacy = plan.privacy === "none" ? {} : { privacy: plan.privacy };
  const word: Seen = { nodeId: plan.node, leaseMs: plan.ms, graceMs: plan.graceMs };
  const seen = plan.flag2 ? { seen: word } : {};
  // Mostly one that has a prompt, or its lease is hardly ever renewed.
  const own = `${plan.client}-${plan.node}`;
  const sessionId = plan.flag
    ? (state.resumes.findLast(({ status }) => status === "running")?.sessionId ?? own)
    : own;
  switch (type) {
    case "handoff.request": {
      const { resumePrompt: _, ...plain } = cmd(type, { expiresInMs: plan.ms * 60 });
      return { ...plain, ...privacy, requestId: freshId, ...(plan.flag && { resumePrompt: "Go on" }) };
    }
    case "handoff.accept":
      return cmd(type, { controller: who, ...named, ...seen, ...privacy });
    case "handoff.complete":
      return cmd(type, {
        controller: who,
        ...named,
        returnControlTo: plan.flag2 ? "ai" : "human",
        runResumePrompt: plan.flag || plan.flag2,
        override: plan.flag && !plan.flag2,
        note: "Done",
      });
    case "handoff.cancel":
      return cmd(type, named);
    case "control.take":
      return cmd(type, { controller: who, force: plan.flag, ...seen, ...privacy });
    case "control.release":
      return cmd(type, { controller: who });
    case "control.pass":
      return cmd(type, { controller: who, to: plan.to, ...seen });
    case "control.privacy":
      return cmd(type, { controller: who, privacy: plan.flag ? "private" : "open" });
    case "control.fence":
      return cmd(type, { epoch: plan.flag ? epoch : epoch + plan.ms * 1_000 });
    case "controller.here":
      return cmd(type, { controller: who, ...word });
    case "controller.left":
      return cmd(type, { controller: who, nodeId: plan.node, graceMs: plan.graceMs });
    case "gate.open": {
      // To the present browser, or to one that was there before it.
      const attachedAt = state.browser && plan.epoch === "present" ? state.browser.attachedAt : START - 1;
      return cmd(type, { gateId: plan.gate, nodeId: plan.node, attachedAt });
    }
    case "gate.close":
      return cmd(type, { gateId: plan.gate });
    case "gate.status":
      return cmd(type, { gateId: plan.gate, status: plan.status });
    case "node.gone":
      return cmd(type, { nodeId: plan.node });
    case "gate.drained": {
      // Mostly one that is waited for, or histories rarely get past the first drain.
      const [waiting] = Object.keys(state.draining);
      return cmd(type, { gateId: plan.flag ? (waiting ?? plan.gate) : plan.gate, epoch });
    }
    case "gate.renew":
      return cmd(type, { gateId: plan.gate, epoch, leaseMs: plan.ms });
    case "resume.claim":
      return cmd(type, { requestId, clientId: plan.client, sessionId, leaseMs: plan.ms });
    case "resume.held":
      return cmd(type, { sessionId, leaseMs: plan.ms });
    case "resume.answer":
      return cmd(type, { requestId, clientId: plan.client, ok: plan.flag });
    case "resume.away":
      return cmd(type, { sessionId, graceMs: plan.graceMs });
    case "browser.attach":
      return cmd(type);
    case "browser.endpoint":
      return cmd(type, { endpoint: `ws://127.0.0.1:${plan.ms}/devtools/browser/1` });
    case "tick":
      return cmd(type);
  }
}

function judge(plans: readonly Plan[], seen: Set<string>): void {
  const oracle = new Oracle(initialState("box", plans.length % 2 ? { launch: true } : null, START));
  let now = START;
  for (const [index, plan] of plans.entries()) {
    now = plan.jump === "due" ? (nextDeadline(oracle.state) ?? now) : now + plan.jump;
    oracle.step(fill(plan, oracle, `r${index + 1}`), now);
  }
  for (const name of oracle.seen) seen.add(name);
}

function check(seed: number, numRuns: number): Set<string> {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(plan, { minLength: 5, maxLength: 80, size: "max" }), (plans) => judge(plans, seen)),
    // A failing history is made shorter for as long as the test may take, no longer.
    { seed, numRuns, interruptAfterTimeLimit: 15_000, markInterruptAsFailure: true },
  );
  return seen;
}

const REACHED = [
  "handoff.requested",
  "handoff.accepted",
  "handoff.completed",
  "handoff.cancelled",
  "handoff.expired",
  "handoff.returned",
  "control.taken",
  "control.released",
  "control.passed",
  "control.privacy",
  "control.active",
  "control.fenced",
  "control.away",
  "control.back",
  "resume.claimed",
  "resume.released",
  "resume.answered",
  "resume.failed",
  "browser.changed",
  "handoff_in_progress",
  "no_open_handoff",
  "already_accepted",
  "not_accepted",
  "handoff_completed",
  "handoff_cancelled",
  "handoff_expired",
  "not_controller",
  "already_controlled",
  "resume_not_found",
  "resume_taken",
];

describe("H1 to H5, C1, C2, C4, E1, R1, G3: any history keeps the rules", () => {
  it.each([1, 2, 20_777, 424_242])("seed %i", (seed) => {
    check(seed, 200);
  });

  it("a new seed each time (a failure prints it)", () => {
    check(Math.floor(Math.random() * 2 ** 31), 200);
  });

  it("the histories reach every event and refusal that the machine has", () => {
    expect([...check(7, 500)].sort()).toEqual([...REACHED].sort());
  });
});
