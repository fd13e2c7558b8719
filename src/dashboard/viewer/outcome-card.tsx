import { describeOutcome } from "../lib/outcome-words.ts";
import type { Room } from "../state/room.ts";

/** How the last handoff ended for the agent: its answer to the resume prompt. */
export function OutcomeCard({ room }: { room: Room }) {
  const sandbox = room.sandbox.value;
  const status = sandbox?.handoff?.status;
  const finished = status === "completed";
  const outcome = room.outcome.value;
  if (sandbox === undefined || !finished) return null;
  const words = describeOutcome(outcome, sandbox.resume);
  if (words === undefined) return null;
  return (
    <section class={`outcome tone-${words.tone}`} data-testid="outcome" role="status">
      <p class="outcome-text">
        {words.tone === "waiting" && <span class="spinner" aria-hidden="true" />}
        {words.text}
      </p>
      {words.answer !== undefined && <blockquote>{words.answer}</blockquote>}
    </section>
  );
}
