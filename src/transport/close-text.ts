import type { CloseReason } from "../../protocol/errors.ts";

/** WebSocket's limit of a close reason, in UTF-8. */
const MAX_REASON_BYTES = 123;

/** The reason, and as much of `detail` as a close frame holds. */
export function closeText(reason: CloseReason, detail: string | undefined): string {
  return fitting(detail === undefined ? reason : `${reason}: ${detail}`);
}

/** As much of `text` as a close frame holds. */
export function fitting(text: string): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_REASON_BYTES));
  return text.slice(0, read);
}
