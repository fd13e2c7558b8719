/** Commands with their usual fields filled in, and a way to walk a sandbox through them. */
import type { Command, CommandOf, CommandType } from "../../../src/core/commands.ts";
import { initialState, type SandboxState } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import type { SandboxEvent } from "../../../protocol/sandbox.ts";

/** Virtual epoch milliseconds at which every test begins. */
export const START = 1_700_000_000_000;
export const TTL_MS = 600_000;
export const GRACE_MS = 30_000;

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
  "controller.away": { type: "controller.away", controller: "ann", graceMs: GRACE_MS },
  "controller.back": { type: "controller.back", controller: "ann" },
  "gate.open": { type: "gate.open", gateId: "g1" },
  "gate.close": { type: "gate.close", gateId: "g1" },
  "gate.drained": { type: "gate.drained", gateId: "g1", epoch: 0 },
  "gate.renew": { type: "gate.renew", gateId: "g1", epoch: 0, leaseMs: 5_000 },
  "resume.claim": { type: "resume.claim", requestId: "r1", clientId: "c1", sessionId: "s1" },
  "resume.answer": { type: "resume.answer", requestId: "r1", clientId: "c1", ok: true, response: "Done" },
  "resume.away": { type: "resume.away", clientId: "c1", graceMs: GRACE_MS },
  "browser.attach": { type: "browser.attach", source: { launch: true } },
  "browser.status": { type: "browser.status", status: "live" },
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
    const step = transition(this.state, command, this.now);
    if (step.kind !== "refused") throw new Error(`${command.type} was not refused but ${step.kind}`);
    return step.error.code;
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
