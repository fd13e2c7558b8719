import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { CreateLinkBody, Link, LinkAccess } from "../../../protocol/auth.ts";
import { Icon } from "../components/icon.tsx";
import { Countdown } from "../components/time.tsx";
import { checkName } from "../lib/names.ts";
import { rights } from "../state/connection.ts";
import type { Room } from "../state/room.ts";
import { messageOf } from "../state/toasts.ts";

const MINUTE = 60_000;
const SPANS: readonly (readonly [label: string, spanMs: number])[] = [
  ["15 minutes", 15 * MINUTE],
  ["1 hour", 60 * MINUTE],
  ["4 hours", 240 * MINUTE],
  ["24 hours", 1_440 * MINUTE],
];
/** As long as the gateway takes: it makes a name of a guest's of it. */
const MAX_GUEST_NAME_LENGTH = 100;
const COPIED_SHOWN_MS = 2_000;

interface Made {
  readonly link: Link;
  readonly url: string;
}

/** Opens the dialog; for those who may make links. */
export function ShareButton({ room }: { room: Room }) {
  if (!rights.value.share || room.missing.value !== undefined) return null;
  return (
    <button
      type="button"
      class="button small share-button"
      data-testid="share"
      onClick={() => (room.shareAsked.value = true)}
    >
      <Icon name="share" />
      <span class="share-word">Share</span>
    </button>
  );
}

/** Makes a link for somebody who has no token, shows it once, and can take it back. */
export function ShareDialog({ room }: { room: Room }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const made = useSignal<Made | undefined>(undefined);
  const asked = room.shareAsked.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
    else dialog.current?.close();
  }, [asked]);
  const close = (): void => {
    room.shareAsked.value = false;
    // Shown once: nothing of it stays in the page.
    made.value = undefined;
  };
  return (
    <dialog
      ref={dialog}
      class="confirm share"
      data-testid="share-dialog"
      aria-labelledby="share-title"
      onClose={close}
    >
      {asked &&
        (made.value === undefined ? (
          <ShareForm room={room} close={close} done={(result) => (made.value = result)} />
        ) : (
          <MadeLink room={room} made={made.value} close={close} />
        ))}
    </dialog>
  );
}

function ShareForm({ room, close, done }: { room: Room; close: () => void; done: (made: Made) => void }) {
  const access = useSignal<LinkAccess>("watch");
  const spanMs = useSignal(15 * MINUTE);
  const singleUse = useSignal(true);
  const name = useSignal("");
  const busy = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const body: CreateLinkBody = {
      access: access.peek(),
      expiresInMs: spanMs.peek(),
      singleUse: singleUse.peek(),
    };
    if (name.peek().trim() !== "") {
      const checked = checkName(name.peek());
      if ("problem" in checked) {
        problem.value = checked.problem;
        return;
      }
      body.subject = checked.name;
    }
    busy.value = true;
    problem.value = undefined;
    try {
      done(await room.handle.createLink(body));
    } catch (error) {
      problem.value = messageOf(error);
    } finally {
      busy.value = false;
    }
  };
  const choice = (value: LinkAccess, label: string, detail: string) => (
    <label class="check">
      <input
        type="radio"
        name="share-access"
        data-testid={`share-${value}`}
        checked={access.value === value}
        onChange={() => (access.value = value)}
      />
      <span>
        {label}
        <span class="check-detail">{detail}</span>
      </span>
    </label>
  );
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h2 id="share-title">Share this browser</h2>
      <p>A link lets somebody in who has no token: to this sandbox, and to nothing else.</p>
      <fieldset class="choice">
        <legend>Who opens it can</legend>
        {choice("watch", "Watch", "See the live page, and what happens here.")}
        {choice("drive", "Drive", "Also accept requests, take the browser from the agent, and give it back.")}
      </fieldset>
      <div class="share-fields">
        <label class="field">
          <span>Good for</span>
          <select
            class="text-input"
            value={spanMs.value}
            onChange={(event) => (spanMs.value = Number(event.currentTarget.value))}
          >
            {SPANS.map(([label, value]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>
            Their name <span class="meta">optional</span>
          </span>
          <input
            class="text-input"
            data-testid="share-name"
            value={name.value}
            maxLength={MAX_GUEST_NAME_LENGTH}
            placeholder="guest-…"
            autocomplete="off"
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </label>
      </div>
      <label class="check">
        <input
          type="checkbox"
          data-testid="share-once"
          checked={singleUse.value}
          onChange={(event) => (singleUse.value = event.currentTarget.checked)}
        />
        <span>
          Opens once
          <span class="check-detail">Only the first who opens it gets in, and may reload.</span>
        </span>
      </label>
      <p class="form-problem" role="alert">
        {problem.value}
      </p>
      <div class="panel-actions">
        <button type="button" class="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="button primary" data-testid="share-make" disabled={busy.value}>
          {busy.value ? "Making the link…" : "Make the link"}
        </button>
      </div>
    </form>
  );
}

function MadeLink({ room, made, close }: { room: Room; made: Made; close: () => void }) {
  const { link, url } = made;
  const field = useRef<HTMLInputElement>(null);
  const copied = useSignal(false);
  const revoked = useSignal<"no" | "now" | "yes">("no");
  const problem = useSignal<string | undefined>(undefined);
  useEffect(() => field.current?.select(), []);

  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(url);
      copied.value = true;
      setTimeout(() => (copied.value = false), COPIED_SHOWN_MS);
    } catch {
      // Pages that are not served over https or from localhost have no clipboard.
      field.current?.select();
      problem.value = "This page may not use the clipboard. The link is selected: copy it with the keyboard.";
    }
  };
  const revoke = async (): Promise<void> => {
    revoked.value = "now";
    problem.value = undefined;
    try {
      await room.handle.revokeLink(link.linkId);
      revoked.value = "yes";
    } catch (error) {
      revoked.value = "no";
      problem.value = messageOf(error);
    }
  };
  if (revoked.value === "yes") {
    return (
      <>
        <h2 id="share-title">The link is revoked</h2>
        <p role="status">It opens nothing any more, and whoever came by it is out.</p>
        <div class="panel-actions">
          <button type="button" class="button primary" onClick={close}>
            Close
          </button>
        </div>
      </>
    );
  }
  return (
    <>
      <h2 id="share-title">Link to {link.access}</h2>
      <p>
        It is as good as a password: who has it is in, as <strong>{link.subject}</strong>. Send it to that
        person only, and never to the agent.
      </p>
      <div class="share-link">
        <input
          ref={field}
          class="text-input mono"
          data-testid="share-url"
          aria-label="The link"
          readOnly
          value={url}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button primary" data-testid="share-copy" onClick={() => void copy()}>
          <Icon name={copied.value ? "check" : "copy"} />
          {copied.value ? "Copied" : "Copy"}
        </button>
      </div>
      <p class="share-facts">
        <span>{link.singleUse ? "Opens once." : "Opens as often as it is used."}</span>
        <Countdown until={link.expiresAt} label="Ends in" />
        <span>Shown only now: copy it before you close this.</span>
      </p>
      <p class="form-problem" role="alert">
        {problem.value}
      </p>
      <div class="panel-actions">
        <button
          type="button"
          class="button quiet share-revoke"
          data-testid="share-revoke"
          disabled={revoked.value === "now"}
          onClick={() => void revoke()}
        >
          {revoked.value === "now" ? "Revoking…" : "Revoke"}
        </button>
        <button type="button" class="button" data-testid="share-done" onClick={close}>
          Done
        </button>
      </div>
    </>
  );
}
