import type { Sandbox } from "../../../protocol/sandbox.ts";

/** What the request card and the queue say of a request that asks for privacy. */
export const ASKS_FOR_PRIVACY = "Asks for privacy: only you will see the page.";

export interface CurtainWords {
  readonly title: string;
  readonly text: string;
}

/** What stands where the page would be, for those from whom it is hidden (G3). */
export function curtainWords({ control, handoff }: Sandbox): CurtainWords {
  const name = control.controller;
  if (name === undefined) {
    const open = handoff?.status === "pending";
    return {
      title: "The page is private",
      text: `Nobody sees it until somebody ${open ? "accepts the request" : "takes control"}, and then only they do.`,
    };
  }
  return {
    title: control.phase === "draining" ? `${name} takes over in private` : `${name} drives in private`,
    text: `Nobody else sees the page, not even the agent. It comes back when ${name} shows it or is done.`,
  };
}

/** The same for a picture with room for a few words. */
export function curtainNote({ control }: Sandbox): string {
  return control.controller === undefined
    ? "Private: nobody sees the page"
    : `Only ${control.controller} sees the page`;
}

/** What to ask for when one begins; without it there stays what there is. */
export function privately(wanted: boolean): { privacy?: "private" } {
  return wanted ? { privacy: "private" } : {};
}

export interface PrivacySwitch {
  readonly on: boolean;
  /** What a click does. */
  readonly title: string;
  /** Asked before the click counts. */
  readonly question: string | undefined;
}

/** The controller's switch. Showing is asked about: what others have seen cannot be hidden any more. */
export function privacySwitch({ control }: Sandbox): PrivacySwitch {
  return control.privacy === "private"
    ? {
        on: true,
        title: "Show the page to the agent and to everybody here again",
        question: "Show the page again? The agent and everybody here will see it as it is now.",
      }
    : { on: false, title: "Hide the page from the agent and from everybody else here", question: undefined };
}
