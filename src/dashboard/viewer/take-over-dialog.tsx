import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { PrivacyLine } from "../components/privacy-line.tsx";
import type { Room } from "../state/room.ts";
import { takeOver } from "../state/room-actions.ts";

/** Asks before the browser is taken out of another person's hands. */
export function TakeOverDialog({ room }: { room: Room }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const privately = useSignal(false);
  const controller = room.sandbox.value?.control.controller;
  const asked = room.takeOverAsked.value && room.control.value?.actions.includes("take-over") === true;
  useEffect(() => {
    if (asked) {
      privately.value = false;
      dialog.current?.showModal();
    } else dialog.current?.close();
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
        {controller} is driving now and will have to stop. What they were typing stays where it is on the
        page.
      </p>
      {room.control.value?.private === true ? (
        <PrivacyLine
          text={`The page stays private: only you will see it, and ${controller ?? "they"} no longer will.`}
        />
      ) : (
        <label class="check">
          <input
            type="checkbox"
            data-testid="take-over-private"
            checked={privately.value}
            onChange={(event) => (privately.value = event.currentTarget.checked)}
          />
          <span>
            In private
            <span class="check-detail">Only you will see the page, {controller} and the agent won’t.</span>
          </span>
        </label>
      )}
      <div class="panel-actions">
        <button type="button" class="button" onClick={() => (room.takeOverAsked.value = false)}>
          {room.hidden.value ? "Not now" : "Keep watching"}
        </button>
        <button
          type="button"
          class="button danger"
          data-testid="take-over-confirm"
          disabled={room.busy.value !== undefined}
          onClick={() => void takeOver(room, privately.value)}
        >
          Take over
        </button>
      </div>
    </dialog>
  );
}
