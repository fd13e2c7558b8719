import type { PreviewStatus } from "../../../protocol/preview.ts";

/** Neither a frame nor a sign of life for this long: what is shown cannot be called live (P2). */
export const SILENT_MS = 4_000;
/** Newer frames exist than the one shown for this long. */
export const BEHIND_MS = 2_000;

export interface PictureFacts {
  /** When watching began, ms on any clock, the same for all times here. */
  readonly startedAt: number;
  /** Newest frame or sign of life. */
  readonly heardAt: number | undefined;
  /** What the newest sign of life said: the browser answers. */
  readonly alive: boolean;
  readonly shownSeq: number | undefined;
  /** Since when a newer frame than the shown one is known to exist. */
  readonly behindSince: number | undefined;
}

export type PictureState =
  /** The first picture has not come yet. */
  | "waiting"
  | "live"
  | "stalled"
  /** The gateway seeks the browser. */
  | "reconnecting"
  | "gone"
  /** No browser is attached. */
  | "none"
  /** Somebody drives in private: there is no picture for this person (G3). */
  | "hidden"
  /** This page has lost the gateway. */
  | "offline";

export function pictureState(
  facts: PictureFacts,
  browser: PreviewStatus | undefined,
  connected: boolean,
  now: number,
  hidden = false,
): PictureState {
  if (!connected) return "offline";
  if (browser === undefined) return "none";
  if (browser === "gone") return "gone";
  if (hidden) return "hidden";
  if (browser === "reconnecting") return "reconnecting";
  const silentFor = now - (facts.heardAt ?? facts.startedAt);
  if (facts.shownSeq === undefined) return silentFor > SILENT_MS || !facts.alive ? "stalled" : "waiting";
  if (!facts.alive || silentFor > SILENT_MS) return "stalled";
  if (facts.behindSince !== undefined && now - facts.behindSince > BEHIND_MS) return "stalled";
  return "live";
}

/** Frames per second over the newest `windowMs`, from the times at which frames were drawn. Drops the older times. */
export function frameRate(drawnAt: number[], now: number, windowMs = 2_000): number {
  while (drawnAt.length > 0 && (drawnAt[0] ?? 0) < now - windowMs) drawnAt.shift();
  return Math.round((drawnAt.length * 1_000) / windowMs);
}
