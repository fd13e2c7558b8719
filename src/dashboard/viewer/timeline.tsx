import { formatTimeOfDay } from "../lib/durations.ts";
import type { Room } from "../state/room.ts";

/** What happened, newest first. */
export function Timeline({ room }: { room: Room }) {
  const entries = room.timeline.value.toReversed();
  return (
    <section class="panel-section">
      <h2>Timeline</h2>
      <ol class="timeline" data-testid="timeline" reversed>
        {entries.map((entry) => (
          <li key={entry.key} class={`tone-${entry.tone}`}>
            <span class="dot" aria-hidden="true" />
            <div class="timeline-words">
              <p>{entry.text}</p>
              {entry.quote !== undefined && <blockquote>{entry.quote}</blockquote>}
            </div>
            <time class="meta tabular" dateTime={new Date(entry.at).toISOString()}>
              {formatTimeOfDay(entry.at)}
            </time>
          </li>
        ))}
      </ol>
    </section>
  );
}
