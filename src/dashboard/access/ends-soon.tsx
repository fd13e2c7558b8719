import { Countdown } from "../components/time.tsx";
import { endsSoon } from "../lib/rights.ts";
import { now } from "../state/clock.ts";
import { grant } from "../state/connection.ts";

/** Counts down the last two minutes of a token's or link's time, unless it will be prolonged. */
export function EndsSoon({ holds }: { holds: boolean }) {
  const held = grant.value;
  if (held === undefined || !endsSoon(held, holds, now.value)) return null;
  return (
    <p class="ends-soon" data-testid="ends-soon" role="status">
      <Countdown
        until={held.expiresAt}
        label={held.link === undefined ? "Your token ends in" : "Your link ends in"}
      />
      <span>
        The browser stays as it is. To stay here yourself,{" "}
        {held.link === undefined ? "sign in with a new token." : "ask for a new link."}
      </span>
    </p>
  );
}
