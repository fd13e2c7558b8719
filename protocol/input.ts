import { z } from "zod";

/** Farthest a pointer may be from the viewport's corner, in CSS pixels; beyond it Chromium's hit test is undefined. */
export const MAX_COORDINATE = 32_768;
/** Longest text that one event types or pastes, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 64 * 1024;
/** Most events in one message. */
export const MAX_INPUT_BATCH = 64;

const coordinate = z.number().min(-MAX_COORDINATE).max(MAX_COORDINATE);
const position = { x: coordinate, y: coordinate };
/** CDP's bit field: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift. */
const modifiers = z.number().int().min(0).max(15).exactOptional();

export const MouseButton = z.enum(["none", "left", "middle", "right", "back", "forward"]);
export type MouseButton = z.infer<typeof MouseButton>;
/** Each button's bit in `buttons`, as in `MouseEvent.buttons`. */
export const BUTTON_BITS: Readonly<Record<MouseButton, number>> = {
  none: 0,
  left: 1,
  right: 2,
  middle: 4,
  back: 8,
  forward: 16,
};

/** Positions are CSS pixels of the shown tab's viewport, as the frame header gives its size. */
export const MouseInput = z.strictObject({
  kind: z.literal("mouse"),
  action: z.enum(["move", "down", "up"]),
  ...position,
  /** The button that changed (`down`, `up`); for `move`, the one that is held in a drag. */
  button: MouseButton.exactOptional(),
  /** All buttons held, as in `MouseEvent.buttons`. */
  buttons: z.number().int().min(0).max(31).exactOptional(),
  clickCount: z.number().int().min(0).max(3).exactOptional(),
  modifiers,
});
export type MouseInput = z.infer<typeof MouseInput>;

export const WheelInput = z.strictObject({
  kind: z.literal("wheel"),
  ...position,
  deltaX: coordinate,
  deltaY: coordinate,
  modifiers,
});
export type WheelInput = z.infer<typeof WheelInput>;

/** Fields as in `KeyboardEvent`. `text` is what the key types, if it types anything. */
export const KeyInput = z.strictObject({
  kind: z.literal("key"),
  action: z.enum(["down", "up"]),
  key: z.string().min(1).max(32),
  code: z.string().max(32).exactOptional(),
  text: z.string().max(8).exactOptional(),
  modifiers,
  location: z.number().int().min(0).max(3).exactOptional(),
  repeat: z.boolean().exactOptional(),
});
export type KeyInput = z.infer<typeof KeyInput>;

/** Text that arrives as a whole: an input method's result, a phone's keyboard. */
export const TextInput = z.strictObject({
  kind: z.literal("text"),
  text: z.string().min(1).max(MAX_TEXT_LENGTH),
});
export type TextInput = z.infer<typeof TextInput>;

/** Like `text`, but the page sees a `paste` event first and may handle it. */
export const PasteInput = z.strictObject({
  kind: z.literal("paste"),
  text: z.string().min(1).max(MAX_TEXT_LENGTH),
});
export type PasteInput = z.infer<typeof PasteInput>;

export const NavigateInput = z.strictObject({
  kind: z.literal("navigate"),
  to: z.enum(["url", "back", "forward", "reload", "stop"]),
  /** With `to: "url"`: an absolute http, https or about address. */
  url: z
    .string()
    .max(8_192)
    .regex(/^(?:https?:\/\/|about:blank$)/i, "must be an http or https address, or about:blank")
    .exactOptional(),
});
export type NavigateInput = z.infer<typeof NavigateInput>;

export const TabInput = z.strictObject({
  kind: z.literal("tab"),
  action: z.enum(["select", "close", "open"]),
  /** Needed for `select` and `close`: a `tabId` of `browser.tabs`. */
  tabId: z.string().min(1).max(64).exactOptional(),
});
export type TabInput = z.infer<typeof TabInput>;

/** Answers the JavaScript dialog that is open in the shown tab. */
export const DialogInput = z.strictObject({
  kind: z.literal("dialog"),
  accept: z.boolean(),
  promptText: z.string().max(4_096).exactOptional(),
});
export type DialogInput = z.infer<typeof DialogInput>;

export const InputEvent = z.discriminatedUnion("kind", [
  MouseInput,
  WheelInput,
  KeyInput,
  TextInput,
  PasteInput,
  NavigateInput,
  TabInput,
  DialogInput,
]);
export type InputEvent = z.infer<typeof InputEvent>;
