import type { PictureState } from "../lib/picture-health.ts";
import type { Room } from "../state/room.ts";

interface Words {
  readonly title: string;
  readonly text: string;
}

const WORDS: Readonly<Record<Exclude<PictureState, "live" | "hidden">, Words>> = {
  waiting: { title: "Waiting for the first picture", text: "It comes as soon as the browser has drawn one." },
  stalled: {
    title: "The picture has stalled",
    text: "What you see may be old. It goes on by itself when the browser answers again.",
  },
  reconnecting: {
    title: "Reconnecting to the browser",
    text: "The gateway lost it and is looking for it. The last picture stays below.",
  },
  gone: {
    title: "The browser is gone",
    text: "It was closed or crashed. Attach a new one to this sandbox with POST /v1/sandboxes.",
  },
  none: {
    title: "No browser attached",
    text: "Attach one with POST /v1/sandboxes and a cdpUrl, or let the gateway launch one.",
  },
  offline: {
    title: "The gateway is out of reach",
    text: "This page keeps trying to reconnect. What you see may be old.",
  },
};

/** Lies over a picture that is not live, and says why (P2). */
export function StageOverlay({ room, state }: { room: Room; state: PictureState }) {
  if (state === "live" || state === "hidden") return null;
  if (state === "waiting" && room.picture.viewport.value !== undefined) return null;
  const { title, text } = WORDS[state];
  return (
    <div
      class={`stage-overlay is-${state}`}
      role="status"
      data-testid={state === "stalled" ? "stalled" : `overlay-${state}`}
    >
      <div class="stage-overlay-card">
        {(state === "waiting" || state === "reconnecting" || state === "offline") && (
          <span class="spinner" aria-hidden="true" />
        )}
        <div>
          <p class="stage-overlay-title">{title}</p>
          <p>{text}</p>
        </div>
      </div>
    </div>
  );
}
