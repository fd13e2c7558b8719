import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { REASON_LABELS } from "../lib/control-view.ts";
import { queue } from "../state/lobby.ts";
import { QueueItem } from "./queue-item.tsx";

/** Handoffs that nobody has accepted, the longest wait first. */
export function Queue() {
  const items = queue.value;
  const spoken = useSignal("");
  const known = useRef<ReadonlySet<string> | undefined>(undefined);

  // The list itself ticks every second, so only what is new is read aloud.
  useEffect(() => {
    const before = known.current;
    known.current = new Set(items.map((item) => item.handoff?.requestId ?? ""));
    const added = items.find((item) => before?.has(item.handoff?.requestId ?? "") === false);
    if (added?.handoff) {
      spoken.value = `${added.sandboxId} waits for a person: ${REASON_LABELS[added.handoff.reason]}. ${added.handoff.message}`;
    }
  }, [items]);

  return (
    <section class="queue" aria-labelledby="queue-title">
      <div class="section-head">
        <h2 id="queue-title">
          Waiting for a person{" "}
          <span class={items.length > 0 ? "count tone-waiting tabular" : "count tabular"}>
            {items.length}
          </span>
        </h2>
      </div>
      <p class="visually-hidden" aria-live="polite">
        {spoken.value}
      </p>
      {items.length === 0 ? (
        <p class="queue-empty">
          No agent needs you now. When one calls <code>requestHumanHandoff</code>, it shows up here.
        </p>
      ) : (
        <ul class="queue-list">
          {items.map((sandbox) => (
            <QueueItem key={sandbox.sandboxId} sandbox={sandbox} />
          ))}
        </ul>
      )}
    </section>
  );
}
