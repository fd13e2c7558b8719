import { Countdown } from "../components/time.tsx";
import { PrivacySwitch } from "./privacy-switch.tsx";
import { waitingWords } from "../lib/agent-words.ts";
import type { Room } from "../state/room.ts";

/** Who drives, in one sentence, and what runs out. */
export function ControlBanner({ room }: { room: Room }) {
  const sandbox = room.sandbox.value;
  const control = room.control.value;
  if (sandbox === undefined || control === undefined) {
    return (
      <section class="banner" data-testid="control-banner" aria-label="Control">
        <p class="banner-headline">Connecting…</p>
      </section>
    );
  }
  const { handoff } = sandbox;
  const connected = room.connected.value;
  const open = handoff?.status === "pending" || handoff?.status === "accepted";
  const { youHold, draining } = control;
  const waiting = youHold && !draining ? waitingWords(room.members.value) : undefined;
  const graceUntil = sandbox.control.graceUntil;
  return (
    <section
      class={`banner tone-${connected ? control.tone : "plain"}`}
      data-testid="control-banner"
      aria-label="Control"
    >
      <span class={control.draining || !connected ? "dot is-pulsing" : "dot"} aria-hidden="true" />
      <div class="banner-words">
        <p class="banner-headline" role="status">
          {connected ? control.headline : "Reconnecting to the gateway…"}
        </p>
        <p class="banner-detail">
          {!connected && <span class="meta">Last known: {control.headline}</span>}
          {graceUntil !== undefined && (
            <Countdown
              until={graceUntil}
              label={`${sandbox.control.controller ?? "Controller"} is away, back to ${sandbox.control.mode === "shared" ? "the queue" : "the agent"} in`}
            />
          )}
          {open && handoff.expiresAt !== undefined && (
            <Countdown until={handoff.expiresAt} label="Expires in" />
          )}
          {waiting !== undefined && (
            <span class="banner-waiting tabular" title={`${waiting.lead}${waiting.rest}`}>
              {waiting.lead}
              <span class="banner-rest">{waiting.rest}</span>
            </span>
          )}
          {room.youDrive.value && (
            <span class="keyboard-hint">
              <kbd>Shift</kbd> <kbd>Esc</kbd> leaves the page
            </span>
          )}
        </p>
      </div>
      {youHold && <PrivacySwitch room={room} />}
    </section>
  );
}
