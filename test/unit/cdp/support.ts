/** Commands as the gate reads them. */
import { classify } from "../../../src/core/cdp-policy.ts";
import type { Command } from "../../../src/cdp/commands.ts";
import type { SessionState } from "../../../src/cdp/session-state.ts";

export function commandFor(session: SessionState, method: string, params: Record<string, unknown>): Command {
  const envelope = { id: 1, method, ...(session.id !== undefined && { sessionId: session.id }) };
  const bytes = Buffer.from(JSON.stringify({ ...envelope, params }));
  const drives = classify(method, params) === "drive";
  return { bytes, envelope, id: 1, method, params, session, drives, dialog: session.dialogs };
}
