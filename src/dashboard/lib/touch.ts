import type { Point } from "./geometry.ts";

/** How long a finger rests before it grabs instead of scrolling, and how far it may tremble, in stage pixels. */
export const LONG_PRESS_MS = 450;
const TREMBLE_PX = 10;

/** What the fingers mean. Positions and distances are stage pixels. */
export type TouchIntent =
  | { readonly kind: "tap"; readonly at: Point }
  | { readonly kind: "scroll"; readonly at: Point; readonly dx: number; readonly dy: number }
  | { readonly kind: "grab" | "drag" | "drop"; readonly at: Point }
  | {
      readonly kind: "pinch";
      readonly at: Point;
      readonly factor: number;
      readonly dx: number;
      readonly dy: number;
    };

type Phase = "idle" | "pressed" | "scrolling" | "dragging" | "pinching";

/**
 * Tells taps, scrolls, drags after a long press, and two-finger zooming apart. Pure: the caller says when a finger
 * has rested for `LONG_PRESS_MS` by calling `rest`.
 */
export class TouchReader {
  #phase: Phase = "idle";
  #start: Point = { x: 0, y: 0 };
  readonly #fingers = new Map<number, Point>();

  /** A finger is down that may yet become a long press. */
  get mayGrab(): boolean {
    return this.#phase === "pressed";
  }

  down(id: number, at: Point): TouchIntent[] {
    const intents: TouchIntent[] = this.#phase === "dragging" ? [{ kind: "drop", at: this.#newest(at) }] : [];
    this.#fingers.set(id, at);
    if (this.#fingers.size === 1) {
      this.#phase = "pressed";
      this.#start = at;
    } else {
      this.#phase = "pinching";
    }
    return intents;
  }

  move(id: number, at: Point): TouchIntent[] {
    const before = this.#fingers.get(id);
    if (before === undefined) return [];
    if (this.#phase === "pinching") return this.#pinch(id, before, at);
    if (this.#phase === "pressed") {
      if (Math.hypot(at.x - this.#start.x, at.y - this.#start.y) <= TREMBLE_PX) return [];
      this.#phase = "scrolling";
    }
    this.#fingers.set(id, at);
    if (this.#phase === "dragging") return [{ kind: "drag", at }];
    return [{ kind: "scroll", at: this.#start, dx: before.x - at.x, dy: before.y - at.y }];
  }

  rest(): TouchIntent[] {
    if (this.#phase !== "pressed") return [];
    this.#phase = "dragging";
    return [{ kind: "grab", at: this.#start }];
  }

  up(id: number, at: Point, cancelled = false): TouchIntent[] {
    if (!this.#fingers.delete(id)) return [];
    const phase = this.#phase;
    // The finger that is left after a pinch must not scroll from where it happens to be.
    this.#phase = this.#fingers.size > 0 ? "pinching" : "idle";
    if (phase === "dragging") return [{ kind: "drop", at }];
    if (phase === "pressed" && !cancelled) return [{ kind: "tap", at: this.#start }];
    return [];
  }

  #newest(fallback: Point): Point {
    return [...this.#fingers.values()].at(-1) ?? fallback;
  }

  #pinch(id: number, before: Point, at: Point): TouchIntent[] {
    const other = [...this.#fingers].find(([finger]) => finger !== id)?.[1];
    this.#fingers.set(id, at);
    if (other === undefined) return [];
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(at.x - other.x, at.y - other.y);
    const centre = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    return [
      {
        kind: "pinch",
        at: centre,
        factor: was < 1 ? 1 : is / was,
        dx: (at.x - before.x) / 2,
        dy: (at.y - before.y) / 2,
      },
    ];
  }
}
