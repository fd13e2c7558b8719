import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { MAX_NOTE_LENGTH } from "../../../protocol/handoff.ts";
import { PrivacyLine } from "../components/privacy-line.tsx";
import type { Room } from "../state/room.ts";
import { finish } from "../state/room-actions.ts";

/** Finishes the handoff: what to tell the agent, and where the browser goes. The page stays visible behind it. */
export function DonePanel({ room }: { room: Room }) {
  const handoff = room.sandbox.value?.handoff;
  const mine = handoff?.status === "accepted" && room.control.value?.actions.includes("done") === true;
  if (!room.donePanelOpen.value || !mine) return null;
  return <DoneForm key={handoff.requestId} room={room} prompt={handoff.resumePrompt} />;
}

function DoneForm({ room, prompt }: { room: Room; prompt: string | undefined }) {
  const runPrompt = useSignal(prompt !== undefined);
  const keepControl = useSignal(false);
  const noteField = useRef<HTMLTextAreaElement>(null);
  const busy = room.busy.value === "done";
  useEffect(() => noteField.current?.focus(), []);

  const close = (): void => {
    room.donePanelOpen.value = false;
    document.querySelector<HTMLElement>('#viewer-actions [data-testid="done"]')?.focus();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void finish(room, {
      note: room.note.value,
      runPrompt: prompt !== undefined && runPrompt.value,
      keepControl: keepControl.value,
    });
  };
  return (
    <div
      class="done-panel"
      role="dialog"
      aria-labelledby="done-title"
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <form onSubmit={submit}>
        <h2 id="done-title">Finish the handoff</h2>
        <label class="field">
          <span>Note for the agent</span>
          <textarea
            ref={noteField}
            data-testid="done-note"
            rows={3}
            maxLength={MAX_NOTE_LENGTH}
            placeholder="What you did, and what the agent should know (optional)"
            value={room.note.value}
            onInput={(event) => (room.note.value = event.currentTarget.value)}
          />
        </label>
        {prompt !== undefined && (
          <label class="check">
            <input
              type="checkbox"
              checked={runPrompt.value}
              onChange={(event) => (runPrompt.value = event.currentTarget.checked)}
            />
            <span>
              Run the resume prompt
              <span class="check-detail">“{prompt}”</span>
            </span>
          </label>
        )}
        <fieldset class="choice">
          <legend>Then the browser goes</legend>
          <label class="check">
            <input
              type="radio"
              name="return-to"
              checked={!keepControl.value}
              onChange={() => (keepControl.value = false)}
            />
            <span>back to the agent</span>
          </label>
          <label class="check">
            <input
              type="radio"
              name="return-to"
              checked={keepControl.value}
              onChange={() => (keepControl.value = true)}
            />
            <span>nowhere: I keep driving</span>
          </label>
        </fieldset>
        {room.control.value?.private === true && !keepControl.value && (
          <PrivacyLine text="The agent sees the page again, as you leave it. Log out, or close what it should not see." />
        )}
        <div class="panel-actions">
          <button type="button" class="button" onClick={close}>
            Not yet
          </button>
          <button type="submit" class="button primary" data-testid="done-submit" disabled={busy}>
            {busy ? "Finishing…" : keepControl.value ? "Finish" : "Hand back"}
          </button>
        </div>
      </form>
    </div>
  );
}
