/**
 * The live picture of one sandbox on this node: one capture however many watch, none while nobody does (P1), and a
 * viewer that stalls costs the others nothing (P2).
 */
import { encodeFrame } from "../../protocol/frame.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import type { BrowserLink, Frame } from "../browser/browser.ts";
import type { Metrics } from "../ops/metrics.ts";

/** Where a viewer's frames go. */
export interface FrameSink {
  sendBinary(bytes: Uint8Array, flushed: () => void): void;
}

const DEFAULT_MAX_FPS = 30;
const DEFAULT_QUALITY = 60;
/** Frames on their way to a viewer that acknowledges: one being drawn, one in the pipe. */
const ACK_WINDOW = 2;
/**
 * Chromium takes about a frame of its own to send the next picture; asked this much early, it arrives when it is due.
 */
const CAPTURE_LEAD_MS = 16;
/** An answer to a probe later than this is no answer. */
const PROBE_MS = 1_500;

interface Viewer {
  readonly id: string;
  readonly sink: FrameSink;
  readonly intervalMs: number;
  readonly quality: number;
  readonly acks: boolean;
  /** Newest frame this viewer got. */
  sent: number;
  /** Frames it got and has not shown yet, oldest first; at most `ACK_WINDOW`. Empty for those that don't acknowledge. */
  unshown: number[];
  /** A frame's bytes have not left for the operating system yet. */
  busy: boolean;
  /** `performance.now()` before which the next frame would be too early. */
  notBefore: number;
  timer: NodeJS.Timeout | undefined;
}

export interface PreviewHooks {
  readonly metrics: Metrics;
  readonly aliveMs: number;
  readonly tabNumber: (tabId: string) => number;
  /** Whether this viewer may see the page now (G3). */
  readonly sees: (viewerId: string) => boolean;
  readonly alive: (viewerId: string, alive: boolean, seq: number) => void;
}

export class Preview {
  readonly stream: number;
  readonly #hooks: PreviewHooks;
  readonly #viewers = new Map<string, Viewer>();
  #link: BrowserLink | null = null;
  #unsubscribe: (() => void) | null = null;
  #newest: { readonly bytes: Uint8Array; readonly seq: number } | null = null;
  #seq = 0;
  /** What those who may not see are told is the newest: later than all they have, and deaf to what happens there. */
  #unseen = 1;
  /** What was captured behind the curtain may still be on its way here. */
  #settling = false;
  /**
   * Let Chromium send more pictures; held until a viewer has taken the newest. It sends a few ahead, and counts each
   * that was never answered against the next.
   */
  #done: (() => void)[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #pace: NodeJS.Timeout | undefined;

  constructor(stream: number, hooks: PreviewHooks) {
    this.stream = stream;
    this.#hooks = hooks;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  watches(viewerId: string): boolean {
    return this.#viewers.has(viewerId);
  }

  /** The browser to show; `null` when this node lets go of it. */
  use(link: BrowserLink | null): void {
    this.#unsubscribe?.();
    this.#link = link;
    this.#done = [];
    this.#settling = false;
    this.#unsubscribe = link?.subscribe({ frame: (frame, done) => this.#captured(frame, done) }) ?? null;
    this.#capture();
  }

  /** Starts or changes one viewer's stream. It gets the newest picture at once. */
  start(viewerId: string, sink: FrameSink, options: PreviewOptions): void {
    const before = this.#viewers.get(viewerId);
    clearTimeout(before?.timer);
    const fresh = {
      id: viewerId,
      sink,
      intervalMs: 1_000 / (options.maxFps ?? DEFAULT_MAX_FPS),
      quality: options.quality ?? DEFAULT_QUALITY,
      acks: (options.pacing ?? "ack") === "ack",
      sent: 0,
      unshown: [],
      notBefore: 0,
      timer: undefined,
    };
    // A frame that is on its way to it stays the only one.
    const viewer: Viewer = before ? Object.assign(before, fresh) : { ...fresh, busy: false };
    this.#viewers.set(viewerId, viewer);
    this.#offer(viewer);
    this.#capture();
  }

  stop(viewerId: string): void {
    const viewer = this.#viewers.get(viewerId);
    if (!viewer) return;
    clearTimeout(viewer.timer);
    this.#viewers.delete(viewerId);
    this.#capture();
    this.#continueCapture();
  }

  shown(viewerId: string, seq: number): void {
    const viewer = this.#viewers.get(viewerId);
    if (!viewer) return;
    viewer.unshown = viewer.unshown.filter((sent) => sent > seq);
    this.#offer(viewer);
    this.#continueCapture();
  }

  /** The curtain fell, or another one stands before it: nobody else gets a picture once this returns (G3). */
  conceal(): void {
    this.#unseen = this.#seq + 1;
    this.#capture();
    for (const viewer of this.#viewers.values()) this.#offer(viewer);
    this.#continueCapture();
  }

  /** The curtain rose: everybody gets the first picture that is captured from now on, and none from before (G3). */
  reveal(): void {
    this.#newest = null;
    this.#done = [];
    this.#settling = true;
    this.#link?.stopScreencast();
    void this.#settle();
  }

  close(): void {
    this.use(null);
    for (const viewer of this.#viewers.values()) clearTimeout(viewer.timer);
    this.#viewers.clear();
    clearInterval(this.#heartbeat);
    clearTimeout(this.#pace);
  }

  /** Starts, changes or stops the capture to what the viewers of this moment need. */
  #capture(): void {
    if (this.#viewers.size > 0) {
      this.#heartbeat ??= setInterval(() => void this.#beat(), this.#hooks.aliveMs);
    } else {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
    const qualities = [...this.#viewers.values()]
      .filter(({ id }) => this.#hooks.sees(id))
      .map(({ quality }) => quality);
    if (qualities.length === 0) {
      this.#link?.stopScreencast();
      // An hour-old picture must not greet the next viewer.
      this.#newest = null;
      this.#done = [];
    } else if (!this.#settling) {
      this.#link?.startScreencast({ quality: Math.max(...qualities) });
    }
  }

  async #beat(): Promise<void> {
    const alive = await this.#settle();
    for (const viewerId of this.#viewers.keys()) {
      this.#hooks.alive(viewerId, alive, this.#hooks.sees(viewerId) ? this.#seq : this.#unseen);
    }
  }

  /** Whether the browser answers. When it does, all that it sent before has arrived. */
  async #settle(): Promise<boolean> {
    const link = this.#link;
    const settling = this.#settling;
    const alive = (await link?.probe(PROBE_MS)) ?? false;
    if (alive && settling && this.#settling && link === this.#link) {
      this.#settling = false;
      this.#capture();
    }
    return alive;
  }

  #captured(frame: Frame, done: () => void): void {
    if (this.#viewers.size === 0 || this.#settling) return done();
    this.#hooks.metrics.frames.inc({ what: "captured" });
    this.#seq += 1;
    const { capturedAt, viewportWidth, viewportHeight } = frame;
    const tab = this.#hooks.tabNumber(frame.tabId);
    const header = { stream: this.stream, seq: this.#seq, capturedAt, viewportWidth, viewportHeight, tab };
    this.#newest = { seq: this.#seq, bytes: encodeFrame(header, frame.jpeg) };
    this.#done.push(done);
    for (const viewer of this.#viewers.values()) this.#offer(viewer);
  }

  /** Gives a viewer the newest picture if it is ready for one; otherwise whoever makes it ready calls again. */
  #offer(viewer: Viewer): void {
    if (this.#viewers.get(viewer.id) !== viewer || !this.#hooks.sees(viewer.id)) return;
    const newest = this.#newest;
    if (!newest || viewer.sent >= newest.seq || !hasRoom(viewer)) return;
    const waitMs = viewer.notBefore - performance.now();
    if (waitMs > 1) {
      viewer.timer ??= setTimeout(() => {
        viewer.timer = undefined;
        this.#offer(viewer);
      }, waitMs);
      return;
    }
    this.#hooks.metrics.frames.inc({ what: "sent" });
    if (viewer.sent > 0) this.#hooks.metrics.frames.inc({ what: "spared" }, newest.seq - viewer.sent - 1);
    viewer.sent = newest.seq;
    viewer.busy = true;
    // On a schedule: a picture that came late does not put off all that follow, but two never come at once.
    viewer.notBefore = Math.max(
      viewer.notBefore + viewer.intervalMs,
      performance.now() + viewer.intervalMs / 2,
    );
    if (viewer.acks) viewer.unshown.push(newest.seq);
    viewer.sink.sendBinary(newest.bytes, () => {
      viewer.busy = false;
      this.#offer(viewer);
      this.#continueCapture();
    });
  }

  /**
   * Asks Chromium for the next picture as soon as some viewer has the present one and may have another: the fastest
   * viewer paces the capture, and when all are stalled it rests.
   */
  #continueCapture(): void {
    clearTimeout(this.#pace);
    const newest = this.#newest;
    if (this.#done.length === 0 || !newest) return;
    const waits = [...this.#viewers.values()]
      .filter((viewer) => viewer.sent >= newest.seq && hasRoom(viewer) && this.#hooks.sees(viewer.id))
      .map((viewer) => viewer.notBefore - performance.now() - CAPTURE_LEAD_MS);
    if (waits.length === 0) return;
    const waitMs = Math.min(...waits);
    if (waitMs > 1) {
      this.#pace = setTimeout(() => this.#continueCapture(), waitMs);
      return;
    }
    for (const done of this.#done.splice(0)) done();
  }
}

function hasRoom(viewer: Viewer): boolean {
  return !viewer.busy && viewer.unshown.length < ACK_WINDOW;
}
