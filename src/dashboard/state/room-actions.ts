import type { Action } from "../lib/control-view.ts";
import { privacySwitch, privately } from "../lib/privacy.ts";
import type { Room } from "./room.ts";
import { showToast } from "./toasts.ts";

/** Starts what a button says. `done` and `take-over` ask first. */
export function act(room: Room, action: Action): void {
  switch (action) {
    case "accept":
    case "accept-private":
      void room.run(action, () =>
        room.handle.acceptHumanHandoff({
          controller: room.me,
          ...openRequest(room),
          ...privately(action === "accept-private"),
        }),
      );
      return;
    case "take-control":
    case "take-private":
      void room.run(action, () =>
        room.handle.takeControl({ controller: room.me, ...privately(action === "take-private") }),
      );
      return;
    case "done":
      room.donePanelOpen.value = true;
      return;
    case "give-back":
      void room.run(action, () => room.handle.releaseControl({ controller: room.me }));
      return;
    case "cancel":
      // It ends the agent's request for everybody, and stands where another button may just have been.
      if (
        !confirm(
          "Withdraw the agent's request? The agent gets the browser back, and is told that it was cancelled.",
        )
      )
        return;
      void room.run(action, () => room.handle.cancelHumanHandoff({ by: room.me, ...openRequest(room) }));
      return;
    case "take-over":
      room.takeOverAsked.value = true;
      return;
    default:
      action satisfies never;
  }
}

function openRequest(room: Room): { requestId?: string } {
  const requestId = room.sandbox.peek()?.handoff?.requestId;
  return requestId === undefined ? {} : { requestId };
}

/** Hides the page from everybody else, or shows it again. */
export async function switchPrivacy(room: Room): Promise<void> {
  const sandbox = room.sandbox.peek();
  if (sandbox === undefined) return;
  const { on, question } = privacySwitch(sandbox);
  if (question !== undefined && !confirm(question)) return;
  await room.run("privacy", () =>
    room.handle.setPrivacy({ controller: room.me, privacy: on ? "open" : "private" }),
  );
}

/** Takes the browser from the person who drives. */
export async function takeOver(room: Room, inPrivate: boolean): Promise<void> {
  const taken = await room.run("take-over", () =>
    room.handle.takeControl({ controller: room.me, force: true, ...privately(inPrivate) }),
  );
  if (taken) room.takeOverAsked.value = false;
}

export async function passTo(room: Room, to: string): Promise<void> {
  const passed = await room.run("pass", () => room.handle.passControl({ to, controller: room.me }));
  if (passed) showToast({ tone: "info", text: `${to} drives now.` });
}

export interface Finish {
  readonly note: string;
  readonly runPrompt: boolean;
  readonly keepControl: boolean;
}

/** Finishes the handoff. The page keeps showing the result, and the agent's answer when it comes. */
export async function finish(room: Room, choice: Finish): Promise<void> {
  const handoff = room.sandbox.peek()?.handoff;
  if (handoff === null || handoff === undefined) return;
  const { requestId } = handoff;
  const note = choice.note.trim();
  await room.run("done", async () => {
    const expected = { requestId, prompted: choice.runPrompt, kept: choice.keepControl };
    const previous = room.outcome.peek();
    room.outcome.value = { ...expected, answer: undefined };
    try {
      const result = await room.handle.completeHumanHandoff({
        controller: room.me,
        requestId,
        returnControlTo: choice.keepControl ? "human" : "ai",
        ...(choice.runPrompt ? { runResumePrompt: true } : {}),
        ...(note === "" ? {} : { note }),
      });
      room.outcome.value = { ...expected, answer: result.resume };
      room.note.value = "";
    } catch (error) {
      room.outcome.value = previous;
      throw error;
    }
    room.donePanelOpen.value = false;
  });
}
