import { latencyMs, status } from "../state/connection.ts";

const WORDS = {
  connecting: "Connecting…",
  open: "Connected",
  reconnecting: "Reconnecting…",
  closed: "Disconnected",
} as const;

/** Whether this page hears the gateway, and how far away it is. */
export function ConnectionBadge() {
  const state = status.value;
  const latency = latencyMs.value;
  return (
    <span class={`connection is-${state}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="connection-words">{WORDS[state]}</span>
      {state === "open" && latency !== undefined && (
        <span class="latency tabular" title="Round trip to the gateway">
          {Math.round(latency)} ms
        </span>
      )}
    </span>
  );
}
