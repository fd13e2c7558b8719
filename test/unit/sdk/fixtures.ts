import type { Control } from "../../../protocol/control.ts";
import type { Handoff } from "../../../protocol/handoff.ts";
import type { HandoffResult, Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";

export const ai: Control = { mode: "ai", phase: "active", since: 1 };
export const drivenBy = (controller: string, phase: Control["phase"] = "active"): Control => ({
  mode: "shared",
  phase,
  controller,
  since: 2,
});
/** A handoff is open and nobody drives. */
export const nobody: Control = { mode: "shared", phase: "active", since: 2 };

export function sandboxOf(over: Partial<Sandbox> = {}): Sandbox {
  return {
    sandboxId: "box",
    createdAt: 1,
    updatedAt: 1,
    epoch: 100,
    seq: 5,
    control: ai,
    handoff: null,
    resume: null,
    browser: null,
    ...over,
  };
}

export function handoffOf(over: Partial<Handoff> = {}): Handoff {
  return {
    requestId: "first",
    status: "pending",
    reason: "mfa",
    message: "Type the code",
    requestedBy: "agent",
    requestedAt: 10,
    updatedAt: 10,
    ...over,
  };
}

export function eventOf(seq: number, over: Partial<SandboxEvent> = {}): SandboxEvent {
  return { sandboxId: "box", seq, epoch: 100, at: seq, type: "browser.changed", changes: {}, ...over };
}

export function resultOf(handoff: Handoff | null = null): HandoffResult {
  return { ok: true, handoff, preview: null };
}

/** Calls a listener and remembers what it was called with; `next` waits for the following call. */
export function recorder<T>(): { calls: T[]; listener: (value: T) => void; next: () => Promise<T> } {
  const calls: T[] = [];
  const unread: T[] = [];
  const takers: ((value: T) => void)[] = [];
  return {
    calls,
    listener: (value) => {
      calls.push(value);
      const taker = takers.shift();
      if (taker) taker(value);
      else unread.push(value);
    },
    next: () => {
      if (unread.length > 0) return Promise.resolve(unread.shift() as T);
      return new Promise((resolve) => takers.push(resolve));
    },
  };
}
