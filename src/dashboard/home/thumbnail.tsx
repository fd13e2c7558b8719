import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import { Icon } from "../components/icon.tsx";
import { browserWord, viewControl } from "../lib/control-view.ts";
import { curtainNote } from "../lib/privacy.ts";
import { pictureState, type PictureState } from "../lib/picture-health.ts";
import { client, leaseHandle, me, rights, status } from "../state/connection.ts";
import { live, wantLive } from "../state/live-slots.ts";
import { Picture } from "../state/picture.ts";
import { pageVisible } from "../state/visible.ts";

const PREVIEW = { maxFps: 1, quality: 40 } as const;
const CHECK_MS = 1_000;

/** A small live picture, while it can be seen and a place is free. A stopped one is dimmed and says so (P2). */
export function Thumbnail({ sandbox }: { sandbox: Sandbox }) {
  const { sandboxId, browser } = sandbox;
  const canvas = useRef<HTMLCanvasElement>(null);
  const picture = useMemo(() => new Picture(), [sandboxId]);
  const inView = useSignal(false);
  const state = useSignal<PictureState>("waiting");
  const watchable = browser !== null && browser.status !== "gone";
  const { hidden } = viewControl(sandbox, me.value, rights.value);
  const wanted = inView.value && pageVisible.value && watchable && !hidden;
  const playing = wanted && live.value.has(sandboxId);
  const present = client.value;

  useEffect(() => {
    if (canvas.current === null) return undefined;
    const detach = picture.attach(canvas.current);
    const observer = new IntersectionObserver(([entry]) => (inView.value = entry?.isIntersecting === true), {
      rootMargin: "80px",
    });
    observer.observe(canvas.current);
    return () => {
      observer.disconnect();
      detach();
      picture.dispose();
    };
  }, [picture]);
  useLayoutEffect(() => {
    if (hidden) picture.forget();
  }, [picture, hidden]);
  useEffect(() => (wanted ? wantLive(sandboxId) : undefined), [sandboxId, wanted]);
  useEffect(() => {
    if (!playing) return undefined;
    const { handle, release } = leaseHandle(present, sandboxId);
    const stop = picture.play(handle, PREVIEW);
    return () => {
      stop();
      release();
    };
  }, [picture, sandboxId, playing, present]);
  useEffect(() => {
    const check = (): void => {
      state.value = pictureState(picture.facts, browser?.status, status.peek() === "open", Date.now());
    };
    check();
    const timer = setInterval(check, CHECK_MS);
    return () => clearInterval(timer);
  }, [picture, browser?.status, playing]);

  if (hidden) {
    return (
      <div class="thumbnail is-hidden">
        <canvas ref={canvas} aria-hidden="true" />
        <span class="thumbnail-curtain">
          <Icon name="lock" />
          <span>{curtainNote(sandbox)}</span>
        </span>
      </div>
    );
  }
  const shown = playing ? state.value : watchable ? "paused" : (browser?.status ?? "none");
  return (
    <div class={shown === "live" ? "thumbnail" : "thumbnail is-dim"}>
      <canvas ref={canvas} aria-hidden="true" />
      {shown !== "live" && <span class="thumbnail-note">{noteOf(shown)}</span>}
    </div>
  );
}

function noteOf(shown: PictureState | "paused" | "idle" | "connecting"): string {
  switch (shown) {
    case "paused":
      return "Paused";
    case "none":
      return "No browser attached";
    case "gone":
    case "reconnecting":
      return `Browser ${browserWord(shown)}`;
    case "offline":
      return "Gateway out of reach";
    case "stalled":
      return "Picture stalled";
    case "hidden":
    case "waiting":
    case "live":
    case "idle":
    case "connecting":
      return "Waiting for a picture…";
    default:
      return shown satisfies never;
  }
}
