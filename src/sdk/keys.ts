import { BatonError } from "../../protocol/errors.ts";
import type { InputEvent } from "../../protocol/input.ts";

type KeyEvent = Extract<InputEvent, { kind: "key" }>;

/** One key of a US keyboard. */
interface Key {
  readonly key: string;
  readonly code: string;
  /** What it types unshifted and shifted; absent when it types nothing. */
  readonly text?: string;
  readonly shiftedText?: string;
  readonly location?: number;
  /** Its bit in `modifiers`. */
  readonly modifier?: number;
}

export const ALT = 1;
export const CONTROL = 2;
export const META = 4;
export const SHIFT = 8;

/** Unshifted character, shifted character, code. */
const PRINTABLE: readonly (readonly [string, string, string])[] = [
  ["`", "~", "Backquote"],
  ["1", "!", "Digit1"],
  ["2", "@", "Digit2"],
  ["3", "#", "Digit3"],
  ["4", "$", "Digit4"],
  ["5", "%", "Digit5"],
  ["6", "^", "Digit6"],
  ["7", "&", "Digit7"],
  ["8", "*", "Digit8"],
  ["9", "(", "Digit9"],
  ["0", ")", "Digit0"],
  ["-", "_", "Minus"],
  ["=", "+", "Equal"],
  ["[", "{", "BracketLeft"],
  ["]", "}", "BracketRight"],
  ["\\", "|", "Backslash"],
  [";", ":", "Semicolon"],
  ["'", '"', "Quote"],
  [",", "<", "Comma"],
  [".", ">", "Period"],
  ["/", "?", "Slash"],
  [" ", " ", "Space"],
  ...Array.from(
    "abcdefghijklmnopqrstuvwxyz",
    (letter) => [letter, letter.toUpperCase(), `Key${letter.toUpperCase()}`] as const,
  ),
];

/** Keys whose `code` is their name and that type nothing. */
const SILENT = [
  "Escape",
  "Tab",
  "Backspace",
  "Delete",
  "Insert",
  "Home",
  "End",
  "PageUp",
  "PageDown",
  "ArrowLeft",
  "ArrowUp",
  "ArrowRight",
  "ArrowDown",
  "CapsLock",
  "ContextMenu",
  "Pause",
  "PrintScreen",
  "ScrollLock",
  "NumLock",
  ...Array.from({ length: 12 }, (_, index) => `F${index + 1}`),
];

const ENTER: Key = { key: "Enter", code: "Enter", text: "\r", shiftedText: "\r" };

const byCharacter = new Map<string, { key: Key; shifted: boolean }>();
const byName = new Map<string, Key>([["Enter", ENTER]]);

for (const [plain, shifted, code] of PRINTABLE) {
  const key: Key = { key: plain, code, text: plain, shiftedText: shifted };
  byCharacter.set(shifted, { key, shifted: true });
  byCharacter.set(plain, { key, shifted: false });
  byName.set(code, key);
}
for (const name of SILENT) byName.set(name, { key: name, code: name });
for (const [name, modifier] of [
  ["Alt", ALT],
  ["Control", CONTROL],
  ["Meta", META],
  ["Shift", SHIFT],
] as const) {
  byName.set(name, { key: name, code: `${name}Left`, location: 1, modifier });
  byName.set(`${name}Left`, { key: name, code: `${name}Left`, location: 1, modifier });
  byName.set(`${name}Right`, { key: name, code: `${name}Right`, location: 2, modifier });
}
// The browser runs beside the gateway, on Linux.
byName.set("ControlOrMeta", { key: "Control", code: "ControlLeft", location: 1, modifier: CONTROL });
byCharacter.set("\n", { key: ENTER, shifted: false });
byCharacter.set("\r", { key: ENTER, shifted: false });
byCharacter.set("\t", { key: { key: "Tab", code: "Tab" }, shifted: false });

function keyEvent(key: Key, action: "down" | "up", modifiers: number): KeyEvent {
  const shifted = (modifiers & SHIFT) !== 0;
  const text = shifted ? key.shiftedText : key.text;
  const types = action === "down" && (modifiers & (ALT | CONTROL | META)) === 0;
  return {
    kind: "key",
    action,
    // A key that types itself is named by what it types, Enter is not.
    key: shifted && key.key === key.text && text !== undefined ? text : key.key,
    code: key.code,
    ...(types && text !== undefined && { text }),
    ...(modifiers !== 0 && { modifiers }),
    ...(key.location !== undefined && { location: key.location }),
  };
}

/** Down and up of the key that types one character, or `undefined` when a US keyboard has none. */
export function keysForCharacter(character: string): readonly [KeyEvent, KeyEvent] | undefined {
  const found = byCharacter.get(character);
  if (!found) return undefined;
  const modifiers = found.shifted ? SHIFT : 0;
  return [keyEvent(found.key, "down", modifiers), keyEvent(found.key, "up", modifiers)];
}

/** `Control++` has the names `Control` and `+`. */
function namesOf(shortcut: string): string[] {
  const names: string[] = [];
  let name = "";
  for (const character of shortcut) {
    if (character === "+" && name !== "") {
      names.push(name);
      name = "";
    } else {
      name += character;
    }
  }
  names.push(name);
  return names;
}

/**
 * The events of a key or shortcut: modifiers down in order, key down and up, modifiers up in reverse.
 * @throws BatonError `invalid_message` when a name is not a key's
 */
export function keysForShortcut(shortcut: string): KeyEvent[] {
  const names = namesOf(shortcut);
  const last = names.pop() ?? "";
  const held = names.map((name) => {
    const key = byName.get(name);
    if (key?.modifier === undefined) throw unknownKey(shortcut, name);
    return { key, modifier: key.modifier };
  });
  const named = byName.get(last);
  const typed = byCharacter.get(last);
  const key = named ?? typed?.key;
  if (!key) throw unknownKey(shortcut, last);

  const downs: KeyEvent[] = [];
  const ups: KeyEvent[] = [];
  let modifiers = 0;
  for (const { key, modifier } of held) {
    ups.unshift(keyEvent(key, "up", modifiers));
    modifiers |= modifier;
    downs.push(keyEvent(key, "down", modifiers));
  }
  // `press("A")` types a capital; `Control+A` is what a keyboard sends for it, without Shift.
  const implied = !named && typed?.shifted && modifiers === 0 ? SHIFT : 0;
  const own = key.modifier ?? 0;
  return [
    ...downs,
    keyEvent(key, "down", modifiers | implied | own),
    keyEvent(key, "up", modifiers | implied),
    ...ups,
  ];
}

function unknownKey(shortcut: string, name: string): BatonError {
  return new BatonError(
    "invalid_message",
    `"${name.slice(0, 32)}" in "${shortcut.slice(0, 64)}" is not a key. Use names like Enter, ArrowLeft or Control+A, or \`text\` for characters.`,
  );
}
