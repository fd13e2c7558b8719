import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_COORDINATE, MouseInput } from "../../../protocol/input.ts";
import {
  MAX_ZOOM,
  NO_ZOOM,
  clampZoom,
  placePicture,
  toPage,
  wheelPixels,
  zoomAround,
} from "../../../src/dashboard/lib/geometry.ts";

const viewport = { width: 1280, height: 800 };

describe("placing a picture", () => {
  it("keeps the aspect and centres it between bars at the sides", () => {
    expect(placePicture({ width: 1000, height: 400 }, viewport)).toEqual({
      x: 180,
      y: 0,
      width: 640,
      height: 400,
    });
  });

  it("keeps the aspect and centres it between bars above and below", () => {
    expect(placePicture({ width: 640, height: 600 }, viewport)).toEqual({
      x: 0,
      y: 100,
      width: 640,
      height: 400,
    });
  });

  it("is empty before anything has a size", () => {
    expect(placePicture({ width: 0, height: 10 }, viewport).width).toBe(0);
    expect(placePicture({ width: 10, height: 10 }, { width: 0, height: 0 }).width).toBe(0);
  });
});

describe("mapping a pointer to the page", () => {
  const picture = placePicture({ width: 1000, height: 400 }, viewport);

  it("maps corners and centre through the letterbox", () => {
    expect(toPage({ x: 180, y: 0 }, picture, viewport)).toEqual({ x: 0, y: 0, inside: true });
    expect(toPage({ x: 500, y: 200 }, picture, viewport)).toEqual({ x: 640, y: 400, inside: true });
    expect(toPage({ x: 820, y: 400 }, picture, viewport)).toEqual({ x: 1280, y: 800, inside: false });
  });

  it("says that the bars are outside, and goes on counting there for drags", () => {
    expect(toPage({ x: 80, y: 100 }, picture, viewport)).toEqual({ x: -200, y: 200, inside: false });
  });

  it("gives coordinates that the protocol takes, wherever the pointer is", () => {
    const far = toPage({ x: 1e9, y: -1e9 }, picture, viewport);
    expect(far).toEqual({ x: MAX_COORDINATE, y: -MAX_COORDINATE, inside: false });
    expect(MouseInput.safeParse({ kind: "mouse", action: "move", x: far.x, y: far.y }).success).toBe(true);
  });

  it("lands where it was drawn, at every stage size, zoom and pan", () => {
    const size = fc.record({
      width: fc.integer({ min: 50, max: 4_000 }),
      height: fc.integer({ min: 50, max: 4_000 }),
    });
    const part = fc.double({ min: 0, max: 0.999, noNaN: true });
    const zoomed = fc.record({
      scale: fc.double({ min: 1, max: MAX_ZOOM, noNaN: true }),
      panX: fc.integer({ min: -500, max: 500 }),
      panY: fc.integer({ min: -500, max: 500 }),
    });
    fc.assert(
      fc.property(size, size, zoomed, part, part, (stage, content, zoom, u, v) => {
        const rect = placePicture(stage, content, zoom);
        const drawn = { x: rect.x + rect.width * u, y: rect.y + rect.height * v };
        const page = toPage(drawn, rect, content);
        expect(Math.abs(page.x - content.width * u)).toBeLessThan(0.02);
        expect(Math.abs(page.y - content.height * v)).toBeLessThan(0.02);
      }),
    );
  });
});

describe("zooming", () => {
  const stage = { width: 390, height: 244 };

  it("keeps the point under the fingers where it is", () => {
    const anchor = { x: 195, y: 100 };
    const before = toPage(anchor, placePicture(stage, viewport), viewport);
    const zoom = zoomAround(stage, viewport, NO_ZOOM, anchor, 2);
    const after = toPage(anchor, placePicture(stage, viewport, zoom), viewport);
    expect(after.x).toBeCloseTo(before.x, 0);
    expect(after.y).toBeCloseTo(before.y, 0);
  });

  it("never shows the picture smaller than whole, nor larger than the bound", () => {
    expect(zoomAround(stage, viewport, NO_ZOOM, { x: 0, y: 0 }, 0.2)).toEqual(NO_ZOOM);
    expect(zoomAround(stage, viewport, NO_ZOOM, { x: 0, y: 0 }, 99).scale).toBe(MAX_ZOOM);
  });

  it("never pans past the picture's edge", () => {
    const zoom = clampZoom(stage, viewport, { scale: 2, panX: 9_999, panY: -9_999 });
    const rect = placePicture(stage, viewport, zoom);
    expect(rect.x).toBeCloseTo(0);
    expect(rect.y + rect.height).toBeCloseTo(stage.height);
  });
});

describe("wheel deltas", () => {
  it("turns lines and pages into pixels", () => {
    expect(wheelPixels(3, 0, 800)).toBe(3);
    expect(wheelPixels(3, 1, 800)).toBe(120);
    expect(wheelPixels(-1, 2, 800)).toBe(-800);
  });
});
