import type { HandoffReason } from "../../../protocol/handoff.ts";
import type { PreviewStatus } from "../../../protocol/preview.ts";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import { ALL_RIGHTS, mayDo, type Rights } from "./rights.ts";

/** The one colour a sandbox has: who drives, or that somebody is awaited. */
export type Tone = "agent" | "waiting" | "person";

export type Action =
  | "accept"
  | "accept-private"
  | "take-control"
  | "take-private"
  | "done"
  | "give-back"
  | "cancel"
  | "take-over";

export interface ControlView {
  readonly tone: Tone;
  /** A few words for a badge. */
  readonly badge: string;
  /** A sentence for the banner. */
  readonly headline: string;
  /** This person's input reaches the page now. */
  readonly youDrive: boolean;
  /** This person drives, or will once the agent has stopped: they may leave a page that hangs already. */
  readonly youHold: boolean;
  /** Control is on its way: nobody's input reaches the page. */
  readonly draining: boolean;
  /** The page is kept from everybody but the controller (G3). */
  readonly private: boolean;
  /** The page is kept from this person (G3). */
  readonly hidden: boolean;
  /** What this person can do next, the likeliest first. */
  readonly actions: readonly Action[];
}

/** Everything the page says about control, from the sandbox's state, this person's name and what they may do. */
export function viewControl(sandbox: Sandbox, me: string, rights: Rights = ALL_RIGHTS): ControlView {
  // Who may not drive does not, even under the name of the one who does.
  const view = viewAs(sandbox, rights.drive ? me : undefined);
  return { ...view, actions: view.actions.filter((action) => mayDo(action, rights)) };
}

function viewAs(sandbox: Sandbox, me: string | undefined): ControlView {
  const { control, handoff } = sandbox;
  const draining = control.phase === "draining";
  const name = control.controller;
  const inPrivate = control.privacy === "private";
  const common = { draining, private: inPrivate, hidden: inPrivate && name !== me };
  if (control.mode === "ai") {
    return {
      tone: "agent",
      badge: "Agent drives",
      headline: draining ? "Handing over to the agent…" : "The agent is driving",
      youDrive: false,
      youHold: false,
      ...common,
      actions: ["take-control", "take-private"],
    };
  }
  if (name === undefined) {
    const open = handoff?.status === "pending" || handoff?.status === "accepted";
    return {
      tone: "waiting",
      badge: "Waiting for a person",
      headline: "Waiting for a person",
      youDrive: false,
      youHold: false,
      ...common,
      actions: waysIn(open, inPrivate || (open && handoff.privacy === "private")),
    };
  }
  const inHandoff = control.mode === "shared";
  const privately = inPrivate ? " in private" : "";
  if (name === me) {
    const ways: Action[] = inHandoff
      ? [...(draining ? [] : (["done"] as const)), "give-back", "cancel"]
      : ["give-back"];
    return {
      tone: "person",
      badge: `You drive${privately}`,
      headline: draining ? "Waiting for the agent to stop…" : `You are driving${privately}`,
      youDrive: !draining,
      youHold: true,
      ...common,
      actions: ways,
    };
  }
  return {
    tone: "person",
    badge: `${name} drives${privately}`,
    headline: draining
      ? `${name} takes over${privately}: waiting for the agent to stop…`
      : `${name} is driving${privately}`,
    youDrive: false,
    youHold: false,
    ...common,
    actions: ["take-over"],
  };
}

/** Where the page is or becomes private anyway, there is no other way to begin. */
function waysIn(open: boolean, inPrivate: boolean): readonly Action[] {
  if (open) return ["accept", ...(inPrivate ? [] : (["accept-private"] as const)), "cancel"];
  return inPrivate ? ["take-control"] : ["take-control", "take-private"];
}

/** Why this person's click on the picture did nothing, and which action would change that. */
export function whyNotDriving(
  sandbox: Sandbox,
  me: string,
  rights: Rights = ALL_RIGHTS,
): { text: string; action: Action | undefined } {
  const view = viewControl(sandbox, me, rights);
  const action = view.actions[0];
  if (view.draining && sandbox.control.controller === me) {
    return {
      text: "One moment: the agent finishes what it began, then you drive. If the page hangs, close its tab or go to another address.",
      action: undefined,
    };
  }
  if (view.tone === "agent") return { text: "The agent is driving. You are watching.", action };
  if (view.tone === "waiting" && !rights.drive)
    return { text: "Nobody is driving yet. You are watching.", action: undefined };
  if (view.tone === "waiting") return { text: "Accept the handoff to drive this browser.", action };
  const driver = sandbox.control.controller ?? "Somebody else";
  return view.hidden
    ? { text: `${driver} is driving in private. Nobody else sees the page.`, action }
    : { text: `${driver} is driving. You are watching.`, action };
}

export const ACTION_LABELS: Readonly<Record<Action, string>> = {
  accept: "Accept",
  "accept-private": "Privately",
  "take-control": "Take control",
  "take-private": "Privately",
  done: "Done",
  "give-back": "Give back",
  cancel: "Cancel request",
  "take-over": "Take over",
};

export const REASON_LABELS: Readonly<Record<HandoffReason, string>> = {
  mfa: "Sign-in code",
  captcha: "Captcha",
  approval: "Approval",
  login_failed: "Login failed",
  ambiguous_ui: "Unclear page",
  file_download: "File download",
  custom: "Help",
};

/** The state of a sandbox's browser in a word or two, as after "Browser". */
export function browserWord(status: PreviewStatus | undefined): string {
  switch (status) {
    case undefined:
      return "detached";
    case "idle":
      return "not watched";
    // "live" is a word for pictures: a thumbnail that has stopped must not stand beside it (P2).
    case "live":
      return "connected";
    case "connecting":
    case "reconnecting":
    case "gone":
      return status;
    default:
      return status satisfies never;
  }
}
