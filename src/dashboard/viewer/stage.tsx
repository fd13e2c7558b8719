import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../components/icon.tsx";
import { listenToKeyboard } from "../input/keyboard-input.ts";
import { listenToPointers } from "../input/pointer-input.ts";
import { NO_ZOOM } from "../lib/geometry.ts";
import { isApple } from "../lib/keys.ts";
import type { PictureState } from "../lib/picture-health.ts";
import type { Room } from "../state/room.ts";
import { showToast } from "../state/toasts.ts";
import { pageVisible } from "../state/visible.ts";
import { explainNotDriving } from "./explain.ts";
import { Curtain } from "./curtain.tsx";
import { PageDialog } from "./page-dialog.tsx";
import { StageOverlay } from "./stage-overlay.tsx";

const PREVIEW = { maxFps: 30, quality: 80, pacing: "ack" } as const;

/** The live picture, and the hands and keys over it. */
export function Stage({ room, state }: { room: Room; state: ReadonlySignal<PictureState> }) {
  const frame = useRef<HTMLElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const keys = useRef<HTMLTextAreaElement>(null);
  const composing = useSignal("");
  const { picture } = room;
  const driving = room.youDrive.value;
  const visible = pageVisible.value;
  const hidden = room.hidden.value;
  const viewport = picture.viewport.value;

  useEffect(() => (canvas.current ? picture.attach(canvas.current) : undefined), [picture]);
  useEffect(
    () => (visible && !hidden ? picture.play(room.handle, PREVIEW) : undefined),
    [room, picture, visible, hidden],
  );
  useEffect(() => listen(room, canvas.current, keys.current, (text) => (composing.value = text)), [room]);
  useEffect(() => {
    if (viewport === undefined) return;
    frame.current?.style.setProperty("--picture-aspect", `${viewport.width} / ${viewport.height}`);
  }, [viewport]);
  useEffect(() => {
    // The button that gave control is gone; with a mouse at hand the page is what one wants to type into next. The
    // switch for privacy stays: who came to it with the keyboard is not thrown out of it.
    const atSwitch = document.activeElement?.matches(".privacy-switch:focus-visible") === true;
    if (driving && !atSwitch && matchMedia("(pointer: fine)").matches)
      keys.current?.focus({ preventScroll: true });
  }, [driving]);

  const tab = room.activeTab.value;
  const dim = state.value !== "live" && state.value !== "waiting" && state.value !== "hidden";
  return (
    <section
      ref={frame}
      class={`stage ${driving ? "is-driving" : ""} ${dim ? "is-dim" : ""}`}
      aria-label="Remote browser"
    >
      <canvas
        ref={canvas}
        data-testid="viewer-canvas"
        data-state={state.value}
        role="img"
        aria-hidden={hidden}
        tabIndex={-1}
        aria-label={`${dim ? "Last" : "Live"} picture of ${tab?.title || tab?.url || "the page"}`}
        onFocus={() => keys.current?.focus({ preventScroll: true })}
      />
      <textarea
        ref={keys}
        class="key-sink"
        tabIndex={driving ? 0 : -1}
        aria-label="Keyboard of the remote page. Shift and Escape leave it."
        autocapitalize="off"
        autocomplete="off"
        autocorrect="off"
        spellcheck={false}
      />
      {composing.value !== "" && <p class="composing">{composing.value}</p>}
      <div class="stage-tools">
        {picture.zoom.value.scale > 1 && (
          <button type="button" class="button floating" onClick={() => picture.setZoom(NO_ZOOM)}>
            <Icon name="zoomOut" /> Whole page
          </button>
        )}
        {driving && (
          <button
            type="button"
            class="button floating soft-keyboard"
            aria-label="Keyboard"
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => toggleKeyboard(keys.current)}
          >
            <Icon name="keyboard" />
          </button>
        )}
      </div>
      {hidden ? <Curtain room={room} /> : <StageOverlay room={room} state={state.value} />}
      <PageDialog room={room} />
    </section>
  );
}

function toggleKeyboard(keys: HTMLTextAreaElement | null): void {
  if (document.activeElement === keys) keys?.blur();
  else keys?.focus({ preventScroll: true });
}

function listen(
  room: Room,
  canvas: HTMLCanvasElement | null,
  keys: HTMLTextAreaElement | null,
  composing: (text: string) => void,
): (() => void) | undefined {
  if (canvas === null || keys === null) return undefined;
  const ending = new AbortController();
  const { input } = room.handle;
  // What is done is done to the tab that was seen: a popup that opens meanwhile does not get the click.
  const seen = () => (room.picture.tab === undefined ? {} : { tab: room.picture.tab });
  const shared = {
    apple: isApple(navigator.platform),
    mayDrive: () => room.youDrive.peek(),
    refused: () => explainNotDriving(room),
    send: (events: Parameters<typeof input.send>[0]) => room.attempt(input.send(events, seen())),
  };
  listenToPointers(
    canvas,
    {
      ...shared,
      picture: room.picture,
      post: (events) => input.post(events, seen()),
      pressed: () => keys.focus({ preventScroll: true }),
    },
    ending.signal,
  );
  listenToKeyboard(
    keys,
    {
      ...shared,
      composing,
      leave: () => {
        const next = document.querySelector<HTMLElement>("#viewer-actions button:not(:disabled)");
        if (next === null) keys.blur();
        else next.focus();
      },
      pastedNoText: () => showToast({ tone: "info", text: "Only text can be pasted into the page." }),
    },
    ending.signal,
  );
  return () => ending.abort();
}
