import { signal } from "@preact/signals";

/** Most thumbnails that are live at a time: each is a stream of pictures to decode. */
export const MAX_LIVE = 12;

const wanting: string[] = [];

/** The sandboxes whose thumbnail may be live now: the first to ask, up to the bound. */
export const live = signal<ReadonlySet<string>>(new Set());

/** Asks for a place; returns its release, after which the next in line gets it. */
export function wantLive(sandboxId: string): () => void {
  wanting.push(sandboxId);
  publish();
  return () => {
    const index = wanting.indexOf(sandboxId);
    if (index >= 0) wanting.splice(index, 1);
    publish();
  };
}

function publish(): void {
  live.value = new Set(wanting.slice(0, MAX_LIVE));
}
