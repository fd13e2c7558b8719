import { signal } from "@preact/signals";
import type { PreviewFrame, SandboxHandle } from "../../sdk/api.ts";
import type { PreviewOptions } from "../../../protocol/preview.ts";
import { NO_ZOOM, placePicture, type Rect, type Size, type Zoom } from "../lib/geometry.ts";
import { frameRate, type PictureFacts } from "../lib/picture-health.ts";
import { gatewayNow } from "./clock.ts";

const NOT_STARTED: PictureFacts = {
  startedAt: 0,
  heardAt: undefined,
  alive: true,
  shownSeq: undefined,
  behindSince: undefined,
};

interface Waiting {
  readonly frame: PreviewFrame;
  /** Of which watching it is: one that has ended since shows nothing more. */
  readonly generation: number;
  readonly shown: () => void;
}

/**
 * Draws one sandbox's frames onto a canvas: the newest only, one per animation frame, whole and sharp at the
 * screen's own resolution. Keeps the facts from which the page tells whether the picture is live.
 */
export class Picture {
  facts: PictureFacts = NOT_STARTED;
  /** How old the newest frame was when it was drawn, ms, and when it was composed, gateway's clock. */
  delayMs: number | undefined;
  capturedAt: number | undefined;
  /** Number of the tab that the shown frame is of. */
  tab: number | undefined;
  /** The page's viewport, CSS pixels, as the shown frame tells it. */
  readonly viewport = signal<Size | undefined>(undefined);
  readonly zoom = signal<Zoom>(NO_ZOOM);

  readonly #drawnAt: number[] = [];
  #canvas: HTMLCanvasElement | undefined;
  #stage: Size = { width: 0, height: 0 };
  #bitmap: ImageBitmap | undefined;
  #waiting: Waiting | undefined;
  #decoding = false;
  #generation = 0;
  #newestSeq = 0;

  /** Shows the picture on `canvas`, also after its size changed; returns the end. */
  attach(canvas: HTMLCanvasElement): () => void {
    this.#canvas = canvas;
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(canvas);
    this.redraw();
    return () => {
      observer.disconnect();
      if (this.#canvas === canvas) this.#canvas = undefined;
    };
  }

  /** Asks for frames; returns the end, which keeps the last picture. */
  play(handle: SandboxHandle, options: PreviewOptions): () => void {
    const generation = ++this.#generation;
    this.facts = { ...NOT_STARTED, startedAt: Date.now() };
    this.#newestSeq = 0;
    const stop = handle.preview(options, {
      frame: (frame, shown) => {
        if (generation === this.#generation) this.#take({ frame, generation, shown });
      },
      alive: (alive, newestSeq) => {
        if (generation !== this.#generation) return;
        // Behind what was shown: a new stream, of which nothing is shown yet.
        if (newestSeq < (this.facts.shownSeq ?? 0)) this.facts = { ...this.facts, shownSeq: 0 };
        this.#newestSeq = newestSeq;
        this.#hear(alive);
      },
    });
    return () => {
      if (generation === this.#generation) this.#generation++;
      this.#waiting = undefined;
      stop();
    };
  }

  get fps(): number {
    return frameRate(this.#drawnAt, Date.now());
  }

  get stage(): Size {
    return this.#stage;
  }

  /** Where the picture lies within the canvas, in CSS pixels of the canvas. */
  get placed(): Rect {
    return placePicture(this.#stage, this.viewport.peek() ?? { width: 0, height: 0 }, this.zoom.peek());
  }

  redraw(): void {
    const canvas = this.#canvas;
    if (canvas === undefined) return;
    this.#stage = { width: canvas.clientWidth, height: canvas.clientHeight };
    const ratio = devicePixelRatio;
    const width = Math.round(this.#stage.width * ratio);
    const height = Math.round(this.#stage.height * ratio);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d", { alpha: true });
    if (context === null) return;
    context.clearRect(0, 0, width, height);
    if (this.#bitmap === undefined) return;
    const rect = this.placed;
    context.imageSmoothingQuality = "high";
    // Whole device pixels: a picture that begins between two is blurred everywhere.
    const left = Math.round(rect.x * ratio);
    const top = Math.round(rect.y * ratio);
    const right = Math.round((rect.x + rect.width) * ratio);
    const bottom = Math.round((rect.y + rect.height) * ratio);
    context.drawImage(this.#bitmap, left, top, right - left, bottom - top);
  }

  setZoom(zoom: Zoom): void {
    this.zoom.value = zoom;
    this.redraw();
  }

  /** Leaves nothing of the picture, neither on the canvas nor on its way there; `play` begins anew (G3). */
  forget(): void {
    this.dispose();
    this.facts = { ...NOT_STARTED, startedAt: Date.now() };
    this.delayMs = undefined;
    this.capturedAt = undefined;
    this.tab = undefined;
    this.#drawnAt.length = 0;
    this.viewport.value = undefined;
    this.zoom.value = NO_ZOOM;
    this.redraw();
  }

  dispose(): void {
    this.#generation++;
    this.#waiting = undefined;
    this.#bitmap?.close();
    this.#bitmap = undefined;
  }

  #hear(alive: boolean): void {
    const at = Date.now();
    const behind = this.#newestSeq > (this.facts.shownSeq ?? 0);
    const behindSince = behind ? (this.facts.behindSince ?? at) : undefined;
    this.facts = { ...this.facts, heardAt: at, alive, behindSince };
  }

  #take(waiting: Waiting): void {
    const { seq } = waiting.frame;
    // Within a stream numbers only grow; one that falls back begins a new stream.
    const restarted = seq < (this.facts.shownSeq ?? 0);
    this.#newestSeq = restarted ? seq : Math.max(this.#newestSeq, seq);
    this.#hear(true);
    // The gateway's acknowledgement is cumulative: the frame that is replaced here is covered by the next one.
    this.#waiting = waiting;
    if (!this.#decoding) void this.#draw();
  }

  async #draw(): Promise<void> {
    this.#decoding = true;
    try {
      while (this.#waiting !== undefined) {
        const { frame, generation, shown } = this.#waiting;
        this.#waiting = undefined;
        const bitmap = await decode(frame.jpeg);
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (bitmap === undefined || generation !== this.#generation) {
          bitmap?.close();
        } else {
          this.#show(frame, bitmap);
        }
        shown();
      }
    } finally {
      this.#decoding = false;
    }
    if (this.#waiting !== undefined) void this.#draw();
  }

  #show(frame: PreviewFrame, bitmap: ImageBitmap): void {
    this.#bitmap?.close();
    this.#bitmap = bitmap;
    const was = this.viewport.peek();
    if (was?.width !== frame.viewportWidth || was.height !== frame.viewportHeight) {
      this.viewport.value = { width: frame.viewportWidth, height: frame.viewportHeight };
      this.zoom.value = NO_ZOOM;
    }
    const at = Date.now();
    this.#drawnAt.push(at);
    // The first picture may have waited for this viewer: its age says nothing about the way here.
    this.delayMs =
      this.facts.shownSeq === undefined ? undefined : Math.max(0, gatewayNow() - frame.capturedAt);
    this.capturedAt = frame.capturedAt;
    this.tab = frame.tab;
    const behind = this.#newestSeq > frame.seq;
    this.facts = {
      ...this.facts,
      shownSeq: frame.seq,
      behindSince: behind ? (this.facts.behindSince ?? at) : undefined,
    };
    this.redraw();
  }
}

/** A picture that cannot be decoded is skipped: the next one comes soon, and the health check tells when none does. */
async function decode(jpeg: Uint8Array): Promise<ImageBitmap | undefined> {
  try {
    return await createImageBitmap(new Blob([jpeg as Uint8Array<ArrayBuffer>], { type: "image/jpeg" }));
  } catch {
    return undefined;
  }
}
