import type { Sandbox } from "../../../protocol/sandbox.ts";

/** Whoever holds the browser, whether or not the drain is over. */
export function holder({ control }: Pick<Sandbox, "control">): string {
  return control.mode === "ai" ? "the agent" : (control.controller ?? "nobody");
}

export function isPerson(holder: string): boolean {
  return holder !== "the agent" && holder !== "nobody";
}
