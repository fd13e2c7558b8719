import { formatAgo, formatCountdown } from "../lib/durations.ts";
import { now } from "../state/clock.ts";

/** How long ago something was; ticks. */
export function Ago({ at }: { at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{formatAgo(now.value - at)}</time>;
}

/** The last minute of a countdown stands out. */
const URGENT_MS = 60_000;

/** What is left until `until`; ticks. */
export function Countdown({ until, label }: { until: number; label: string }) {
  const left = until - now.value;
  return (
    <span class={left < URGENT_MS ? "countdown urgent" : "countdown"}>
      {label} <span class="tabular">{formatCountdown(left)}</span>
    </span>
  );
}
