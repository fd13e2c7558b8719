/** What people and agents do in the tests of the CDP gate, and what they are told. */
import type { CDPSession } from "playwright-core";
import { expect } from "vitest";
import { movedAndClicked, typed } from "./cdp-site-pages.ts";
import type { Scene } from "./cdp-stage.ts";
import type { CdpTap } from "./cdp-tap.ts";

/** Clicks and types where the agent did not. */
export async function act(scene: Scene): Promise<void> {
  await scene.click("two");
  await scene.click("other");
  await scene.anna.input.type("hi");
}

/** What an agent is told: who drives, and by which handoff. */
export function expectRefusal(tap: CdpTap, requestId: string): void {
  const refusals = tap.messages.flatMap(({ error }) => (error?.data === undefined ? [] : error));
  const said = refusals.map(({ message, data }) => ({ message, ...(JSON.parse(data ?? "") as object) }));
  expect(said).toContainEqual(
    expect.objectContaining({
      message: expect.stringContaining("anna drives this browser now."),
      code: "not_controller",
      controller: "anna",
      controlMode: "shared",
      requestId,
      reason: "mfa",
    }),
  );
}

/** What that puts on record. */
export const ACTED = [
  ...movedAndClicked("/desk", "two"),
  ...movedAndClicked("/desk", "other"),
  ...typed("/desk", "other", "hi"),
];

/** Resolves when the agent is told that it drives. Its session must have enabled `Baton`. */
export function drivesAgain(cdp: CDPSession): Promise<void> {
  return new Promise((resolve) => {
    const listener = ({ controlMode, phase }: { controlMode: string; phase: string }): void => {
      if (controlMode !== "ai" || phase !== "active") return;
      cdp.off("Baton.controlChanged" as never, listener);
      resolve();
    };
    cdp.on("Baton.controlChanged" as never, listener);
  });
}
