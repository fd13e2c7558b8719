import { ACTION_LABELS, whyNotDriving } from "../lib/control-view.ts";
import { rights } from "../state/connection.ts";
import type { Room } from "../state/room.ts";
import { act } from "../state/room-actions.ts";
import { showToast } from "../state/toasts.ts";

/** Says why a click did nothing, and offers what would change that. */
export function explainNotDriving(room: Room): void {
  const sandbox = room.sandbox.peek();
  if (sandbox === undefined) return;
  if (!room.connected.peek()) {
    showToast({ tone: "info", text: "The gateway is out of reach. This page keeps trying to reconnect." });
    return;
  }
  const { text, action } = whyNotDriving(sandbox, room.me, rights.peek());
  showToast({
    tone: "info",
    text,
    ...(action === undefined
      ? {}
      : { action: { label: ACTION_LABELS[action], run: () => act(room, action) } }),
  });
}

/** Runs a call that leaves the page or its tab when this person drives or is next, and explains otherwise. */
export function leaveOrExplain(room: Room, input: () => Promise<void>): void {
  if (room.youHold.peek()) room.attempt(input());
  else explainNotDriving(room);
}

/** Keys go to the remote page from now on: what a person does after they chose a tab or an address. */
export function focusPage(): void {
  document.querySelector<HTMLElement>(".key-sink")?.focus({ preventScroll: true });
}

/** A new tab is empty: the next thing typed is an address. */
export function focusAddress(): void {
  const address = document.querySelector<HTMLInputElement>("input.address");
  address?.focus();
  address?.select();
}
