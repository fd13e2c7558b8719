import type { KeyInput } from "../../../protocol/input.ts";

/** The part of a `KeyboardEvent` that decides what to send. */
export interface KeyPress {
  readonly key: string;
  readonly code: string;
  readonly location: number;
  readonly repeat: boolean;
  readonly isComposing: boolean;
  readonly altKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  getModifierState(name: string): boolean;
}

const ALT = 1;
const CTRL = 2;
const META = 4;
const SHIFT = 8;

type ModifierFlags = Pick<KeyPress, "altKey" | "ctrlKey" | "metaKey" | "shiftKey">;

/**
 * The protocol's modifier bits. On Apple keyboards Command is sent as Control: the page runs in a browser that
 * almost always sits on Linux, where Command+A would do nothing.
 */
export function modifierBits(event: ModifierFlags, apple: boolean): number {
  const meta = event.metaKey ? (apple ? CTRL : META) : 0;
  return (event.altKey ? ALT : 0) | (event.ctrlKey ? CTRL : 0) | meta | (event.shiftKey ? SHIFT : 0);
}

export type KeyRoute =
  /** Send it and keep the operator's browser from acting on it. */
  | { readonly to: "page"; readonly input: KeyInput }
  /** An input method or a soft keyboard is at work: its text arrives with the events that follow. */
  | { readonly to: "text" }
  /** The paste event that follows carries the text. */
  | { readonly to: "paste" }
  /** The operator leaves the picture with the keyboard. */
  | { readonly to: "leave" };

/** Decides what a key that goes down over the picture does. */
export function routeKeyDown(event: KeyPress, apple: boolean): KeyRoute {
  if (event.key === "Escape" && event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
    return { to: "leave" };
  }
  if (event.isComposing || ["Process", "Unidentified", "Dead", "Compose"].includes(event.key)) {
    return { to: "text" };
  }
  const shortcut = apple ? event.metaKey : event.ctrlKey;
  if ((shortcut && !event.altKey && event.key.toLowerCase() === "v") || isInsertPaste(event)) {
    return { to: "paste" };
  }
  return { to: "page", input: keyInput("down", event, apple) };
}

function isInsertPaste(event: KeyPress): boolean {
  return event.key === "Insert" && event.shiftKey && !event.ctrlKey && !event.altKey;
}

export function keyInput(action: "down" | "up", event: KeyPress, apple: boolean): KeyInput {
  const altGraph = event.getModifierState("AltGraph");
  // Windows reports AltGr as Control+Alt; with those bits the page would see a shortcut instead of "@" or "€".
  const flags = altGraph ? { ...pickFlags(event), ctrlKey: false, altKey: false } : event;
  const modifiers = modifierBits(flags, apple);
  const text = action === "down" ? typedText(event, altGraph, apple) : undefined;
  const key = apple && event.key === "Meta" ? "Control" : event.key;
  const code = apple && event.key === "Meta" ? event.code.replace(/^(?:Meta|OS)/, "Control") : event.code;
  return {
    kind: "key",
    action,
    key: key.slice(0, 32),
    ...(code === "" ? {} : { code: code.slice(0, 32) }),
    ...(text === undefined ? {} : { text }),
    ...(modifiers === 0 ? {} : { modifiers }),
    ...(event.location === 0 ? {} : { location: Math.min(3, event.location) }),
    ...(event.repeat && action === "down" ? { repeat: true } : {}),
  };
}

function pickFlags(event: KeyPress): ModifierFlags {
  return {
    altKey: event.altKey,
    ctrlKey: event.ctrlKey,
    metaKey: event.metaKey,
    shiftKey: event.shiftKey,
  };
}

/** What the key types, if it types anything. */
function typedText(event: KeyPress, altGraph: boolean, apple: boolean): string | undefined {
  const control = (event.ctrlKey && !altGraph) || event.metaKey;
  if (event.key === "Enter") return control || event.altKey ? undefined : "\r";
  if (Array.from(event.key).length !== 1 || control) return undefined;
  // Option types characters on a Mac; elsewhere Alt with a letter opens menus.
  if (event.altKey && !altGraph && !apple) return undefined;
  return event.key;
}

/** The keys that a soft keyboard does not report as keys, by the `inputType` of the edit they make. */
export function keyOfEdit(inputType: string): { key: string; code: string; text?: string } | undefined {
  switch (inputType) {
    case "deleteContentBackward":
    case "deleteWordBackward":
      return { key: "Backspace", code: "Backspace" };
    case "deleteContentForward":
      return { key: "Delete", code: "Delete" };
    case "insertLineBreak":
    case "insertParagraph":
      return { key: "Enter", code: "Enter", text: "\r" };
    default:
      return undefined;
  }
}

/** True on Apple's systems, by what the browser says of its platform. */
export function isApple(platform: string): boolean {
  return /mac|iphone|ipad/i.test(platform);
}
