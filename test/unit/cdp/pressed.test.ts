import { describe, expect, it } from "vitest";
import { Pressed } from "../../../src/cdp/pressed.ts";

const MOUSE = "Input.dispatchMouseEvent";
const KEY = "Input.dispatchKeyEvent";
const TOUCH = "Input.dispatchTouchEvent";
const DRAG = "Input.dispatchDragEvent";

describe("what an agent holds down", () => {
  it("C5: every button is lifted where the mouse was last, and only once", () => {
    const pressed = new Pressed();
    pressed.sent(MOUSE, { type: "mousePressed", button: "left", x: 1, y: 2 });
    pressed.sent(MOUSE, { type: "mousePressed", button: "right", x: 1, y: 2 });
    pressed.sent(MOUSE, { type: "mouseMoved", x: 30, y: 40 });
    const up = { type: "mouseReleased", x: 30, y: 40, buttons: 0, clickCount: 1 };
    expect(pressed.lift()).toEqual([
      { method: MOUSE, params: { ...up, button: "left" } },
      { method: MOUSE, params: { ...up, button: "right" } },
    ]);
    expect(pressed.lift()).toEqual([]);
  });

  it("C5: what it let go of itself is not lifted", () => {
    const pressed = new Pressed();
    pressed.sent(MOUSE, { type: "mousePressed", button: "left", x: 1, y: 2 });
    pressed.sent(MOUSE, { type: "mouseReleased", button: "left", x: 1, y: 2 });
    pressed.sent(KEY, { type: "keyDown", key: "a", code: "KeyA" });
    pressed.sent(KEY, { type: "keyUp", key: "A", code: "KeyA" });
    pressed.sent(TOUCH, { type: "touchStart" });
    pressed.sent(TOUCH, { type: "touchEnd" });
    pressed.sent(DRAG, { type: "dragEnter", x: 1, y: 1, data: {} });
    pressed.sent(DRAG, { type: "drop", x: 1, y: 1, data: {} });
    expect(pressed.lift()).toEqual([]);
  });

  it("C5: keys are lifted as the keys they are, without their text", () => {
    const pressed = new Pressed();
    const key = { key: "a", code: "KeyA", windowsVirtualKeyCode: 65, location: 1 };
    pressed.sent(KEY, { type: "keyDown", text: "a", modifiers: 8, autoRepeat: true, ...key });
    pressed.sent(KEY, { type: "rawKeyDown", key: "Shift" });
    pressed.sent(KEY, { type: "char", text: "x" });
    expect(pressed.lift()).toEqual([
      { method: KEY, params: { type: "keyUp", ...key } },
      { method: KEY, params: { type: "keyUp", key: "Shift" } },
    ]);
  });

  it("C5: a touch and a drag are cancelled, a drag before the button that began it", () => {
    const pressed = new Pressed();
    pressed.sent(MOUSE, { type: "mousePressed", button: "left", x: 5, y: 6 });
    pressed.sent(DRAG, { type: "dragOver", x: 7, y: 8, data: { items: [] } });
    pressed.sent(TOUCH, { type: "touchMove" });
    expect(pressed.lift().map(({ method, params }) => [method, (params as { type: string }).type])).toEqual([
      [DRAG, "dragCancel"],
      [MOUSE, "mouseReleased"],
      [TOUCH, "touchCancel"],
    ]);
  });

  it("C5: a drag that the page began, and nobody moved yet, is cancelled where it began", () => {
    const pressed = new Pressed();
    pressed.sent(MOUSE, { type: "mousePressed", button: "left", x: 5, y: 6 });
    pressed.intercepted({ items: [] });
    expect(pressed.lift()[0]).toEqual({
      method: DRAG,
      params: { type: "dragCancel", x: 5, y: 6, data: { items: [] } },
    });
  });

  it("a drag that was cancelled enters again before it goes on", () => {
    const pressed = new Pressed();
    pressed.sent(DRAG, { type: "dragOver", x: 7, y: 8, data: {} });
    pressed.lift();
    expect(pressed.enterAgain(MOUSE, { type: "mouseMoved" })).toBeNull();
    expect(pressed.enterAgain(DRAG, { type: "drop", x: 9, y: 9, data: {} })).toEqual({
      method: DRAG,
      params: { type: "dragEnter", x: 9, y: 9, data: {} },
    });
    expect(pressed.enterAgain(DRAG, { type: "drop", x: 9, y: 9, data: {} })).toBeNull();
  });

  it("what was lifted has happened when the agent lifts it itself: once for each, and for nothing else", () => {
    const pressed = new Pressed();
    expect(pressed.isLifted(MOUSE, { type: "mouseReleased", button: "left" })).toBe(false);
    pressed.sent(MOUSE, { type: "mousePressed", button: "left", x: 1, y: 2 });
    pressed.sent(KEY, { type: "keyDown", key: "a", code: "KeyA" });
    pressed.sent(TOUCH, { type: "touchStart" });
    pressed.lift();
    expect(pressed.isLifted(MOUSE, { type: "mousePressed", button: "left" })).toBe(false);
    expect(pressed.isLifted(MOUSE, { type: "mouseReleased", button: "right" })).toBe(false);
    expect(pressed.isLifted(KEY, { type: "keyUp", key: "b", code: "KeyB" })).toBe(false);
    expect(pressed.isLifted(KEY, undefined)).toBe(false);
    const releases: [string, object][] = [
      [MOUSE, { type: "mouseReleased", button: "left" }],
      [KEY, { type: "keyUp", key: "A", code: "KeyA" }],
      [TOUCH, { type: "touchEnd" }],
    ];
    for (const [method, params] of releases) expect(pressed.isLifted(method, params)).toBe(true);
    for (const [method, params] of releases) expect(pressed.isLifted(method, params)).toBe(false);
  });

  it("what was lifted and is pressed again is down again", () => {
    const pressed = new Pressed();
    pressed.sent(KEY, { type: "keyDown", code: "KeyA" });
    pressed.lift();
    pressed.sent(KEY, { type: "keyDown", code: "KeyA" });
    expect(pressed.isLifted(KEY, { type: "keyUp", code: "KeyA" })).toBe(false);
    expect(pressed.lift()).toHaveLength(1);
  });

  it("takes no sense from nonsense, and counts no more keys than a keyboard has", () => {
    const pressed = new Pressed();
    for (const params of [
      undefined,
      null,
      {},
      { type: 5 },
      { type: "mousePressed", button: "none" },
      { type: "mousePressed", button: {} },
    ]) {
      pressed.sent(MOUSE, params);
      pressed.sent(KEY, params);
      pressed.sent(TOUCH, params);
      pressed.sent(DRAG, params);
      pressed.isLifted(MOUSE, params);
    }
    expect(pressed.lift()).toEqual([]);
    for (let n = 0; n < 1_000; n += 1) pressed.sent(KEY, { type: "keyDown", code: `Key${n}` });
    expect(pressed.lift()).toHaveLength(128);
  });
});
