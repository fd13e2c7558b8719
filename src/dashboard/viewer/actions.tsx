import { ACTION_LABELS, type Action } from "../lib/control-view.ts";
import type { Room } from "../state/room.ts";
import { act } from "../state/room-actions.ts";

const BUSY_LABELS: Readonly<Record<Action, string>> = {
  accept: "Accepting…",
  "take-control": "Taking control…",
  done: "Handing back…",
  "give-back": "Giving back…",
  cancel: "Cancelling…",
  "take-over": "Taking over…",
};

/** Only what somebody waits for stands out; taking the browser from others does not. */
const FIRST_LOOK: Readonly<Record<Action, string>> = {
  accept: "primary",
  done: "primary",
  "give-back": "primary",
  "take-control": "",
  "take-over": "",
  cancel: "quiet",
};

const TO_THE_QUEUE = "Put the request back into the queue, for another person";

/** What this person can do now, the likeliest first in reading order and last in the row: nearest to the thumb. */
export function Actions({ room }: { room: Room }) {
  const control = room.control.value;
  const sandbox = room.sandbox.value;
  const controller = sandbox?.control.controller;
  const label = (action: Action): string => {
    if (action === "take-over" && controller !== undefined) return `Take over from ${controller}`;
    if (action === "give-back")
      return sandbox?.control.mode === "human" ? "Give back to the agent" : "Back to the queue";
    return ACTION_LABELS[action];
  };
  const busy = room.busy.value;
  return (
    <div class="actions" role="group" aria-label="Actions" id="viewer-actions">
      {control?.actions.map((action, index) => (
        <button
          key={action}
          type="button"
          data-testid={action}
          class={`button ${index === 0 && !control.draining ? FIRST_LOOK[action] : action === "cancel" ? "quiet" : ""}`}
          title={action === "give-back" && sandbox?.control.mode === "shared" ? TO_THE_QUEUE : undefined}
          disabled={busy !== undefined || !room.connected.value}
          aria-expanded={action === "done" ? room.donePanelOpen.value : undefined}
          onClick={() => act(room, action)}
        >
          {busy === action ? BUSY_LABELS[action] : label(action)}
        </button>
      ))}
    </div>
  );
}
