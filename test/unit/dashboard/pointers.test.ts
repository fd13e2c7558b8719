import { describe, expect, it } from "vitest";
import { ClickCounter } from "../../../src/dashboard/lib/click-count.ts";
import { TouchReader } from "../../../src/dashboard/lib/touch.ts";

describe("counting clicks", () => {
  const at = { x: 10, y: 10 };

  it("counts to three and starts again", () => {
    const clicks = new ClickCounter();
    expect([0, 100, 200, 300].map((ms) => clicks.press(at, 0, ms))).toEqual([1, 2, 3, 1]);
  });

  it("starts again after a pause, elsewhere, or with another button", () => {
    const clicks = new ClickCounter();
    expect(clicks.press(at, 0, 0)).toBe(1);
    expect(clicks.press(at, 0, 501)).toBe(1);
    expect(clicks.press({ x: 30, y: 10 }, 0, 600)).toBe(1);
    expect(clicks.press({ x: 30, y: 10 }, 2, 650)).toBe(1);
    expect(clicks.press({ x: 32, y: 12 }, 2, 700)).toBe(2);
  });
});

describe("reading touches", () => {
  it("taps where the finger came down, however it trembled", () => {
    const touch = new TouchReader();
    expect(touch.down(1, { x: 50, y: 50 })).toEqual([]);
    expect(touch.move(1, { x: 55, y: 53 })).toEqual([]);
    expect(touch.up(1, { x: 55, y: 53 })).toEqual([{ kind: "tap", at: { x: 50, y: 50 } }]);
  });

  it("scrolls against the finger, anchored where it began", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 50, y: 200 });
    const first = touch.move(1, { x: 50, y: 180 });
    const second = touch.move(1, { x: 47, y: 150 });
    expect(first).toEqual([{ kind: "scroll", at: { x: 50, y: 200 }, dx: 0, dy: 20 }]);
    expect(second).toEqual([{ kind: "scroll", at: { x: 50, y: 200 }, dx: 3, dy: 30 }]);
    expect(touch.up(1, { x: 47, y: 150 })).toEqual([]);
  });

  it("drags after a rest, and drops at the end", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 5, y: 5 });
    expect(touch.mayGrab).toBe(true);
    expect(touch.rest()).toEqual([{ kind: "grab", at: { x: 5, y: 5 } }]);
    expect(touch.move(1, { x: 40, y: 5 })).toEqual([{ kind: "drag", at: { x: 40, y: 5 } }]);
    expect(touch.up(1, { x: 41, y: 5 })).toEqual([{ kind: "drop", at: { x: 41, y: 5 } }]);
  });

  it("does not grab a finger that already scrolls or has left", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 5, y: 5 });
    touch.move(1, { x: 5, y: 60 });
    expect(touch.rest()).toEqual([]);
    touch.up(1, { x: 5, y: 60 });
    expect(touch.rest()).toEqual([]);
  });

  it("does not tap when the system takes the finger away", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 5, y: 5 });
    expect(touch.up(1, { x: 5, y: 5 }, true)).toEqual([]);
  });

  it("drops what it drags when a second finger comes, then pinches", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 100, y: 100 });
    touch.rest();
    expect(touch.down(2, { x: 200, y: 100 })).toEqual([{ kind: "drop", at: { x: 100, y: 100 } }]);
    expect(touch.move(2, { x: 300, y: 100 })).toEqual([
      { kind: "pinch", at: { x: 200, y: 100 }, factor: 2, dx: 50, dy: 0 },
    ]);
  });

  it("neither taps nor scrolls with the finger that is left after a pinch", () => {
    const touch = new TouchReader();
    touch.down(1, { x: 100, y: 100 });
    touch.down(2, { x: 200, y: 100 });
    expect(touch.up(2, { x: 200, y: 100 })).toEqual([]);
    expect(touch.move(1, { x: 100, y: 180 })).toEqual([]);
    expect(touch.up(1, { x: 100, y: 180 })).toEqual([]);
    touch.down(3, { x: 7, y: 7 });
    expect(touch.up(3, { x: 7, y: 7 })).toEqual([{ kind: "tap", at: { x: 7, y: 7 } }]);
  });
});
