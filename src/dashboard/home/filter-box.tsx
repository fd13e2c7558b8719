import type { Signal } from "@preact/signals";
import { Icon } from "../components/icon.tsx";

export function FilterBox({ typed }: { typed: Signal<string> }) {
  return (
    <label class="filter">
      <Icon name="search" />
      <input
        type="search"
        aria-label="Filter sandboxes"
        placeholder="Filter by name, state, reason…"
        value={typed.value}
        onInput={(event) => (typed.value = event.currentTarget.value)}
      />
    </label>
  );
}
