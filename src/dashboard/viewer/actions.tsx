import { Icon } from "../components/icon.tsx";
import { ACTION_LABELS, type Action } from "../lib/control-view.ts";
import { watchOnly } from "../lib/rights.ts";
import { grant, rights } from "../state/connection.ts";
import type { Room } from "../state/room.ts";
import { act } from "../state/room-actions.ts";

const BUSY_LABELS: Readonly<Record<Action, string>> = {
  accept: "Accepting…",
  "accept-private": "Accepting…",
  "take-control": "Taking control…",
  "take-private": "Taking control…",
  done: "Handing back…",
  "give-back": "Giving back…",
  cancel: "Cancelling…",
  "take-over": "Taking over…",
};

/** Only what somebody waits for stands out; taking the browser from others does not. */
const FIRST_LOOK: Readonly<Record<Action, string>> = {
  accept: "primary",
  "accept-private": "",
  done: "primary",
  "give-back": "primary",
  "take-control": "",
  "take-private": "",
  "take-over": "",
  cancel: "quiet",
};

const TO_THE_QUEUE = "Put the request back into the queue, for another person";
/** The whole sentence of a button whose label needs the one beside it. */
const FULL_LABELS: Partial<Readonly<Record<Action, string>>> = {
  "accept-private": "Accept privately",
  "take-private": "Take control privately",
};
const IN_PRIVATE = "Only you will see the page while you drive";

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
  const hint = (action: Action): string | undefined => {
    if (action === "accept-private" || action === "take-private") return IN_PRIVATE;
    return action === "give-back" && sandbox?.control.mode === "shared" ? TO_THE_QUEUE : undefined;
  };
  const busy = room.busy.value;
  if (!rights.value.drive) return <Watching />;
  return (
    <div class="actions" role="group" aria-label="Actions" id="viewer-actions">
      {control?.actions.map((action, index) => (
        <button
          key={action}
          type="button"
          data-testid={action}
          class={`button ${index === 0 && !control.draining ? FIRST_LOOK[action] : action === "cancel" ? "quiet" : ""}`}
          title={hint(action)}
          aria-label={FULL_LABELS[action]}
          disabled={busy !== undefined || !room.connected.value}
          aria-expanded={action === "done" ? room.donePanelOpen.value : undefined}
          onClick={() => act(room, action)}
        >
          {(action === "accept-private" || action === "take-private") && <Icon name="lock" />}
          {busy === action ? BUSY_LABELS[action] : label(action)}
        </button>
      ))}
    </div>
  );
}

/** In the place of the buttons, for who may look on only. */
function Watching() {
  return (
    <p class="watching" data-testid="watching" title={watchOnly(grant.value)}>
      <Icon name="eye" />
      You are watching
    </p>
  );
}
