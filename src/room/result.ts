/** What handoff and control calls answer, over the socket and over HTTP alike. */
import type { Handoff } from "../../protocol/handoff.ts";
import type { HandoffResult, Sandbox } from "../../protocol/sandbox.ts";

export function handoffResult(
  sandbox: Sandbox,
  handoff: Handoff | null,
  publicUrl: string,
  resume?: NonNullable<HandoffResult["resume"]>,
): HandoffResult {
  const { control, browser } = sandbox;
  const common = {
    controlMode: control.mode,
    ...(control.controller !== undefined && { controller: control.controller }),
  };
  return {
    ok: true,
    handoff,
    preview: browser && { status: browser.status, ...common, updatedAt: sandbox.updatedAt },
    ...(browser && {
      pairedBrowser: {
        previewUrl: `${publicUrl}/s/${sandbox.sandboxId}`,
        ...common,
        ...(handoff && { handoffRequestedAt: handoff.requestedAt }),
        updatedAt: sandbox.updatedAt,
      },
    }),
    ...(resume && { resume }),
  };
}
