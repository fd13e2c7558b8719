import type { AgentPolicy } from "../../../protocol/agent.ts";
import type { Control } from "../../../protocol/control.ts";
import type { Member } from "../../../protocol/sandbox.ts";

/** What becomes of an agent's CDP commands while a person drives (G1), as a line under its name. */
const POLICY_WORDS: Readonly<Record<AgentPolicy, string>> = {
  hold: "Waits while a person drives",
  reject: "Is refused while a person drives",
  observe: "Only reads while a person drives",
};

/** As `POLICY_WORDS`, for this moment: behind the curtain there is nothing to read (G3). */
export function policyWords(policy: AgentPolicy, control: Control): string {
  return policy === "observe" && control.privacy === "private"
    ? "Sees nothing of the private page"
    : POLICY_WORDS[policy];
}

/** For whom an agent's commands wait; `undefined` when none do, or the agent has control anyway. */
export function heldWords(held: number, control: Control, me: string): string | undefined {
  if (held === 0 || control.mode === "ai") return undefined;
  const whom = control.controller === me ? "you" : (control.controller ?? "a person");
  return held === 1 ? `1 command waits for ${whom}` : `${held} commands wait for ${whom}`;
}

export interface WaitingWords {
  readonly lead: string;
  /** The rest of the sentence, where there is room for it. */
  readonly rest: string;
}

/** For the one who drives: that the agent goes on by itself, and with how much. */
export function waitingWords(members: readonly Member[]): WaitingWords | undefined {
  const held = members.reduce((sum, { cdp }) => sum + (cdp?.held ?? 0), 0);
  if (held === 0) return undefined;
  const rest = ": the agent goes on when you are done";
  return { lead: held === 1 ? "1 command waits" : `${held} commands wait`, rest };
}
