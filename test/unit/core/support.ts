/** Commands with their usual fields filled in, and a way to walk a sandbox through them. */
import type { Command, CommandOf, CommandType, Seen } from "../../../src/core/commands.ts";
import { initialState, type SandboxState } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import type { BatonError } from "../../../protocol/errors.ts";
import type { SandboxEvent } from "../../../protocol/sandbox.ts";

/** Virtual epoch milliseconds at which every test begins. */
export const START = 1_700_000_000_000;
export const TTL_MS = 600_000;
export const GRACE_MS = 30_000;
/** How long a node's word counts, for a person's connection and for a program's. */
export const WORD_MS = 20_000;

/** A node's word that a person is connected to it. */
export function seenOn(nodeId: string, fields: Partial<Seen> = {}): Seen {
  return { nodeId, leaseMs: WORD_MS, graceMs: GRACE_MS, ...fields };
}

const defaults: { readonly [T in CommandType]: CommandOf<T> } = {
  "handoff.request": {
    type: "handoff.request",
    requestId: "r1",
    reason: "approval",
    message: "Please look",
    requestedBy: "agent",
    resumePrompt: "Go on",
    expiresInMs: TTL_MS,
  },
  "handoff.accept": { type: "handoff.accept", controller: "ann" },
  "handoff.complete": {
    type: "handoff.complete",
    controller: "ann",
    returnControlTo: "ai",
    runResumePrompt: false,
    override: false,
  },
  "handoff.cancel": { type: "handoff.cancel" },
  "control.take": { type: "control.take", controller: "ann", force: false },
  "control.release": { type: "control.release", controller: "ann" },
  "control.pass": { type: "control.pass", controller: "ann", to: "ben" },
  "control.privacy": { type: "control.privacy", controller: "ann", privacy: "private" },
  "control.fence": { type: "control.fence", epoch: 0 },
  "controller.here": { type: "controller.here", controller: "ann", ...seenOn("n1") },
  "controller.left": { type: "controller.left", controller: "ann", nodeId: "n1", graceMs: GRACE_MS },
  "gate.open": { type: "gate.open", gateId: "g1", nodeId: "n1", attachedAt: START },
  "gate.close": { type: "gate.close", gateId: "g1" },
  "gate.status": { type: "gate.status", gateId: "g1", status: "live" },
  "node.gone": { type: "node.gone", nodeId: "n1" },
  "gate.drained": { type: "gate.drained", gateId: "g1", epoch: 0 },
  "gate.renew": { type: "gate.renew", gateId: "g1", epoch: 0, leaseMs: 5_000 },
  "resume.claim": {
    type: "resume.claim",
    requestId: "r1",
    clientId: "c1",
    sessionId: "s1",
    leaseMs: WORD_MS,
  },
  "resume.held": { type: "resume.held", sessionId: "s1", leaseMs: WORD_MS },
  "resume.answer": { type: "resume.answer", requestId: "r1", clientId: "c1", ok: true, response: "Done" },
  "resume.away": { type: "resume.away", sessionId: "s1", graceMs: GRACE_MS },
  "browser.attach": { type: "browser.attach", source: { launch: true } },
  "browser.endpoint": { type: "browser.endpoint", endpoint: "ws://127.0.0.1:9222/devtools/browser/1" },
  tick: { type: "tick" },
};

/** The command of this type, with `fields` in place of the usual ones. */
export function cmd<T extends CommandType>(
  type: T,
  fields: Partial<Omit<CommandOf<T>, "type">> = {},
): CommandOf<T> {
  return { ...defaults[type], ...fields };
}

/** A sandbox, a clock, and everything that happened. A command that is refused throws its error. */
export class Walk {
  state: SandboxState = initialState("box", { launch: true }, START);
  now = START;
  readonly events: SandboxEvent[] = [];

  /** Runs commands one after the other; answers with the event types that the last one caused. */
  run(...commands: Command[]): string[] {
    let last: readonly SandboxEvent[] = [];
    for (const command of commands) {
      const step = transition(this.state, command, this.now);
      if (step.kind === "refused") throw step.error;
      last = step.kind === "changed" ? step.events : [];
      if (step.kind === "changed") this.state = step.state;
      this.events.push(...last);
    }
    return last.map(({ type }) => type);
  }

  /** The code that refuses the command now; nothing is changed. */
  refusal(command: Command): string {
    return refused(this, command).code;
  }

  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  /** Acknowledges the present epoch for these gates, or for all that still drain. */
  drain(...gateIds: string[]): this {
    for (const gateId of gateIds.length > 0 ? gateIds : Object.keys(this.state.draining)) {
      this.run(cmd("gate.drained", { gateId, epoch: this.state.epoch }));
    }
    return this;
  }
}

/** The error that refuses the command now; nothing is changed. */
export function refused(walk: Walk, command: Command): BatonError {
  const step = transition(walk.state, command, walk.now);
  if (step.kind !== "refused") throw new Error(`${command.type} was not refused but ${step.kind}`);
  return step.error;
}

/** Gates g1 and g2, a handoff of the agent's, everything drained. */
export function pending(): Walk {
  const walk = new Walk();
  walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
  return walk.drain();
}

export function accepted(): Walk {
  const walk = pending();
  walk.run(cmd("handoff.accept"));
  return walk;
}

/** A completed handoff whose prompt waits, for each id. */
export function complete(walk: Walk, ...requestIds: string[]): Walk {
  for (const requestId of requestIds) {
    walk.run(cmd("handoff.request", { requestId }), cmd("handoff.accept"));
    walk.run(cmd("handoff.complete", { runResumePrompt: true }));
    walk.drain();
  }
  return walk;
}
