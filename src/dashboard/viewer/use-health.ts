import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { pictureState, type PictureState } from "../lib/picture-health.ts";
import { gatewayNow } from "../state/clock.ts";
import type { Room } from "../state/room.ts";

export interface PictureStats {
  readonly fps: number;
  /** From composed to drawn, ms. */
  readonly delayMs: number | undefined;
  /** Since the shown picture was composed, ms. */
  readonly ageMs: number | undefined;
}

const CHECK_MS = 500;

/** Judges the picture twice a second. */
export function usePictureHealth(room: Room): {
  state: ReadonlySignal<PictureState>;
  stats: ReadonlySignal<PictureStats>;
} {
  const state = useSignal<PictureState>("waiting");
  const stats = useSignal<PictureStats>({ fps: 0, delayMs: undefined, ageMs: undefined });
  useEffect(() => {
    const check = (): void => {
      const { picture } = room;
      const browser = room.sandbox.peek()?.browser?.status;
      const known = room.sandbox.peek() !== undefined;
      state.value = known
        ? pictureState(picture.facts, browser, room.connected.peek(), Date.now(), room.hidden.peek())
        : "waiting";
      stats.value = {
        fps: picture.fps,
        delayMs: picture.delayMs,
        ageMs: picture.capturedAt === undefined ? undefined : Math.max(0, gatewayNow() - picture.capturedAt),
      };
    };
    check();
    const timer = setInterval(check, CHECK_MS);
    // A browser that goes away must dim the picture at once, not at the next look.
    const ends = [room.sandbox.subscribe(check), room.connected.subscribe(check)];
    return () => {
      clearInterval(timer);
      for (const end of ends) end();
    };
  }, [room]);
  return { state, stats };
}
