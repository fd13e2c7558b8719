/** Everything that can be asked of one sandbox. Ids and times come from outside: the machine itself is pure. */
import type { Privacy } from "../../protocol/control.ts";
import type { HandoffOrigin, HandoffReason } from "../../protocol/handoff.ts";
import type { BrowserSource } from "../../protocol/http.ts";
import type { PreviewStatus } from "../../protocol/preview.ts";
import type { EventActor } from "../../protocol/sandbox.ts";

/** A node's word, for `leaseMs`, that a person has a connection there (H5). */
export interface Seen {
  readonly nodeId: string;
  readonly leaseMs: number;
  readonly graceMs: number;
}

export type Command = { readonly by?: EventActor } & (
  | {
      readonly type: "handoff.request";
      readonly requestId: string;
      readonly reason: HandoffReason;
      readonly message: string;
      readonly requestedBy: HandoffOrigin;
      readonly resumePrompt?: string;
      readonly privacy?: Privacy;
      readonly expiresInMs: number;
    }
  | {
      readonly type: "handoff.accept";
      readonly controller: string;
      readonly requestId?: string;
      readonly privacy?: Privacy;
      readonly seen?: Seen;
    }
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
  | {
      readonly type: "control.take";
      readonly controller: string;
      readonly force: boolean;
      readonly privacy?: Privacy;
      readonly seen?: Seen;
    }
  | { readonly type: "control.release"; readonly controller: string }
  | {
      readonly type: "control.pass";
      readonly controller: string;
      readonly to: string;
      readonly seen?: Seen;
      /** Of a receiver who is not `seen`: they have so long to come. Absent: for ever. */
      readonly graceMs?: number;
    }
  | { readonly type: "control.privacy"; readonly controller: string; readonly privacy: Privacy }
  /** The store lost `epoch`, which was in force: whoever drives by what is left gets a newer one, after a drain. */
  | { readonly type: "control.fence"; readonly epoch: number }
  /** This person has a connection on this node, still or again; or no longer has one there (H5). */
  | ({ readonly type: "controller.here"; readonly controller: string } & Seen)
  | {
      readonly type: "controller.left";
      readonly controller: string;
      readonly nodeId: string;
      readonly graceMs: number;
    }
  /** A node can now reach the browser, or no longer can. */
  | {
      readonly type: "gate.open";
      readonly gateId: string;
      readonly nodeId: string;
      readonly attachedAt: number;
    }
  | { readonly type: "gate.close"; readonly gateId: string }
  /** How the browser looks through this gate. */
  | { readonly type: "gate.status"; readonly gateId: string; readonly status: PreviewStatus }
  /** What a node saw of the browser counts no more: it has stopped answering. Its gates' leases run out by themselves. */
  | { readonly type: "node.gone"; readonly nodeId: string }
  /** Nothing older than `epoch` is under way behind this gate any more (C2). */
  | { readonly type: "gate.drained"; readonly gateId: string; readonly epoch: number }
  /** Still draining: the page has not answered yet, the gate is alive. */
  | { readonly type: "gate.renew"; readonly gateId: string; readonly epoch: number; readonly leaseMs: number }
  | {
      readonly type: "resume.claim";
      readonly requestId: string;
      readonly clientId: string;
      readonly sessionId: string;
      /** How long the claim stands without `resume.held`. */
      readonly leaseMs: number;
    }
  /** The connection that claimed is still there. */
  | { readonly type: "resume.held"; readonly sessionId: string; readonly leaseMs: number }
  | {
      readonly type: "resume.answer";
      readonly requestId: string;
      readonly clientId: string;
      readonly ok: boolean;
      readonly response?: string;
    }
  | { readonly type: "resume.away"; readonly sessionId: string; readonly graceMs: number }
  | { readonly type: "browser.attach"; readonly source: BrowserSource }
  /** A launched browser listens somewhere else now. */
  | { readonly type: "browser.endpoint"; readonly endpoint: string }
  /** A deadline may have passed. */
  | { readonly type: "tick" }
);
export type CommandType = Command["type"];
export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>;

/**
 * How long a drain waits for a gate that says nothing. By then the gate has closed by its own clock: it lets nothing
 * through `GATE_PROOF_MS` after it last asked the store. The rest is for a decision that was committed late
 * (`MAX_DECISION_AGE_MS` of the store) and for clocks that run at different speed.
 */
export const GATE_LEASE_MS = 5_000;
/** How long a gate goes on letting input through after the store confirmed who drives (C3). */
export const GATE_PROOF_MS = 3_000;
