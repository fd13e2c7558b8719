import { Icon } from "../components/icon.tsx";
import { formatTimeOfDay } from "../lib/durations.ts";
import { curtainWords } from "../lib/privacy.ts";
import type { Room } from "../state/room.ts";

/** Stands where the page would be while somebody else drives in private (G3). */
export function Curtain({ room }: { room: Room }) {
  const sandbox = room.sandbox.value;
  if (sandbox === undefined) return null;
  const { title, text } = curtainWords(sandbox);
  const { since } = sandbox.control;
  return (
    <div class="curtain" data-testid="curtain" role="status">
      <Icon name="lock" />
      <p class="curtain-title">{title}</p>
      <p>{text}</p>
      <p class="meta tabular">
        Since <time dateTime={new Date(since).toISOString()}>{formatTimeOfDay(since)}</time>
      </p>
    </div>
  );
}
