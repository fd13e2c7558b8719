import { Ago } from "../components/time.tsx";
import { PrivacyLine } from "../components/privacy-line.tsx";
import { REASON_LABELS } from "../lib/control-view.ts";
import { ASKS_FOR_PRIVACY } from "../lib/privacy.ts";
import type { Room } from "../state/room.ts";

const ENDED = {
  completed: "Finished",
  cancelled: "Cancelled",
  expired: "Expired",
} as const;

/** The open handoff, or the last one. */
export function RequestCard({ room }: { room: Room }) {
  const sandbox = room.sandbox.value;
  if (sandbox === undefined) return null;
  const { handoff } = sandbox;
  if (handoff === null) {
    return (
      <section class="panel-section">
        <h2>Request</h2>
        <p class="panel-empty">The agent has not asked for a person.</p>
      </section>
    );
  }
  const { status } = handoff;
  const open = status === "pending" || status === "accepted";
  return (
    <section class={open ? "panel-section request" : "panel-section request is-over"}>
      <h2>{open ? "Request" : "Last request"}</h2>
      <p class="request-head">
        <span class="reason">{REASON_LABELS[handoff.reason]}</span>
        <span class="meta">
          {open ? (
            <>
              {handoff.requestedBy}, <Ago at={handoff.requestedAt} />
            </>
          ) : (
            <>
              {ENDED[status]} <Ago at={handoff.completedAt ?? handoff.updatedAt} />
            </>
          )}
        </span>
      </p>
      <p class="request-message">{handoff.message}</p>
      {handoff.privacy === "private" && status === "pending" && <PrivacyLine text={ASKS_FOR_PRIVACY} />}
      {handoff.resumePrompt !== undefined && (
        <details class="request-prompt" open={open}>
          <summary>Resume prompt</summary>
          <p>{handoff.resumePrompt}</p>
        </details>
      )}
    </section>
  );
}
