import { useSignal } from "@preact/signals";
import { Icon } from "../components/icon.tsx";
import { toAddress } from "../lib/urls.ts";
import type { Room } from "../state/room.ts";
import { showToast } from "../state/toasts.ts";
import { focusPage, leaveOrExplain } from "./explain.ts";

/** Address, back, forward and reload of the shown tab; usable by the one who drives. */
export function AddressBar({ room }: { room: Room }) {
  const draft = useSignal<string | undefined>(undefined);
  const driving = room.youHold.value;
  const tab = room.activeTab.value;
  const { input } = room.handle;

  const submit = (event: Event): void => {
    event.preventDefault();
    const url = toAddress(draft.value ?? tab?.url ?? "");
    if (url === null) {
      showToast({
        tone: "bad",
        text: "That is no web address. Type one such as example.com or http://localhost:3000.",
      });
      return;
    }
    draft.value = undefined;
    leaveOrExplain(room, () => input.navigate(url));
    focusPage();
  };
  return (
    <form class="address-bar" onSubmit={submit} aria-label="Navigation of the remote browser">
      <button
        type="button"
        class="button icon-only quiet"
        aria-label="Back"
        disabled={!driving || tab?.canGoBack === false}
        onClick={() => leaveOrExplain(room, () => input.back())}
      >
        <Icon name="back" />
      </button>
      <button
        type="button"
        class="button icon-only quiet"
        aria-label="Forward"
        disabled={!driving || tab?.canGoForward === false}
        onClick={() => leaveOrExplain(room, () => input.forward())}
      >
        <Icon name="forward" />
      </button>
      <button
        type="button"
        class="button icon-only quiet"
        aria-label="Reload"
        disabled={!driving || tab === undefined}
        onClick={() => leaveOrExplain(room, () => input.reload())}
      >
        <Icon name="reload" />
      </button>
      <input
        class="address mono"
        data-testid="address"
        aria-label="Address"
        type="text"
        inputMode="url"
        autocapitalize="off"
        autocomplete="off"
        spellcheck={false}
        readOnly={!driving}
        value={draft.value ?? tab?.url ?? ""}
        placeholder={room.hidden.value ? "Hidden" : tab === undefined ? "No page" : "Address"}
        onFocus={(event) => driving && event.currentTarget.select()}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onBlur={() => (draft.value = undefined)}
        onKeyDown={(event) => event.key === "Escape" && (draft.value = undefined)}
      />
    </form>
  );
}
