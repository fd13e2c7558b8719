import { privacySwitch } from "../lib/privacy.ts";
import type { Room } from "../state/room.ts";
import { switchPrivacy } from "../state/room-actions.ts";

/** For the one who drives: hides the page from everybody else, or shows it again. */
export function PrivacySwitch({ room }: { room: Room }) {
  const sandbox = room.sandbox.value;
  if (sandbox === undefined) return null;
  const { on, title } = privacySwitch(sandbox);
  const usable = room.connected.value && room.busy.value === undefined;
  return (
    <button
      type="button"
      role="switch"
      class="privacy-switch"
      data-testid="privacy"
      aria-checked={on}
      aria-label="Private"
      // Not `disabled`: that would take the focus from who uses it with the keyboard.
      aria-disabled={!usable}
      title={title}
      onClick={() => usable && void switchPrivacy(room)}
    >
      <span class="switch-track" aria-hidden="true" />
      Private
    </button>
  );
}
