import type { Tone } from "../lib/control-view.ts";

/** Who drives, in the one colour that stands for it. */
export function ModeBadge({ tone, text }: { tone: Tone; text: string }) {
  return (
    <span class={`badge tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      <span class="badge-text">{text}</span>
    </span>
  );
}
