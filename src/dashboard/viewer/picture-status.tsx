import type { ReadonlySignal } from "@preact/signals";
import { formatAgo } from "../lib/durations.ts";
import type { PictureState } from "../lib/picture-health.ts";
import type { Room } from "../state/room.ts";
import type { PictureStats } from "./use-health.ts";

const WORDS: Readonly<Record<PictureState, string>> = {
  live: "Live",
  waiting: "Waiting",
  stalled: "Stalled",
  reconnecting: "Browser reconnecting",
  gone: "Browser gone",
  none: "No browser",
  hidden: "Hidden",
  offline: "Offline",
};

interface Props {
  room: Room;
  state: ReadonlySignal<PictureState>;
  stats: ReadonlySignal<PictureStats>;
}

/** Whether the picture is live, and how fresh. A page that does not change is live at no frames a second. */
export function PictureStatus({ room, state, stats }: Props) {
  const { fps, delayMs, ageMs } = stats.value;
  const live = state.value === "live";
  const size = room.picture.viewport.value;
  return (
    <div class="picture-status tabular">
      <span class={`live-mark is-${state.value}`}>
        <span class="dot" aria-hidden="true" />
        {WORDS[state.value]}
      </span>
      {live && <span>{fps === 0 ? "still page" : `${fps} fps`}</span>}
      {live && delayMs !== undefined && <span title="From composed to drawn">{Math.round(delayMs)} ms</span>}
      {ageMs !== undefined && (!live || fps === 0) && (
        <span title="When the shown picture was composed">picture from {formatAgo(ageMs)}</span>
      )}
      {size !== undefined && (
        <span class="picture-size">
          {size.width} × {size.height}
        </span>
      )}
    </div>
  );
}
