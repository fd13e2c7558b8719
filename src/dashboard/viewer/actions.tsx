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

/** What this person can do now, the likeliest first in reading order and last in the row: nearest to the thumb. */
export function Actions({ room }: { room: Room }) {
  const control = room.control.value;
  const sandbox = room.sandbox.value;
  const controller = sandbox?.control.controller;
  const label = (action: Action): string => {
    if (action === "take-over" && controller !== undefined) return `Take over from ${controller}`;
    if (action === "give-back" && sandbox?.control.mode === "shared") return "Back to the queue";
    if (action === "give-back") return "Give back to the agent";
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
          class={index === 0 ? "button primary" : action === "cancel" ? "button quiet" : "button"}
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
