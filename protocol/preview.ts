import { z } from "zod";
import { Timestamp } from "./ids.ts";

/**
 * `idle`: no node is attached. `connecting`: a first connection is being made. `live`: attached.
 * `reconnecting`: the browser went away and is being sought. `gone`: given up; a new browser must be attached.
 */
export const PreviewStatus = z.enum(["idle", "connecting", "live", "reconnecting", "gone"]);
export type PreviewStatus = z.infer<typeof PreviewStatus>;

export const Tab = z
  .object({
    tabId: z.string(),
    /** The same tab in frame headers and in `input`; counts from 1 as this gateway sees tabs. */
    number: z.number().int().positive(),
    title: z.string(),
    url: z.string(),
    /** The tab that viewers see and input goes to. */
    active: z.boolean(),
    canGoBack: z.boolean().exactOptional(),
    canGoForward: z.boolean().exactOptional(),
    loading: z.boolean().exactOptional(),
  })
  .meta({ id: "Tab" });
export type Tab = z.infer<typeof Tab>;

/** A JavaScript dialog that blocks the shown tab; it is not in the picture, so viewers draw it. */
export const Dialog = z
  .object({
    type: z.enum(["alert", "confirm", "prompt", "beforeunload"]),
    message: z.string(),
    defaultPrompt: z.string().exactOptional(),
    openedAt: Timestamp,
  })
  .meta({ id: "Dialog" });
export type Dialog = z.infer<typeof Dialog>;

export const PreviewOptions = z.strictObject({
  /** Most frames a second for this viewer; the capture runs at the fastest viewer's. */
  maxFps: z.number().min(0.2).max(60).exactOptional(),
  /** JPEG quality; the capture runs at the best that any viewer asks for. */
  quality: z.number().int().min(1).max(100).exactOptional(),
  /** `ack`: at most two frames travel unacknowledged. `none`: the socket alone paces. */
  pacing: z.enum(["ack", "none"]).exactOptional(),
});
export type PreviewOptions = z.infer<typeof PreviewOptions>;
