import type { Sandbox } from "../../../protocol/sandbox.ts";

const TONE_ORDER = { shared: 0, human: 1, ai: 2 } as const;

/** Pure: the sandboxes that match what was typed, those with an open handoff first, then the newest; changes of state alone move no card within its group. */
export function filterSandboxes(all: Iterable<Sandbox>, typed: string): Sandbox[] {
  const words = typed
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return [...all]
    .filter((sandbox) => {
      const text = [
        sandbox.sandboxId,
        sandbox.control.mode,
        sandbox.control.controller ?? "",
        sandbox.handoff?.reason ?? "",
        sandbox.handoff?.status ?? "",
        sandbox.handoff?.message ?? "",
        sandbox.browser?.status ?? "none",
      ]
        .join(" ")
        .toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort(
      (a, b) =>
        TONE_ORDER[a.control.mode] - TONE_ORDER[b.control.mode] ||
        b.createdAt - a.createdAt ||
        a.sandboxId.localeCompare(b.sandboxId),
    );
}
