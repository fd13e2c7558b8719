import type { Handoff } from "../../../protocol/handoff.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";

export const T0 = 1_700_000_000_000;

export function aSandbox(over: Partial<Sandbox> = {}): Sandbox {
  return {
    sandboxId: "checkout-42",
    createdAt: T0,
    updatedAt: T0,
    epoch: 1,
    seq: 1,
    control: { mode: "ai", phase: "active", since: T0 },
    handoff: null,
    resume: null,
    browser: { status: "live", attachedAt: T0, updatedAt: T0 },
    ...over,
  };
}

export function aHandoff(over: Partial<Handoff> = {}): Handoff {
  return {
    requestId: "req_1",
    status: "pending",
    reason: "mfa",
    message: "Type the code.",
    requestedBy: "agent",
    requestedAt: T0,
    updatedAt: T0,
    ...over,
  };
}

export function anEvent(
  type: SandboxEvent["type"],
  over: Partial<Omit<SandboxEvent, "type">> = {},
): SandboxEvent {
  return { sandboxId: "checkout-42", seq: 2, epoch: 2, at: T0, type, changes: {}, ...over };
}
