/** Input events as CDP parameters. Pure: what is held, and which tab is meant, the caller knows. */
import type { Protocol } from "devtools-protocol";
import {
  BUTTON_BITS,
  type KeyInput,
  type MouseButton,
  type MouseInput,
  type WheelInput,
} from "../../protocol/input.ts";
import { editingCommand, isShortcut, virtualKeyCode } from "./key-codes.ts";

export type MouseParams = Protocol.Input.DispatchMouseEventRequest;
export type KeyParams = Protocol.Input.DispatchKeyEventRequest;

const NUMPAD_LOCATION = 3;

/** `held` is the bit field of the buttons that went down before and are not up yet. */
export function mouseParams(event: MouseInput, held: number): MouseParams {
  const at = { x: event.x, y: event.y, modifiers: event.modifiers ?? 0, pointerType: "mouse" as const };
  switch (event.action) {
    case "move": {
      const buttons = event.buttons ?? held;
      // A move that says "none" while a button is down would end the page's drag.
      const button =
        event.button === undefined || event.button === "none" ? mainButton(buttons) : event.button;
      return { ...at, type: "mouseMoved", button, buttons };
    }
    case "down": {
      const button = event.button ?? "left";
      const buttons = event.buttons ?? held | BUTTON_BITS[button];
      return { ...at, type: "mousePressed", button, buttons, clickCount: event.clickCount ?? 1 };
    }
    case "up": {
      const button = event.button ?? "left";
      const buttons = event.buttons ?? held & ~BUTTON_BITS[button];
      return { ...at, type: "mouseReleased", button, buttons, clickCount: event.clickCount ?? 1 };
    }
  }
}

function mainButton(buttons: number): MouseButton {
  const order: readonly MouseButton[] = ["left", "right", "middle", "back", "forward"];
  return order.find((button) => (buttons & BUTTON_BITS[button]) !== 0) ?? "none";
}

export function wheelParams(event: WheelInput): MouseParams {
  return {
    type: "mouseWheel",
    x: event.x,
    y: event.y,
    deltaX: event.deltaX,
    deltaY: event.deltaY,
    modifiers: event.modifiers ?? 0,
    pointerType: "mouse",
  };
}

/** Absent fields are left out: Chromium refuses null. */
export function keyParams(event: KeyInput): KeyParams {
  const modifiers = event.modifiers ?? 0;
  const code = event.code ?? codeOf(event.key);
  const virtualKey = virtualKeyCode(event.key, code);
  const common: Omit<KeyParams, "type"> = {
    key: event.key,
    ...(code !== undefined && { code }),
    ...(virtualKey !== 0 && { windowsVirtualKeyCode: virtualKey }),
    modifiers,
    location: event.location ?? 0,
    isKeypad: event.location === NUMPAD_LOCATION,
  };
  if (event.action === "up") return { ...common, type: "keyUp" };
  const text = typedText(event, modifiers);
  const command = editingCommand(virtualKey, modifiers);
  return {
    ...common,
    // A `keyDown` without text and a `rawKeyDown` differ: only the latter runs the editor's own bindings.
    type: text === undefined ? "rawKeyDown" : "keyDown",
    ...(text !== undefined && { text, unmodifiedText: text }),
    ...(event.repeat === true && { autoRepeat: true }),
    ...(command !== undefined && { commands: [command] }),
  };
}

function typedText(event: KeyInput, modifiers: number): string | undefined {
  if (isShortcut(modifiers)) return undefined;
  // A line feed does nothing in Chromium: Enter types a carriage return.
  if (event.key === "Enter") return "\r";
  return event.text === undefined || event.text === "" ? undefined : event.text;
}

/** `code` of keys that are called the same on the board, for callers that give only `key`. */
function codeOf(key: string): string | undefined {
  const sameName =
    /^(?:Enter|Tab|Escape|Backspace|Delete|Insert|Home|End|PageUp|PageDown|Arrow(?:Left|Right|Up|Down)|F\d{1,2})$/;
  return sameName.test(key) ? key : undefined;
}

/** What tells a held key from another: the place on the board, since `key` changes with Shift. */
export function keyIdentity(event: KeyInput): string {
  return event.code ?? codeOf(event.key) ?? event.key.toLowerCase();
}

export function releaseKey(down: KeyParams): KeyParams {
  return {
    type: "keyUp",
    key: down.key ?? "",
    ...(down.code !== undefined && { code: down.code }),
    ...(down.windowsVirtualKeyCode !== undefined && { windowsVirtualKeyCode: down.windowsVirtualKeyCode }),
    location: down.location ?? 0,
    isKeypad: down.isKeypad ?? false,
    modifiers: 0,
  };
}
