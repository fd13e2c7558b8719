import type { Signal } from "@preact/signals";
import { Icon } from "../components/icon.tsx";
import type { Room } from "../state/room.ts";
import { OutcomeCard } from "./outcome-card.tsx";
import { Presence } from "./presence.tsx";
import { RequestCard } from "./request-card.tsx";
import { Timeline } from "./timeline.tsx";

/** What was asked, who is here, and what happened. On a phone a sheet that can be pulled down. */
export function SidePanel({ room, open }: { room: Room; open: Signal<boolean> }) {
  return (
    <aside class="side-panel" aria-label="Details">
      <button
        type="button"
        class="sheet-handle"
        aria-expanded={open.value}
        aria-controls="details"
        onClick={() => (open.value = !open.value)}
      >
        <span class="sheet-grip" aria-hidden="true" />
        <span class="visually-hidden">Details</span>
        <Icon name="panel" />
      </button>
      <div class="side-panel-body" id="details">
        {room.sandbox.value !== undefined && (
          <>
            <OutcomeCard room={room} />
            <RequestCard room={room} />
            <Presence room={room} />
            <Timeline room={room} />
          </>
        )}
      </div>
    </aside>
  );
}
