import { degraded } from "../state/connection.ts";

/** The gateway has lost its store: the picture goes on, everything else waits. */
export function DegradedNotice() {
  if (!degraded.value) return null;
  return (
    <p class="notice is-bad" role="alert">
      <strong>You can watch, but not act.</strong> The gateway cannot reach its store: input and handoffs wait
      until it can. What was done is kept, and this page goes on by itself.
    </p>
  );
}
