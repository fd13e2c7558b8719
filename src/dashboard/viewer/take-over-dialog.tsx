import { useEffect, useRef } from "preact/hooks";
import type { Room } from "../state/room.ts";
import { takeOver } from "../state/room-actions.ts";

/** Asks before the browser is taken out of another person's hands. */
export function TakeOverDialog({ room }: { room: Room }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const controller = room.sandbox.value?.control.controller;
  const asked = room.takeOverAsked.value && room.control.value?.actions.includes("take-over") === true;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
    else dialog.current?.close();
  }, [asked]);
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby="take-over-title"
      onClose={() => (room.takeOverAsked.value = false)}
    >
      <h2 id="take-over-title">Take over from {controller}?</h2>
      <p>
        {controller} is driving now and will only be able to watch. What they were typing stays where it is on
        the page.
      </p>
      <div class="panel-actions">
        <button type="button" class="button" onClick={() => (room.takeOverAsked.value = false)}>
          Keep watching
        </button>
        <button
          type="button"
          class="button danger"
          data-testid="take-over-confirm"
          disabled={room.busy.value !== undefined}
          onClick={() => void takeOver(room)}
        >
          Take over
        </button>
      </div>
    </dialog>
  );
}
