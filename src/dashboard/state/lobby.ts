import { computed, effect, signal } from "@preact/signals";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import { client } from "./connection.ts";

export const sandboxes = signal<ReadonlyMap<string, Sandbox>>(new Map());
/** There are more sandboxes than the gateway lists. */
export const truncated = signal(false);
/** The first list has come. */
export const loaded = signal(false);

/** Open requests that nobody has accepted, the one that waits longest first. */
export const queue = computed(() =>
  [...sandboxes.value.values()]
    .filter((sandbox) => sandbox.handoff?.status === "pending")
    .sort((a, b) => (a.handoff?.requestedAt ?? 0) - (b.handoff?.requestedAt ?? 0)),
);

/** Follows the gateway's list of sandboxes; returns the end of it. */
export function followLobby(): () => void {
  return effect(() =>
    client.value.subscribeLobby((update) => {
      sandboxes.value = new Map(update.sandboxes);
      truncated.value = update.truncated;
      if (update.connected) loaded.value = true;
    }),
  );
}
