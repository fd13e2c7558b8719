import { useSignal } from "@preact/signals";
import { initials } from "../lib/names.ts";
import { confirmName, myName, nameUnconfirmed, setName } from "../state/name.ts";
import { identity } from "../state/connection.ts";
import { signOut } from "../state/credential.ts";
import { showToast } from "../state/toasts.ts";

/** The person's name, to be read and changed in place. Says what it is for until it was touched once. */
export function NameField({ locked }: { locked?: string | undefined }) {
  const draft = useSignal<string | undefined>(undefined);
  const known = identity.value;
  if (known?.grant !== undefined)
    return <GivenName name={known.name} byLink={known.grant.link !== undefined} />;
  const name = myName.value;

  const commit = (): void => {
    const typed = draft.value;
    draft.value = undefined;
    if (typed === undefined || typed.trim() === name) return;
    const problem = setName(typed);
    if (problem !== undefined) showToast({ tone: "bad", text: problem });
  };
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    if (event.key === "Escape") draft.value = undefined;
    if (event.key === "Enter") event.currentTarget.blur();
  };
  return (
    <label class="name-field">
      {nameUnconfirmed.value && <span class="name-hint">Others see you as</span>}
      <span class="avatar" aria-hidden="true">
        {initials(name)}
      </span>
      <input
        data-testid="name-input"
        class={nameUnconfirmed.value ? "name-input is-new" : "name-input"}
        aria-label="Your name, as others see it"
        title={locked ?? "Others see this name when you drive. Click to change it."}
        value={draft.value ?? name}
        size={Math.min(22, Math.max(6, (draft.value ?? name).length))}
        maxLength={128}
        readOnly={locked !== undefined}
        autocomplete="nickname"
        spellcheck={false}
        onFocus={(event) => {
          event.currentTarget.select();
          confirmName();
        }}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={onKeyDown}
      />
    </label>
  );
}

/** With a token the name is the token's. */
function GivenName({ name, byLink }: { name: string; byLink: boolean }) {
  return (
    <span class="name-field" title={byLink ? "Your name, from your link" : "Your name, from your token"}>
      <span class="avatar" aria-hidden="true">
        {initials(name)}
      </span>
      <span class="given-name" data-testid="given-name">
        {name}
      </span>
      {!byLink && (
        <button type="button" class="button small quiet sign-out" onClick={signOut}>
          Sign out
        </button>
      )}
    </span>
  );
}
