import { MAX_COORDINATE } from "../../../protocol/input.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Rect extends Point, Size {}

/** How far the picture is magnified over "fits entirely", and how far its centre is moved, in stage pixels. */
export interface Zoom {
  readonly scale: number;
  readonly panX: number;
  readonly panY: number;
}
export const NO_ZOOM: Zoom = { scale: 1, panX: 0, panY: 0 };
export const MAX_ZOOM = 5;

/** Where a picture of size `content` lies within a stage: whole, centred, aspect kept, then zoomed. */
export function placePicture(stage: Size, content: Size, zoom: Zoom = NO_ZOOM): Rect {
  if (content.width <= 0 || content.height <= 0 || stage.width <= 0 || stage.height <= 0) {
    return { x: 0, y: 0, width: 0, height: 0 };
  }
  const fit = Math.min(stage.width / content.width, stage.height / content.height) * zoom.scale;
  const width = content.width * fit;
  const height = content.height * fit;
  return {
    x: (stage.width - width) / 2 + zoom.panX,
    y: (stage.height - height) / 2 + zoom.panY,
    width,
    height,
  };
}

/** Keeps the scale in bounds and the picture over the stage: no side can be dragged past the stage's own edge. */
export function clampZoom(stage: Size, content: Size, zoom: Zoom): Zoom {
  const scale = Math.min(MAX_ZOOM, Math.max(1, zoom.scale));
  const placed = placePicture(stage, content, { scale, panX: 0, panY: 0 });
  const slackX = Math.max(0, (placed.width - stage.width) / 2);
  const slackY = Math.max(0, (placed.height - stage.height) / 2);
  return {
    scale,
    panX: Math.min(slackX, Math.max(-slackX, zoom.panX)),
    panY: Math.min(slackY, Math.max(-slackY, zoom.panY)),
  };
}

/** Magnifies by `factor` so that the picture's point under `anchor` (stage pixels) stays under it. */
export function zoomAround(stage: Size, content: Size, zoom: Zoom, anchor: Point, factor: number): Zoom {
  const scale = Math.min(MAX_ZOOM, Math.max(1, zoom.scale * factor));
  const ratio = scale / zoom.scale;
  const fromCentreX = anchor.x - stage.width / 2;
  const fromCentreY = anchor.y - stage.height / 2;
  return clampZoom(stage, content, {
    scale,
    panX: fromCentreX - (fromCentreX - zoom.panX) * ratio,
    panY: fromCentreY - (fromCentreY - zoom.panY) * ratio,
  });
}

export interface PagePoint extends Point {
  /** False in the bars beside the picture and beyond the stage. */
  readonly inside: boolean;
}

/**
 * A point of the stage as CSS pixels of the page's viewport. Outside of the picture it goes on beyond the viewport,
 * as a drag does that leaves a window, but never past what the protocol carries.
 */
export function toPage(point: Point, picture: Rect, viewport: Size): PagePoint {
  if (picture.width <= 0 || picture.height <= 0) return { x: 0, y: 0, inside: false };
  const x = ((point.x - picture.x) / picture.width) * viewport.width;
  const y = ((point.y - picture.y) / picture.height) * viewport.height;
  return {
    x: toCoordinate(x),
    y: toCoordinate(y),
    inside: x >= 0 && y >= 0 && x < viewport.width && y < viewport.height,
  };
}

/** A hundredth of a pixel is exact enough, and keeps messages short. */
export function toCoordinate(value: number): number {
  const bounded = Math.min(MAX_COORDINATE, Math.max(-MAX_COORDINATE, value));
  return Math.round(bounded * 100) / 100;
}

/** A wheel event's delta in page pixels, from its own unit: 0 pixels, 1 lines, 2 pages. */
export function wheelPixels(delta: number, deltaMode: number, pageLength: number): number {
  if (deltaMode === 1) return toCoordinate(delta * 40);
  if (deltaMode === 2) return toCoordinate(delta * pageLength);
  return toCoordinate(delta);
}
