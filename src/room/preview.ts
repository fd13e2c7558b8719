/**
 * The live picture of one sandbox on this node: one capture however many watch, none while nobody does (P1), and a
 * viewer that stalls costs the others nothing (P2).
 *
 * A frame costs each viewer a visit, and whoever acknowledges one costs the others nothing.
 */
import { FRAME_HEADER_BYTES, writeFrameHeader, type FrameHeader } from "../../protocol/frame.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import type { BrowserLink, Frame } from "../browser/browser.ts";
import type { Metrics } from "../ops/metrics.ts";
import { Demand } from "./demand.ts";
import { Pacer } from "./pacer.ts";

/** Where a viewer's frames go. */
export interface FrameSink {
  /** `flushed` is called once the bytes have left for the operating system, or never. */
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
/** Sent in one turn of the event loop, about half a millisecond's work: people's input has its turn before the rest. */
const TURN_BYTES = 1024 * 1024;
/** What sending a frame costs beside its bytes, in bytes. */
const SEND_BYTES = 16 * 1024;

/** What a preview needs of a browser. */
export type Camera = Pick<BrowserLink, "startScreencast" | "stopScreencast" | "subscribe" | "probe">;

interface Viewer {
  readonly id: string;
  readonly sink: FrameSink;
  readonly intervalMs: number;
  readonly quality: number;
  readonly acks: boolean;
  /** The frame that was on its way to it has left. */
  readonly flushed: () => void;
  /** Newest frame this viewer got. */
  sent: number;
  /** Frames it got and has not shown yet, oldest first; at most `ACK_WINDOW`. Empty for those that don't acknowledge. */
  unshown: number[];
  /** A frame's bytes have not left for the operating system yet. */
  busy: boolean;
  /** `performance.now()` before which the next frame would be too early. */
  notBefore: number;
  /** Among those that the capture is for. */
  counted: boolean;
}

interface Picture {
  readonly header: FrameHeader;
  /** Until the first viewer takes it: then it is decoded. */
  frame: Frame | undefined;
  /** As it goes to all of them. */
  bytes: Uint8Array | undefined;
}

export interface PreviewHooks {
  readonly metrics: Metrics;
  readonly aliveMs: number;
  readonly tabNumber: (tabId: string) => number;
  /** Whether this viewer may see the page now (G3). */
  readonly sees: (viewerId: string) => boolean;
  /** Tells them all that the browser lives, or does not, and which frame is the newest. */
  readonly alive: (viewerIds: readonly string[], alive: boolean, seq: number) => void;
}

export class Preview {
  readonly stream: number;
  readonly #hooks: PreviewHooks;
  readonly #viewers = new Map<string, Viewer>();
  /** Those who may be ready for the newest picture, in the order of their turns. */
  readonly #queue = new Set<Viewer>();
  readonly #pacer = new Pacer<Viewer>((viewers) => this.#offerTo(viewers));
  /** Held until a viewer has taken the newest picture. */
  readonly #demand = new Demand(() => this.#continueCapture());
  /** Of those that the capture is for: how many ask for which quality. */
  readonly #qualities = new Map<number, number>();
  #link: Camera | null = null;
  #unsubscribe: (() => void) | null = null;
  #newest: Picture | null = null;
  #seq = 0;
  /** What those who may not see are told is the newest: later than all they have, and deaf to what happens there. */
  #unseen = 1;
  /** What was captured behind the curtain may still be on its way here. */
  #settling = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #serving = false;
  #rest: NodeJS.Immediate | undefined;

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
  use(link: Camera | null): void {
    this.#unsubscribe?.();
    this.#link = link;
    this.#demand.forget();
    this.#settling = false;
    this.#unsubscribe = link?.subscribe({ frame: (frame, done) => this.#captured(frame, done) }) ?? null;
    this.#recount();
  }

  /** Starts or changes one viewer's stream. It gets the newest picture at once. */
  start(viewerId: string, sink: FrameSink, options: PreviewOptions): void {
    const before = this.#viewers.get(viewerId);
    if (before) this.#leave(before);
    const fresh = {
      id: viewerId,
      sink,
      intervalMs: 1_000 / (options.maxFps ?? DEFAULT_MAX_FPS),
      quality: options.quality ?? DEFAULT_QUALITY,
      acks: (options.pacing ?? "ack") === "ack",
      sent: 0,
      unshown: [],
      notBefore: 0,
    };
    const flushed = (): void => {
      viewer.busy = false;
      this.#ready(viewer);
    };
    // A frame that is on its way to it stays the only one.
    const viewer: Viewer = before
      ? Object.assign(before, fresh)
      : { ...fresh, flushed, busy: false, counted: false };
    this.#viewers.set(viewerId, viewer);
    this.#count(viewer, this.#hooks.sees(viewerId));
    this.#offer(viewer);
    this.#capture();
  }

  stop(viewerId: string): void {
    const viewer = this.#viewers.get(viewerId);
    if (!viewer) return;
    this.#viewers.delete(viewerId);
    this.#leave(viewer);
    this.#capture();
  }

  shown(viewerId: string, seq: number): void {
    const viewer = this.#viewers.get(viewerId);
    if (!viewer) return;
    while ((viewer.unshown[0] ?? Infinity) <= seq) viewer.unshown.shift();
    this.#ready(viewer);
  }

  /** The curtain fell, or another one stands before it: nobody else gets a picture once this returns (G3). */
  conceal(): void {
    this.#unseen = this.#seq + 1;
    this.#recount();
    this.#offerTo(this.#viewers.values());
    this.#continueCapture();
  }

  /** The curtain rose: everybody gets the first picture that is captured from now on, and none from before (G3). */
  reveal(): void {
    this.#newest = null;
    this.#demand.forget();
    this.#settling = true;
    this.#link?.stopScreencast();
    void this.#settle();
  }

  close(): void {
    this.use(null);
    this.#viewers.clear();
    this.#qualities.clear();
    this.#queue.clear();
    this.#pacer.clear();
    clearImmediate(this.#rest);
    this.#rest = undefined;
    clearInterval(this.#heartbeat);
  }

  /** What is known of a viewer for as long as its options stay as they are. */
  #leave(viewer: Viewer): void {
    this.#count(viewer, false);
    this.#queue.delete(viewer);
    this.#pacer.drop(viewer);
  }

  #count(viewer: Viewer, counted: boolean): void {
    if (viewer.counted === counted) return;
    viewer.counted = counted;
    const { quality } = viewer;
    const count = (this.#qualities.get(quality) ?? 0) + (counted ? 1 : -1);
    if (count > 0) this.#qualities.set(quality, count);
    else this.#qualities.delete(quality);
  }

  /** Who may see has changed, or what there is to capture. */
  #recount(): void {
    for (const viewer of this.#viewers.values()) this.#count(viewer, this.#hooks.sees(viewer.id));
    this.#capture();
  }

  /** Starts, changes or stops the capture to what the viewers of this moment need. */
  #capture(): void {
    if (this.#viewers.size > 0) {
      this.#heartbeat ??= setInterval(() => void this.#beat(), this.#hooks.aliveMs);
    } else {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
    if (this.#qualities.size === 0) {
      this.#link?.stopScreencast();
      // An hour-old picture must not greet the next viewer.
      this.#newest = null;
      this.#demand.forget();
    } else if (!this.#settling) {
      this.#link?.startScreencast({ quality: Math.max(...this.#qualities.keys()) });
    }
  }

  async #beat(): Promise<void> {
    const alive = await this.#settle();
    const seeing: string[] = [];
    const others: string[] = [];
    for (const viewerId of this.#viewers.keys())
      (this.#hooks.sees(viewerId) ? seeing : others).push(viewerId);
    if (seeing.length > 0) this.#hooks.alive(seeing, alive, this.#seq);
    if (others.length > 0) this.#hooks.alive(others, alive, this.#unseen);
  }

  /** Whether the browser answers. When it does, all that it sent before has arrived. */
  async #settle(): Promise<boolean> {
    const link = this.#link;
    const settling = this.#settling;
    const alive = (await link?.probe(PROBE_MS)) ?? false;
    if (alive && settling && this.#settling && link === this.#link) {
      this.#settling = false;
      this.#recount();
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
    this.#newest = { header, frame, bytes: undefined };
    this.#demand.hold(done);
    this.#offerTo(this.#viewers.values());
  }

  #offerTo(viewers: Iterable<Viewer>): void {
    for (const viewer of viewers) this.#queue.add(viewer);
    this.#serve();
  }

  /** Those who wait have their turn: as many as one turn of the event loop has time for. */
  #serve(): void {
    if (this.#serving || this.#rest) return;
    this.#serving = true;
    let left = TURN_BYTES;
    try {
      for (const viewer of this.#queue) {
        if (left <= 0) {
          this.#rest = setImmediate(() => {
            this.#rest = undefined;
            this.#serve();
          });
          return;
        }
        this.#queue.delete(viewer);
        const bytes = this.#offer(viewer);
        if (bytes > 0) left -= SEND_BYTES + bytes;
      }
    } finally {
      this.#serving = false;
    }
  }

  /**
   * Gives a viewer the newest picture if it is ready for one; otherwise whoever makes it ready calls again. Returns how
   * many bytes were sent.
   */
  #offer(viewer: Viewer): number {
    const newest = this.#newest;
    if (!newest || viewer.sent >= newest.header.seq || !hasRoom(viewer)) return 0;
    if (this.#viewers.get(viewer.id) !== viewer || !this.#hooks.sees(viewer.id)) return 0;
    const now = performance.now();
    if (viewer.notBefore - now > 1) {
      this.#pacer.at(viewer, viewer.notBefore);
      return 0;
    }
    const bytes = this.#bytesOf(newest);
    if (!bytes) return 0;
    const { seq } = newest.header;
    this.#hooks.metrics.frames.inc({ what: "sent" });
    if (viewer.sent > 0) this.#hooks.metrics.frames.inc({ what: "spared" }, seq - viewer.sent - 1);
    viewer.sent = seq;
    viewer.busy = true;
    // On a schedule: a picture that came late does not put off all that follow, but two never come at once.
    viewer.notBefore = Math.max(viewer.notBefore + viewer.intervalMs, now + viewer.intervalMs / 2);
    if (viewer.acks) viewer.unshown.push(seq);
    viewer.sink.sendBinary(bytes, viewer.flushed);
    return bytes.byteLength;
  }

  /** Header and picture, once for all viewers. `null`: the browser sent no picture, and may send the next. */
  #bytesOf(picture: Picture): Uint8Array | null {
    const { header, frame } = picture;
    if (frame) {
      picture.frame = undefined;
      picture.bytes = frame.decode(FRAME_HEADER_BYTES) ?? undefined;
      if (picture.bytes) writeFrameHeader(picture.bytes, header);
    }
    if (picture.bytes) return picture.bytes;
    this.#newest = null;
    this.#demand.answer();
    return null;
  }

  /** This viewer has room for another picture: the newest one, or, when it has that, the next. */
  #ready(viewer: Viewer): void {
    if (this.#offer(viewer) === 0 && this.#demand.holds && this.#wantsNext(viewer))
      this.#demand.ask(captureAt(viewer));
  }

  #wantsNext(viewer: Viewer): boolean {
    const newest = this.#newest;
    if (!newest || viewer.sent < newest.header.seq || !hasRoom(viewer)) return false;
    return this.#viewers.get(viewer.id) === viewer && this.#hooks.sees(viewer.id);
  }

  /**
   * Asks Chromium for the next picture as soon as some viewer has the present one and may have another: the fastest
   * viewer paces the capture, and when all are stalled it rests.
   */
  #continueCapture(): void {
    if (!this.#demand.holds) return;
    let at = Infinity;
    for (const viewer of this.#viewers.values())
      if (captureAt(viewer) < at && this.#wantsNext(viewer)) at = captureAt(viewer);
    this.#demand.unask();
    this.#demand.ask(at);
  }
}

function hasRoom(viewer: Viewer): boolean {
  return !viewer.busy && viewer.unshown.length < ACK_WINDOW;
}

/** When to ask for the picture that is this viewer's next. */
function captureAt(viewer: Viewer): number {
  return viewer.notBefore - CAPTURE_LEAD_MS;
}
