/** Transitions of the handoff (H1 to H4). */
import type { Handoff } from "../../protocol/handoff.ts";
import type { CommandOf } from "./commands.ts";
import { addResume } from "./resume.ts";
import { sighted } from "./sightings.ts";
import { isOpen, type SandboxState } from "./state.ts";
import {
  addPrivacy,
  announce,
  changed,
  moveControl,
  refuse,
  same,
  strictest,
  type Transition,
} from "./step.ts";

export function request(state: SandboxState, command: CommandOf<"handoff.request">, now: number): Transition {
  if (isOpen(state.handoff)) {
    return refuse(
      "handoff_in_progress",
      "A handoff is already open for this sandbox. Wait for it with waitForHandoff, or cancel it first.",
      {
        handoff: state.handoff,
      },
    );
  }
  // A person who holds the browser already is the one the agent asks for: nothing is taken from them.
  const holder = state.control.mode === "human" ? state.control.controller : undefined;
  const hidden = command.privacy === "private";
  const handoff: Handoff = {
    requestId: command.requestId,
    status: holder === undefined ? "pending" : "accepted",
    reason: command.reason,
    message: command.message,
    requestedBy: command.requestedBy,
    ...(holder !== undefined && { controller: holder, acceptedAt: now }),
    ...(hidden && { privacy: "private" as const }),
    ...(command.resumePrompt !== undefined && { resumePrompt: command.resumePrompt }),
    requestedAt: now,
    expiresAt: now + command.expiresInMs,
    updatedAt: now,
  };
  // What is asked for begins with the acceptance; what was hidden before stays so.
  const accepted = holder === undefined ? undefined : command.privacy;
  const privacy = strictest(state.control.privacy, accepted);
  const after = { ...moveControl(state, "shared", holder, now, privacy), handoff };
  return changed(announce(state, after, "handoff.requested", now, command.by));
}

export function accept(state: SandboxState, command: CommandOf<"handoff.accept">, now: number): Transition {
  const { handoff } = state;
  const closed = refuseUnlessOpen(handoff, command.requestId, "accept");
  if (closed) return closed;
  const open = handoff as Handoff;
  if (open.status === "accepted") {
    if (open.controller === command.controller) return addPrivacy(state, command.privacy, now, command.by);
    return refuse(
      "already_accepted",
      `${open.controller} accepted this handoff first. Watch along, or ask them to pass control.`,
      {
        controller: open.controller,
        requestId: open.requestId,
      },
    );
  }
  const privacy = strictest(state.control.privacy, open.privacy, command.privacy);
  const after: SandboxState = {
    ...sighted(moveControl(state, "shared", command.controller, now, privacy), command.seen, now),
    handoff: { ...open, status: "accepted", controller: command.controller, acceptedAt: now, updatedAt: now },
  };
  return changed(announce(state, after, "handoff.accepted", now, command.by));
}

export function complete(
  state: SandboxState,
  command: CommandOf<"handoff.complete">,
  now: number,
): Transition {
  const { handoff } = state;
  const closed = refuseUnlessOpen(handoff, command.requestId, "complete");
  if (closed) return closed;
  const open = handoff as Handoff;
  if (open.status === "pending") {
    return refuse("not_accepted", "Nobody has accepted this handoff. Accept it first, then complete it.", {
      requestId: open.requestId,
    });
  }
  if (open.controller !== command.controller && !command.override) {
    return refuse(
      "not_controller",
      `Only ${open.controller} can complete this handoff. Ask them to, or take control first.`,
      {
        controller: open.controller,
        requestId: open.requestId,
      },
    );
  }
  const done: Handoff = {
    ...open,
    status: "completed",
    ...(command.note !== undefined && { note: command.note }),
    completedAt: now,
    updatedAt: now,
  };
  const keeps = command.returnControlTo === "human";
  const moved = moveControl(state, keeps ? "human" : "ai", keeps ? open.controller : undefined, now);
  const resumes =
    command.runResumePrompt && done.resumePrompt !== undefined
      ? addResume(state.resumes, done, done.resumePrompt, now)
      : state.resumes;
  return changed(announce(state, { ...moved, handoff: done, resumes }, "handoff.completed", now, command.by));
}

export function cancel(state: SandboxState, command: CommandOf<"handoff.cancel">, now: number): Transition {
  const closed = refuseUnlessOpen(state.handoff, command.requestId, "cancel");
  if (closed) return closed;
  const handoff: Handoff = {
    ...(state.handoff as Handoff),
    status: "cancelled",
    ...(command.note !== undefined && { note: command.note }),
    updatedAt: now,
  };
  const after = { ...moveControl(state, "ai", undefined, now), handoff };
  return changed(announce(state, after, "handoff.cancelled", now, command.by));
}

/** H4: the deadline passed; control returns to the agent. */
export function expire(state: SandboxState, now: number): Transition {
  const { handoff } = state;
  if (!isOpen(handoff) || handoff.expiresAt === undefined || handoff.expiresAt > now) return same;
  const after: SandboxState = {
    ...moveControl(state, "ai", undefined, now),
    handoff: { ...handoff, status: "expired", updatedAt: now },
  };
  return changed(announce(state, after, "handoff.expired", now));
}

/** Back to `pending` for the next person: the controller let go of it, or stayed away too long (H5). */
export function returnToQueue(state: SandboxState, now: number, by?: CommandOf<"tick">["by"]): Transition {
  const { controller: _, acceptedAt: __, ...rest } = state.handoff as Handoff;
  const after: SandboxState = {
    ...moveControl(state, "shared", undefined, now),
    handoff: { ...rest, status: "pending", updatedAt: now },
  };
  return changed(announce(state, after, "handoff.returned", now, by));
}

/** Every step into a closed or different handoff has its own refusal, and changes nothing (H3). */
function refuseUnlessOpen(
  handoff: Handoff | null,
  requestId: string | undefined,
  verb: string,
): Transition | null {
  if (handoff === null) {
    return refuse("no_open_handoff", `There is no handoff to ${verb}. Request one first.`);
  }
  if (requestId !== undefined && handoff.requestId !== requestId) {
    return refuse(
      "no_open_handoff",
      `Handoff ${requestId} is not the sandbox's newest one. Read the sandbox to see which is.`,
      {
        requestId: handoff.requestId,
        status: handoff.status,
      },
    );
  }
  const details = { requestId: handoff.requestId, status: handoff.status };
  switch (handoff.status) {
    case "pending":
    case "accepted":
      return null;
    case "completed":
      return refuse(
        "handoff_completed",
        `This handoff is completed. Request a new one instead of trying to ${verb} it.`,
        details,
      );
    case "cancelled":
      return refuse(
        "handoff_cancelled",
        `This handoff was cancelled. Request a new one instead of trying to ${verb} it.`,
        details,
      );
    case "expired":
      return refuse(
        "handoff_expired",
        `This handoff has expired. Request a new one instead of trying to ${verb} it.`,
        details,
      );
  }
}
