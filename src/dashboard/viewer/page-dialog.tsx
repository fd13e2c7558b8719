import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Dialog } from "../../../protocol/preview.ts";
import { shortUrl } from "../lib/urls.ts";
import type { Room } from "../state/room.ts";

/** The page's JavaScript dialog, which is not in the picture. */
export function PageDialog({ room }: { room: Room }) {
  const dialog = room.dialog.value;
  return dialog === null ? null : <DialogCard key={dialog.openedAt} room={room} dialog={dialog} />;
}

const LABELS: Readonly<Record<Dialog["type"], { accept: string; dismiss: string | undefined }>> = {
  alert: { accept: "OK", dismiss: undefined },
  confirm: { accept: "OK", dismiss: "Cancel" },
  prompt: { accept: "OK", dismiss: "Cancel" },
  beforeunload: { accept: "Leave", dismiss: "Stay" },
};

function DialogCard({ room, dialog }: { room: Room; dialog: Dialog }) {
  const typed = useSignal(dialog.defaultPrompt ?? "");
  const form = useRef<HTMLFormElement>(null);
  const driving = room.youDrive.value;
  const labels = LABELS[dialog.type];
  const url = room.activeTab.value?.url;
  useEffect(() => {
    if (driving) form.current?.querySelector<HTMLElement>("input, [type=submit]")?.focus();
  }, [driving]);

  const answer = (accept: boolean): void => {
    const { input } = room.handle;
    const text = accept && dialog.type === "prompt" ? typed.peek() : undefined;
    room.attempt(text === undefined ? input.answerDialog(accept) : input.answerDialog(accept, text));
  };
  return (
    <div
      class="page-dialog-scrim"
      role="alertdialog"
      aria-labelledby="page-dialog-title"
      aria-describedby="page-dialog-text"
    >
      <form
        ref={form}
        class="page-dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (driving) answer(true);
        }}
        onKeyDown={(event) => event.key === "Escape" && driving && answer(labels.dismiss === undefined)}
      >
        <p id="page-dialog-title" class="page-dialog-title">
          {url === undefined ? "The page" : shortUrl(url)} {dialog.type === "beforeunload" ? "asks" : "says"}
        </p>
        <p id="page-dialog-text" class="page-dialog-text">
          {dialog.type === "beforeunload" && dialog.message === ""
            ? "Leave this page? Changes you made may not be saved."
            : dialog.message}
        </p>
        {dialog.type === "prompt" && (
          <input
            class="text-input"
            aria-label="Answer"
            value={typed.value}
            maxLength={4_096}
            readOnly={!driving}
            onInput={(event) => (typed.value = event.currentTarget.value)}
          />
        )}
        {driving ? (
          <div class="panel-actions">
            {labels.dismiss !== undefined && (
              <button type="button" class="button" data-testid="dialog-dismiss" onClick={() => answer(false)}>
                {labels.dismiss}
              </button>
            )}
            <button type="submit" class="button primary" data-testid="dialog-accept">
              {labels.accept}
            </button>
          </div>
        ) : (
          <p class="meta">Only the one who drives can answer.</p>
        )}
      </form>
    </div>
  );
}
