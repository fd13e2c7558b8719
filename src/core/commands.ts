/** Everything that can be asked of one sandbox. Ids and times come from outside: the machine itself is pure. */
import type { HandoffOrigin, HandoffReason } from "../../protocol/handoff.ts";
import type { BrowserSource } from "../../protocol/http.ts";
import type { PreviewStatus } from "../../protocol/preview.ts";
import type { EventActor } from "../../protocol/sandbox.ts";

export type Command = { readonly by?: EventActor } & (
  | {
      readonly type: "handoff.request";
      readonly requestId: string;
      readonly reason: HandoffReason;
      readonly message: string;
      readonly requestedBy: HandoffOrigin;
      readonly resumePrompt?: string;
      readonly expiresInMs: number;
    }
  | { readonly type: "handoff.accept"; readonly controller: string; readonly requestId?: string }
  | {
      readonly type: "handoff.complete";
      readonly controller: string;
      readonly requestId?: string;
      readonly returnControlTo: "ai" | "human";
      readonly runResumePrompt: boolean;
      readonly note?: string;
      /** The caller may finish for somebody else (H3). */
      readonly override: boolean;
    }
  | { readonly type: "handoff.cancel"; readonly requestId?: string; readonly note?: string }
  | { readonly type: "control.take"; readonly controller: string; readonly force: boolean }
  | { readonly type: "control.release"; readonly controller: string }
  | { readonly type: "control.pass"; readonly controller: string; readonly to: string }
  /** The last connection of this person closed, or the first one opened again (H5). */
  | { readonly type: "controller.away"; readonly controller: string; readonly graceMs: number }
  | { readonly type: "controller.back"; readonly controller: string }
  /** A node can now reach the browser, or no longer can. */
  | { readonly type: "gate.open"; readonly gateId: string }
  | { readonly type: "gate.close"; readonly gateId: string }
  /** Nothing older than `epoch` is under way behind this gate any more (C2). */
  | { readonly type: "gate.drained"; readonly gateId: string; readonly epoch: number }
  /** Still draining: the page has not answered yet, the gate is alive. */
  | { readonly type: "gate.renew"; readonly gateId: string; readonly epoch: number; readonly leaseMs: number }
  | {
      readonly type: "resume.claim";
      readonly requestId: string;
      readonly clientId: string;
      readonly sessionId: string;
    }
  | {
      readonly type: "resume.answer";
      readonly requestId: string;
      readonly clientId: string;
      readonly ok: boolean;
      readonly response?: string;
    }
  | { readonly type: "resume.away"; readonly clientId: string; readonly graceMs: number }
  | { readonly type: "browser.attach"; readonly source: BrowserSource }
  | { readonly type: "browser.status"; readonly status: PreviewStatus }
  /** A deadline may have passed. */
  | { readonly type: "tick" }
);
export type CommandType = Command["type"];
export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>;

/** How long a gate that stopped answering can still let input through; after it, its share of a drain is over. */
export const GATE_LEASE_MS = 5_000;
