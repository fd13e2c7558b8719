/** What the rows of the transition table are made of. */
import type { CommandOf, CommandType } from "../../../src/core/commands.ts";
import type { SandboxState } from "../../../src/core/state.ts";
import { COMPLETED, DRAINING, type StateName } from "./states.ts";

export interface Row<T extends CommandType> {
  readonly command: CommandOf<T> | ((state: SandboxState) => CommandOf<T>);
  /** Run at the state's next deadline instead of before it. */
  readonly atDeadline?: true;
  readonly outcomes: Outcomes;
}
/** Which states answer the command with this: every state is named once. */
export type Outcomes = Readonly<Record<string, readonly StateName[]>>;
/** The rows of some commands, by command and variant. */
export type Rows<T extends CommandType> = { readonly [K in T]: Readonly<Record<string, Row<K>>> };

export const NOT_OPEN = {
  handoff_completed: COMPLETED,
  handoff_cancelled: ["cancelled"],
  handoff_expired: ["expired"],
} as const satisfies Outcomes;

/** What each state's next deadline brings, under a command that adds nothing to it. */
export const DUE: Outcomes = {
  "control.active": DRAINING,
  "handoff.expired": ["pending", "pendingPrivate", "accepted"],
  "handoff.returned": ["acceptedAway"],
  "control.released": ["humanAway"],
  "control.away": ["acceptedSeen", "acceptedPrivate", "humanSeen"],
  "resume.released": ["resumeAway"],
  silent: ["acceptedSeenTwice", "resumeRunning"],
  same: [
    "ai",
    "human",
    "humanPrivate",
    "resumeWaiting",
    "resumeAnswered",
    "resumeFailed",
    "cancelled",
    "expired",
  ],
};
