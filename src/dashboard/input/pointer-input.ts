import { BUTTON_BITS, type InputEvent, type MouseButton, type MouseInput } from "../../../protocol/input.ts";
import { ClickCounter } from "../lib/click-count.ts";
import {
  clampZoom,
  toCoordinate,
  toPage,
  wheelPixels,
  zoomAround,
  type PagePoint,
  type Point,
} from "../lib/geometry.ts";
import { modifierBits } from "../lib/keys.ts";
import { LONG_PRESS_MS, TouchReader, type TouchIntent } from "../lib/touch.ts";
import type { Picture } from "../state/picture.ts";

export interface PointerTarget {
  readonly picture: Picture;
  readonly apple: boolean;
  /** This person's input may reach the page now. */
  mayDrive(): boolean;
  /** Somebody pressed on the picture who may not drive. */
  refused(): void;
  /** A mouse or pen pressed on the picture: the keyboard should go there too. */
  pressed(): void;
  /** Sends in order; refusals are shown. */
  send(events: InputEvent[]): void;
  /** Sends without an answer: for what is many. */
  post(events: InputEvent[]): void;
}

const BUTTONS: readonly MouseButton[] = ["left", "middle", "right", "back", "forward"];
/** Turns what pointers do over a canvas into input for the page. Ends when `signal` aborts. */
export function listenToPointers(
  canvas: HTMLCanvasElement,
  target: PointerTarget,
  signal: AbortSignal,
): void {
  const { picture } = target;
  const clicks = new ClickCounter();
  const fingers = new TouchReader();
  /** Buttons that this page has told the remote page are down. */
  const held = new Set<MouseButton>();
  let pressCount: 1 | 2 | 3 = 1;
  let pendingMove: MouseInput | undefined;
  let restTimer: ReturnType<typeof setTimeout> | undefined;

  const stagePoint = (event: MouseEvent): Point => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const pagePoint = (point: Point): PagePoint =>
    toPage(point, picture.placed, picture.viewport.peek() ?? { width: 0, height: 0 });
  const mouse = (action: MouseInput["action"], point: Point, more: Partial<MouseInput> = {}): MouseInput => {
    const { x, y } = pagePoint(point);
    return { kind: "mouse", action, x, y, ...more };
  };
  const heldBits = (): number => [...held].reduce((bits, button) => bits | BUTTON_BITS[button], 0);

  /** The newest move leaves before anything else does, so that a click lands where the pointer is. */
  const flushMove = (): void => {
    if (pendingMove === undefined) return;
    const move = pendingMove;
    pendingMove = undefined;
    if (target.mayDrive()) target.post([move]);
  };
  const queueMove = (move: MouseInput): void => {
    if (pendingMove === undefined) requestAnimationFrame(flushMove);
    pendingMove = move;
  };
  const press = (point: Point, button: MouseButton, count: 1 | 2 | 3, modifiers: number): void => {
    // The press brings its own move.
    pendingMove = undefined;
    held.add(button);
    pressCount = count;
    const bits = modifiers === 0 ? {} : { modifiers };
    target.send([
      mouse("move", point, bits),
      mouse("down", point, { button, buttons: heldBits(), clickCount: count, ...bits }),
    ]);
  };
  const release = (point: Point, button: MouseButton, modifiers: number): void => {
    if (!held.delete(button)) return;
    flushMove();
    if (!target.mayDrive()) return;
    const bits = modifiers === 0 ? {} : { modifiers };
    target.send([mouse("up", point, { button, buttons: heldBits(), clickCount: pressCount, ...bits })]);
  };
  const dragMove = (point: Point, modifiers: number): void => {
    const button: MouseButton = held.has("left") ? "left" : ([...held][0] ?? "none");
    const bits = modifiers === 0 ? {} : { modifiers };
    queueMove(mouse("move", point, { button, buttons: heldBits(), ...bits }));
  };

  const perform = (intent: TouchIntent): void => {
    switch (intent.kind) {
      case "pinch": {
        const viewport = picture.viewport.peek();
        if (viewport === undefined) return;
        const moved = picture.zoom.peek();
        const panned = { ...moved, panX: moved.panX + intent.dx, panY: moved.panY + intent.dy };
        const stage = picture.stage;
        picture.setZoom(
          clampZoom(stage, viewport, zoomAround(stage, viewport, panned, intent.at, intent.factor)),
        );
        return;
      }
      case "tap": {
        if (!target.mayDrive()) return target.refused();
        if (!pagePoint(intent.at).inside) return;
        press(intent.at, "left", clicks.press(intent.at, 0, performance.now()), 0);
        release(intent.at, "left", 0);
        return;
      }
      case "scroll":
        scroll(intent);
        return;
      case "grab":
        if (!target.mayDrive()) return target.refused();
        navigator.vibrate?.(12);
        press(intent.at, "left", 1, 0);
        return;
      case "drag":
        if (held.size > 0) dragMove(intent.at, 0);
        return;
      case "drop":
        release(intent.at, "left", 0);
        return;
      default:
        intent satisfies never;
    }
  };
  const scroll = (intent: { at: Point; dx: number; dy: number }): void => {
    const viewport = picture.viewport.peek();
    const { width } = picture.placed;
    if (viewport === undefined || width === 0) return;
    if (!target.mayDrive()) {
      const zoom = picture.zoom.peek();
      if (zoom.scale === 1) return target.refused();
      const panned = { ...zoom, panX: zoom.panX - intent.dx, panY: zoom.panY - intent.dy };
      picture.setZoom(clampZoom(picture.stage, viewport, panned));
      return;
    }
    const perPixel = viewport.width / width;
    const { x, y } = pagePoint(intent.at);
    const deltaX = toCoordinate(intent.dx * perPixel);
    const deltaY = toCoordinate(intent.dy * perPixel);
    target.post([{ kind: "wheel", x, y, deltaX, deltaY }]);
  };

  const onDown = (event: PointerEvent): void => {
    const point = stagePoint(event);
    if (event.pointerType === "touch") {
      canvas.setPointerCapture(event.pointerId);
      for (const intent of fingers.down(event.pointerId, point)) perform(intent);
      clearTimeout(restTimer);
      if (fingers.mayGrab) restTimer = setTimeout(() => fingers.rest().forEach(perform), LONG_PRESS_MS);
      return;
    }
    event.preventDefault();
    const button = BUTTONS[event.button];
    if (button === undefined) return;
    if (!target.mayDrive()) return target.refused();
    if (!pagePoint(point).inside) return;
    target.pressed();
    canvas.setPointerCapture(event.pointerId);
    press(
      point,
      button,
      clicks.press(point, event.button, performance.now()),
      modifierBits(event, target.apple),
    );
  };
  const onMove = (event: PointerEvent): void => {
    const point = stagePoint(event);
    if (event.pointerType === "touch") {
      for (const intent of fingers.move(event.pointerId, point)) perform(intent);
      return;
    }
    if (!target.mayDrive()) return;
    const modifiers = modifierBits(event, target.apple);
    // A second button pressed or released while one is held comes as a move.
    if (event.button > 0 || (event.button === 0 && held.size > 0)) chord(event, point, modifiers);
    if (held.size > 0) dragMove(point, modifiers);
    else if (pagePoint(point).inside) {
      queueMove(mouse("move", point, modifiers === 0 ? {} : { modifiers }));
    }
  };
  const chord = (event: PointerEvent, point: Point, modifiers: number): void => {
    const button = BUTTONS[event.button];
    if (button === undefined) return;
    const isDown = (event.buttons & BUTTON_BITS[button]) !== 0;
    if (isDown && !held.has(button)) press(point, button, 1, modifiers);
    else if (!isDown) release(point, button, modifiers);
  };
  const onUp = (event: PointerEvent): void => {
    const point = stagePoint(event);
    if (event.pointerType === "touch") {
      clearTimeout(restTimer);
      for (const intent of fingers.up(event.pointerId, point, event.type === "pointercancel"))
        perform(intent);
      return;
    }
    const modifiers = modifierBits(event, target.apple);
    for (const button of held) release(point, button, modifiers);
  };
  const onWheel = (event: WheelEvent): void => {
    const point = stagePoint(event);
    if (!pagePoint(point).inside) return;
    if (!target.mayDrive()) return;
    // Otherwise the operator's own page scrolls, or zooms with Control.
    event.preventDefault();
    flushMove();
    const viewport = picture.viewport.peek();
    const { x, y } = pagePoint(point);
    const modifiers = modifierBits(event, target.apple);
    target.post([
      {
        kind: "wheel",
        x,
        y,
        deltaX: wheelPixels(event.deltaX, event.deltaMode, viewport?.width ?? 0),
        deltaY: wheelPixels(event.deltaY, event.deltaMode, viewport?.height ?? 0),
        ...(modifiers === 0 ? {} : { modifiers }),
      },
    ]);
  };
  const prevent = (event: Event): void => event.preventDefault();

  canvas.addEventListener("pointerdown", onDown, { signal });
  canvas.addEventListener("pointermove", onMove, { signal });
  canvas.addEventListener("pointerup", onUp, { signal });
  canvas.addEventListener("pointercancel", onUp, { signal });
  canvas.addEventListener("wheel", onWheel, { signal, passive: false });
  // The remote page has its own menu, and its own meaning of the middle button.
  canvas.addEventListener("contextmenu", prevent, { signal });
  canvas.addEventListener("auxclick", prevent, { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(restTimer);
    pendingMove = undefined;
  });
}
