import type { Point } from "./geometry.ts";

/** Longest pause between the clicks of a double click, and farthest they may be apart, in stage pixels. */
const MULTI_CLICK_MS = 500;
const MULTI_CLICK_PX = 6;
const MOST_CLICKS = 3;

interface LastClick extends Point {
  readonly button: number;
  readonly atMs: number;
  readonly count: 1 | 2 | 3;
}

/** Counts clicks as a desktop does: pointer events carry no count. */
export class ClickCounter {
  #last: LastClick | undefined;

  /** The count of a press: 1, 2 or 3. A fourth quick click starts again at 1. */
  press(point: Point, button: number, atMs: number): 1 | 2 | 3 {
    const last = this.#last;
    const again =
      last !== undefined &&
      last.button === button &&
      atMs - last.atMs <= MULTI_CLICK_MS &&
      Math.hypot(point.x - last.x, point.y - last.y) <= MULTI_CLICK_PX &&
      last.count < MOST_CLICKS;
    const count = again ? ((last.count + 1) as 2 | 3) : 1;
    this.#last = { x: point.x, y: point.y, button, atMs, count };
    return count;
  }
}
