/** What the gate itself says to a client, in Chromium's form. */
import type { Control } from "../../protocol/control.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { Known } from "../room/gate.ts";

/** A command's address: its id is unique within its session only. */
export interface Address {
  readonly id: number;
  readonly sessionId?: string;
}

/** Chromium's numbers. */
export const SERVER_ERROR = -32_000;
export const NO_SESSION = -32_001;
export const INVALID_REQUEST = -32_600;
export const INVALID_PARAMS = -32_602;

export interface Refusal {
  readonly code: number;
  readonly message: string;
  /** For programs; travels as JSON in `data`, which CDP has as a string. */
  readonly data?: object;
}

export function resultMessage({ id, sessionId }: Address, result: object): Buffer {
  return Buffer.from(JSON.stringify({ id, result, ...(sessionId !== undefined && { sessionId }) }));
}

/** @param address without `id` for a message that has none that could be read */
export function errorMessage(address: Partial<Address>, { code, message, data }: Refusal): Buffer {
  const { id, sessionId } = address;
  const error = { code, message, ...(data && { data: JSON.stringify(data) }) };
  return Buffer.from(
    JSON.stringify({ ...(id !== undefined && { id }), error, ...(sessionId !== undefined && { sessionId }) }),
  );
}

export function eventMessage(method: string, params: object, sessionId?: string): Buffer {
  return Buffer.from(JSON.stringify({ method, params, ...(sessionId !== undefined && { sessionId }) }));
}

/** G1: who drives, and by which handoff. */
export function notDriving(
  method: string,
  known: (Known & { readonly handoff?: Handoff | null }) | null,
): Refusal {
  const control = known?.control;
  const handoff = known?.handoff;
  const open =
    handoff && (handoff.status === "pending" || handoff.status === "accepted") ? handoff : undefined;
  const by = open ? ` The open handoff is ${open.requestId} (${open.reason}, ${open.status}).` : "";
  return {
    code: SERVER_ERROR,
    message: `${why(control)} ${method} was not carried out. Wait for Baton.controlChanged, or connect with ?policy=hold to have commands wait.${by}`,
    data: {
      code: "not_controller",
      ...(control && { controlMode: control.mode, phase: control.phase }),
      ...(control?.controller !== undefined && { controller: control.controller }),
      ...(control?.privacy && { privacy: control.privacy }),
      ...(open && { requestId: open.requestId, reason: open.reason, handoffStatus: open.status }),
      ...(known && { epoch: known.epoch }),
    },
  };
}

function why(control: Control | undefined): string {
  if (!control) return "The gateway does not know yet who drives.";
  if (control.phase === "draining") return "Control is changing hands.";
  if (control.controller !== undefined) return `${control.controller} drives this browser now.`;
  if (control.mode === "ai") return "The gateway cannot confirm that the agent drives.";
  return "A handoff waits for a person, and nobody drives.";
}

export const NO_SUCH_SESSION: Refusal = { code: NO_SESSION, message: "Session with given id not found." };
