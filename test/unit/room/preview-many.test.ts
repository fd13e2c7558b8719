/** P1, P2: what a frame costs when many watch. Work is counted, not timed. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FRAME_HEADER_BYTES, decodeFrame } from "../../../protocol/frame.ts";
import type { BrowserListener } from "../../../src/browser/browser.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { Preview, type Camera, type FrameSink } from "../../../src/room/preview.ts";

const VIEWERS = 500;
const STALLED = 50;
const FRAMES = 100;
const PICTURE_BYTES = 16 * 1024;
/** Frames of that size that leave in one turn of the event loop, and with the next one it is too much. */
const SENDS_PER_TURN = 32;
/** Of a viewer that asks for 30 frames a second. */
const FRAME_MS = 1_000 / 30;
/** One a millisecond, at most: however many viewers there are. */
const TIMERS_PER_FRAME = Math.ceil(FRAME_MS);
const ALIVE_MS = 60_000;

/** A browser that sends pictures when it is told to. */
class Scene implements Camera {
  decoded = 0;
  answered = 0;
  qualities: number[] = [];
  isPicture = true;
  pictureBytes = 3;
  #listener: BrowserListener = {};

  startScreencast({ quality }: { quality: number }): void {
    if (this.qualities.at(-1) !== quality) this.qualities.push(quality);
  }
  stopScreencast(): void {
    this.qualities = [];
  }
  subscribe(listener: BrowserListener): () => void {
    this.#listener = listener;
    return () => (this.#listener = {});
  }
  async probe(): Promise<boolean> {
    return true;
  }
  change(): void {
    const decode = (headroomBytes: number): Uint8Array | null => {
      this.decoded += 1;
      return this.isPicture ? new Uint8Array(headroomBytes + this.pictureBytes).fill(0xd8) : null;
    };
    this.#listener.frame?.(
      { decode, viewportWidth: 1280, viewportHeight: 800, capturedAt: 1, tabId: "T" },
      () => (this.answered += 1),
    );
  }
}

/** A socket whose frames leave when the test says so. */
class Seat implements FrameSink {
  readonly id: string;
  readonly got: Uint8Array[] = [];
  #flushes: (() => void)[] = [];
  constructor(id: string) {
    this.id = id;
  }
  get seqs(): (number | undefined)[] {
    return this.got.map((bytes) => decodeFrame(bytes)?.header.seq);
  }
  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    this.got.push(bytes);
    this.#flushes.push(flushed);
  }
  flush(): void {
    for (const flushed of this.#flushes.splice(0)) flushed();
  }
}

let scene: Scene;
let preview: Preview;
let asked: number;
let beats: { ids: readonly string[]; seq: number }[];
const hidden = new Set<string>();

beforeEach(() => {
  vi.useFakeTimers();
  // A process that runs for a while.
  vi.advanceTimersByTime(10_000);
  scene = new Scene();
  asked = 0;
  beats = [];
  hidden.clear();
  preview = new Preview(1, {
    metrics: new Metrics(),
    aliveMs: ALIVE_MS,
    tabNumber: () => 1,
    sees: (viewerId) => {
      asked += 1;
      return !hidden.has(viewerId);
    },
    alive: (ids, _alive, seq) => void beats.push({ ids, seq }),
  });
  preview.use(scene);
});
afterEach(() => {
  preview.close();
  expect(vi.getTimerCount(), "a closed preview leaves a timer behind").toBe(0);
  vi.useRealTimers();
});

function seats(count: number, options = {}): Seat[] {
  return Array.from({ length: count }, (_, index) => {
    const seat = new Seat(`viewer-${index}`);
    preview.start(seat.id, seat, options);
    return seat;
  });
}

/** All that is due by then, in many turns of the event loop. */
function pass(ms: number): void {
  vi.advanceTimersByTime(ms);
}

/** The frame leaves and is shown. */
function take(seat: Seat, seq: number): void {
  seat.flush();
  preview.shown(seat.id, seq);
}

describe("five hundred viewers, fifty of them stalled", () => {
  it("P2: cost a visit each and frame, one decoding a frame, and as many timers as one viewer", () => {
    const all = seats(VIEWERS);
    const stalled = all.slice(0, STALLED);
    const others = all.slice(STALLED);
    asked = 0;
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    for (let seq = 1; seq <= FRAMES; seq += 1) {
      scene.change();
      pass(FRAME_MS / 2);
      for (const seat of others) take(seat, seq);
      pass(FRAME_MS);
    }
    expect(scene.decoded).toBe(FRAMES);
    expect(scene.answered).toBe(FRAMES);
    for (const seat of others) expect(seat.got).toHaveLength(FRAMES);
    // Nothing is queued for them: the frame that is being written is all they hold.
    for (const seat of stalled) expect(seat.seqs).toEqual([1]);
    for (let frame = 0; frame < FRAMES; frame += 1) {
      const shared = new Set(others.map(({ got }) => got[frame]));
      expect(shared.size, "a frame's bytes are made once").toBe(1);
    }
    expect(asked).toBeLessThanOrEqual(FRAMES * VIEWERS * 3);
    expect(setTimer.mock.calls.length).toBeLessThanOrEqual(FRAMES * TIMERS_PER_FRAME);
  });

  it("P2: for whom a frame comes too early wait for their time together, with a timer a millisecond at most", () => {
    const all = seats(VIEWERS, { maxFps: 15 });
    scene.change();
    pass(FRAME_MS / 2);
    for (const seat of all) take(seat, 1);
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    asked = 0;
    scene.change();
    expect(all.filter(({ got }) => got.length > 1)).toEqual([]);
    pass(2 * FRAME_MS);
    for (const seat of all) expect(seat.seqs).toEqual([1, 2]);
    expect(setTimer.mock.calls.length).toBeGreaterThan(0);
    expect(setTimer.mock.calls.length).toBeLessThanOrEqual(TIMERS_PER_FRAME);
    expect(asked).toBeLessThanOrEqual(VIEWERS * 3);
  });

  it("P2: a stalled one goes on with the newest frame, and what it was spared is not kept for it", () => {
    const [slow, fast] = seats(2, { pacing: "none" });
    scene.change();
    for (let seq = 1; seq <= 10; seq += 1) {
      fast?.flush();
      pass(FRAME_MS);
      scene.change();
    }
    slow?.flush();
    expect(slow?.seqs).toEqual([1, 11]);
  });

  it("P1: join and leave at a cost of their own only, and the capture has the best quality that is asked for", () => {
    const all = Array.from({ length: VIEWERS }, (_, index) => new Seat(`viewer-${index}`));
    for (const [index, seat] of all.entries())
      preview.start(seat.id, seat, { quality: index === 7 ? 90 : 50 });
    expect(asked).toBeLessThanOrEqual(VIEWERS * 2);
    expect(scene.qualities).toEqual([50, 90]);
    preview.start("viewer-7", all[7] as Seat, { quality: 40 });
    expect(scene.qualities).toEqual([50, 90, 50]);
    asked = 0;
    for (const seat of all.slice(1)) preview.stop(seat.id);
    expect(scene.qualities).toEqual([50, 90, 50]);
    preview.stop("viewer-0");
    expect(scene.qualities).toEqual([]);
    expect(asked).toBe(0);
  });

  it("are told that the browser lives with one message, and those who may not see with another (G3)", async () => {
    seats(VIEWERS);
    scene.change();
    await vi.advanceTimersByTimeAsync(ALIVE_MS);
    expect(beats).toEqual([{ ids: expect.toSatisfy((ids: string[]) => ids.length === VIEWERS), seq: 1 }]);
    for (let index = 1; index < VIEWERS; index += 1) hidden.add(`viewer-${index}`);
    preview.conceal();
    beats = [];
    scene.change();
    await vi.advanceTimersByTimeAsync(ALIVE_MS);
    expect(beats.map(({ ids, seq }) => [ids.length, seq])).toEqual([
      [1, 2],
      [VIEWERS - 1, 2],
    ]);
    expect(beats[0]?.ids).toEqual(["viewer-0"]);
  });
});

describe("a frame for many", () => {
  it("leaves in several turns of the event loop, so that input has its turn in between", () => {
    const all = seats(VIEWERS);
    scene.pictureBytes = PICTURE_BYTES;
    const sentBefore = (): number => all.filter(({ got }) => got.length > 0).length;
    scene.change();
    const counts = [sentBefore()];
    while (sentBefore() < VIEWERS) {
      vi.advanceTimersToNextTimer();
      counts.push(sentBefore());
    }
    for (const [turn, count] of counts.entries())
      expect(count - (counts[turn - 1] ?? 0)).toBeLessThanOrEqual(SENDS_PER_TURN);
  });

  it("that is overtaken by the next on its way starves nobody: who had no turn yet has it first", () => {
    scene.pictureBytes = PICTURE_BYTES;
    const all = seats(VIEWERS, { maxFps: 60, pacing: "none" });
    for (let turn = 0; turn < Math.ceil(VIEWERS / SENDS_PER_TURN); turn += 1) {
      scene.change();
      for (const seat of all) seat.flush();
      vi.advanceTimersToNextTimer();
    }
    for (const seat of all) expect(seat.got.length).toBeGreaterThan(0);
    for (const { seqs } of all)
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => Number(a) - Number(b)));
  });

  it("G3: goes to none of those whose turn comes after the curtain fell", () => {
    scene.pictureBytes = PICTURE_BYTES;
    const all = seats(VIEWERS);
    scene.change();
    const before = all.filter(({ got }) => got.length > 0).map(({ id }) => id);
    for (const { id } of all.slice(100)) hidden.add(id);
    preview.conceal();
    pass(FRAME_MS);
    expect(before.length).toBeLessThan(100);
    for (const seat of all.slice(0, 100)) expect(seat.got).toHaveLength(1);
    for (const seat of all.slice(100)) expect(seat.got).toHaveLength(0);
  });

  it("goes to none that left before its turn", () => {
    scene.pictureBytes = PICTURE_BYTES;
    const all = seats(VIEWERS);
    scene.change();
    for (const { id } of all.slice(100)) preview.stop(id);
    pass(FRAME_MS);
    for (const seat of all.slice(100)) expect(seat.got).toHaveLength(0);
  });
});

describe("a picture", () => {
  it("P1: is decoded for nobody when nobody watches, and when nobody is ready before the next comes", () => {
    scene.change();
    expect([scene.decoded, scene.answered]).toEqual([0, 1]);
    const [seat] = seats(1, { pacing: "none" });
    for (let count = 0; count < 5; count += 1) scene.change();
    expect(scene.decoded).toBe(1);
    pass(FRAME_MS);
    seat?.flush();
    expect(scene.decoded).toBe(2);
    expect(seat?.seqs).toEqual([1, 5]);
    expect(seat?.got[0]).toHaveLength(FRAME_HEADER_BYTES + 3);
  });

  it("that is none goes to nobody, and the browser is asked for the next", () => {
    const [seat] = seats(1);
    scene.isPicture = false;
    scene.change();
    expect([seat?.got.length, scene.answered]).toEqual([0, 1]);
    scene.isPicture = true;
    scene.change();
    expect(seat?.seqs).toEqual([2]);
  });

  it("is not answered for while nobody takes it; of a browser that sends on without, the oldest are", () => {
    seats(1);
    for (let count = 0; count < 16; count += 1) scene.change();
    expect(scene.answered).toBe(0);
    for (let count = 0; count < 10; count += 1) scene.change();
    expect(scene.answered).toBe(10);
  });
});

describe("a viewer that acknowledges", () => {
  it("P2: has two frames under way, and one acknowledgement stands for all before it", () => {
    const [seat] = seats(1, { maxFps: 60 });
    const change = (): void => {
      scene.change();
      pass(20);
      seat?.flush();
    };
    for (let count = 0; count < 3; count += 1) change();
    expect(seat?.seqs).toEqual([1, 2]);
    preview.shown("viewer-0", 0);
    expect(seat?.seqs).toEqual([1, 2]);
    preview.shown("viewer-0", 2);
    seat?.flush();
    change();
    change();
    expect(seat?.seqs).toEqual([1, 2, 3, 4]);
    preview.shown("viewer-0", 3);
    expect(seat?.seqs).toEqual([1, 2, 3, 4, 5]);
  });

  it("G3: gets the newest frame at once when it may see again behind the same curtain", () => {
    const [seat] = seats(2);
    hidden.add("viewer-0");
    preview.conceal();
    scene.change();
    expect(seat?.got).toHaveLength(0);
    hidden.clear();
    preview.conceal();
    expect(seat?.seqs).toEqual([1]);
  });
});

describe("the next picture", () => {
  it("P2: is asked for as the fastest viewer needs it, a frame of Chromium's own before", () => {
    const [slow] = seats(1, { maxFps: 5 });
    const fast = new Seat("fast");
    preview.start("fast", fast, { maxFps: 20 });
    scene.change();
    for (const seat of [slow, fast]) take(seat as Seat, 1);
    pass(24);
    // Half of its 50 ms: the first frame came as it began.
    expect(scene.answered).toBe(1);
    scene.change();
    pass(1);
    take(fast, 2);
    pass(30);
    expect(scene.answered).toBe(1);
    pass(5);
    expect(scene.answered).toBe(2);
    expect(slow?.seqs).toEqual([1]);
  });

  it("P2: is asked for as the next fastest needs it, when the fastest has left", () => {
    const [slow] = seats(1, { maxFps: 5 });
    const fast = new Seat("fast");
    preview.start("fast", fast, { maxFps: 20 });
    scene.change();
    // In the other order, too: who is ready later and needs it later does not put it off.
    for (const seat of [fast, slow]) take(seat as Seat, 1);
    preview.stop("fast");
    pass(80);
    expect(scene.answered).toBe(0);
    pass(10);
    expect(scene.answered).toBe(1);
  });

  it("P2: is not put off by one who needs it later, nor asked for on behalf of one who is stalled", () => {
    const [slow] = seats(1, { maxFps: 5 });
    const [fast, stalled] = [new Seat("fast"), new Seat("stalled")];
    preview.start("fast", fast, { maxFps: 20 });
    preview.start("stalled", stalled, { maxFps: 20 });
    scene.change();
    take(fast, 1);
    take(slow as Seat, 1);
    pass(15);
    expect(scene.answered).toBe(1);
    scene.change();
    pass(40);
    take(fast, 2);
    preview.stop("fast");
    pass(50);
    expect([slow?.seqs, scene.answered]).toEqual([[1, 2], 1]);
    take(slow as Seat, 2);
    pass(170);
    expect(scene.answered).toBe(1);
    pass(20);
    expect(scene.answered).toBe(2);
  });

  it("G3: is asked for on behalf of those who may see, from the moment that they may", () => {
    const [shut, stalled] = seats(2, { maxFps: 60 });
    scene.change();
    hidden.add("viewer-0");
    preview.conceal();
    take(shut as Seat, 1);
    pass(1_000);
    expect([stalled?.got.length, scene.answered]).toEqual([1, 0]);
    hidden.clear();
    preview.conceal();
    expect(scene.answered).toBe(1);
  });

  it("P2: is not asked for while all are stalled, and at once when one of them comes back late", () => {
    const [one] = seats(2);
    scene.change();
    pass(1_000);
    expect(scene.answered).toBe(0);
    one?.flush();
    expect(scene.answered).toBe(1);
  });
});
