/**
 * Windows virtual key codes, which Chromium wants beside `key` and `code`: pages read them as `keyCode`, and the
 * editor finds its commands (arrows, Backspace, Ctrl+C) by them.
 */
const BY_KEY: Readonly<Record<string, number>> = {
  Cancel: 3,
  Backspace: 8,
  Tab: 9,
  Clear: 12,
  Enter: 13,
  Shift: 16,
  Control: 17,
  Alt: 18,
  AltGraph: 18,
  Pause: 19,
  CapsLock: 20,
  KanaMode: 21,
  HangulMode: 21,
  JunjaMode: 23,
  KanjiMode: 25,
  HanjaMode: 25,
  Escape: 27,
  Convert: 28,
  NonConvert: 29,
  Accept: 30,
  ModeChange: 31,
  " ": 32,
  PageUp: 33,
  PageDown: 34,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
  Select: 41,
  Print: 42,
  Execute: 43,
  PrintScreen: 44,
  Insert: 45,
  Delete: 46,
  Help: 47,
  Meta: 91,
  ContextMenu: 93,
  NumLock: 144,
  ScrollLock: 145,
  AudioVolumeMute: 173,
  AudioVolumeDown: 174,
  AudioVolumeUp: 175,
};

/** Keys whose character depends on the layout: where they sit on the board decides, as on Windows. */
const BY_CODE: Readonly<Record<string, number>> = {
  Semicolon: 186,
  Equal: 187,
  Comma: 188,
  Minus: 189,
  Period: 190,
  Slash: 191,
  Backquote: 192,
  BracketLeft: 219,
  Backslash: 220,
  BracketRight: 221,
  Quote: 222,
  IntlBackslash: 226,
  NumpadMultiply: 106,
  NumpadAdd: 107,
  NumpadSubtract: 109,
  NumpadDecimal: 110,
  NumpadDivide: 111,
};

/** The code, or 0 for a key that has none. */
export function virtualKeyCode(key: string, code: string | undefined): number {
  // With NumLock off the pad's keys are arrows and the like: then `key` decides.
  const pad = code?.startsWith("Numpad") === true && key.length === 1;
  if (pad) return /^Numpad[0-9]$/.test(code) ? 96 + Number(code.at(-1)) : (BY_CODE[code] ?? 0);
  const named = BY_KEY[key];
  if (named !== undefined) return named;
  const fn = /^F([1-9]|1[0-9]|2[0-4])$/.exec(key);
  if (fn) return 111 + Number(fn[1]);
  if (/^[a-z0-9]$/i.test(key)) return key.toUpperCase().charCodeAt(0);
  if (code === undefined) return 0;
  // Cyrillic, Greek, shifted digits and so on: shortcuts follow the key's place.
  const place = /^(?:Key([A-Z])|Digit([0-9]))$/.exec(code);
  if (place) return (place[1] ?? place[2] ?? "").charCodeAt(0);
  return BY_CODE[code] ?? 0;
}

const ALT = 1;
const CTRL = 2;
const META = 4;
const SHIFT = 8;

/**
 * Editing command of a shortcut. Chromium on Linux knows those with Ctrl by itself; naming them makes a Mac
 * keyboard's Meta work as well, and other keyboard layouts.
 */
export function editingCommand(virtualKey: number, modifiers: number): string | undefined {
  if ((modifiers & ALT) !== 0 || (modifiers & (CTRL | META)) === 0) return undefined;
  const shift = (modifiers & SHIFT) !== 0;
  switch (String.fromCharCode(virtualKey)) {
    case "A":
      return shift ? undefined : "selectAll";
    case "C":
      return shift ? undefined : "copy";
    case "X":
      return shift ? undefined : "cut";
    case "V":
      return shift ? "pasteAndMatchStyle" : "paste";
    case "Y":
      return shift ? undefined : "redo";
    case "Z":
      return shift ? "redo" : "undo";
    default:
      return undefined;
  }
}

/** True when the modifiers make a shortcut of the key, so that it types nothing. Ctrl+Alt is AltGr: it types. */
export function isShortcut(modifiers: number): boolean {
  return (modifiers & META) !== 0 || ((modifiers & CTRL) !== 0 && (modifiers & ALT) === 0);
}
