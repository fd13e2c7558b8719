import { useSignal } from "@preact/signals";
import { initials } from "../lib/names.ts";
import { confirmName, myName, nameUnconfirmed, setName } from "../state/name.ts";

/** The person's name, to be read and changed in place. A hint says so once. */
export function NameField({ locked }: { locked?: string | undefined }) {
  const draft = useSignal<string | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const name = myName.value;

  const commit = (): void => {
    const typed = draft.value;
    draft.value = undefined;
    if (typed === undefined || typed.trim() === name) return;
    problem.value = setName(typed);
  };
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    if (event.key === "Enter") event.currentTarget.blur();
    if (event.key !== "Escape") return;
    draft.value = undefined;
    problem.value = undefined;
  };
  return (
    <div class="name-field">
      <span class="avatar" aria-hidden="true">
        {initials(name)}
      </span>
      <input
        data-testid="name-input"
        class="name-input"
        aria-label="Your name, as others see it"
        aria-invalid={problem.value !== undefined}
        title={locked ?? "Others see this name when you drive"}
        value={draft.value ?? name}
        size={Math.min(22, Math.max(6, (draft.value ?? name).length))}
        maxLength={128}
        readOnly={locked !== undefined}
        autocomplete="nickname"
        spellcheck={false}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={onKeyDown}
      />
      {problem.value !== undefined ? (
        <p class="name-hint is-bad" role="alert">
          {problem.value}
        </p>
      ) : (
        nameUnconfirmed.value && (
          <div class="name-hint">
            <p>
              Others see you as <strong>{name}</strong>. Click the name to change it.
            </p>
            <button type="button" class="button small" onClick={confirmName}>
              Got it
            </button>
          </div>
        )
      )}
    </div>
  );
}
