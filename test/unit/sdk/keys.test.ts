import { describe, expect, it } from "vitest";
import { KeyInput } from "../../../protocol/input.ts";
import { keysForCharacter, keysForShortcut } from "../../../src/sdk/keys.ts";

const brief = (shortcut: string) =>
  keysForShortcut(shortcut).map(({ action, key, modifiers = 0 }) => `${action} ${key} ${modifiers}`);

describe("characters of a US keyboard", () => {
  it.each([
    ["a", { key: "a", code: "KeyA", text: "a" }],
    ["Z", { key: "Z", code: "KeyZ", text: "Z", modifiers: 8 }],
    ["7", { key: "7", code: "Digit7", text: "7" }],
    ["&", { key: "&", code: "Digit7", text: "&", modifiers: 8 }],
    ["\\", { key: "\\", code: "Backslash", text: "\\" }],
    ['"', { key: '"', code: "Quote", text: '"', modifiers: 8 }],
    [" ", { key: " ", code: "Space", text: " " }],
    ["\n", { key: "Enter", code: "Enter", text: "\r" }],
    ["\t", { key: "Tab", code: "Tab" }],
  ])("%j", (character, expected) => {
    const [down, up] = keysForCharacter(character) ?? [];
    expect(down).toEqual({ kind: "key", action: "down", ...expected });
    expect(up).toMatchObject({ action: "up", key: expected.key, code: expected.code });
    expect(up).not.toHaveProperty("text");
  });

  it("has a key for every printable ASCII character, and for no other", () => {
    for (let code = 0x20; code < 0x7f; code += 1) {
      const character = String.fromCharCode(code);
      const [down] = keysForCharacter(character) ?? [];
      expect(down?.text).toBe(character);
      expect(KeyInput.safeParse(down).success).toBe(true);
    }
    for (const character of ["é", "日", "😀", "\u0000", ""]) {
      expect(keysForCharacter(character)).toBeUndefined();
    }
  });
});

describe("shortcuts", () => {
  it.each([
    ["Enter", ["down Enter 0", "up Enter 0"]],
    ["Control+A", ["down Control 2", "down a 2", "up a 2", "up Control 0"]],
    ["Control+a", ["down Control 2", "down a 2", "up a 2", "up Control 0"]],
    ["ControlOrMeta+c", ["down Control 2", "down c 2", "up c 2", "up Control 0"]],
    ["Shift+ArrowLeft", ["down Shift 8", "down ArrowLeft 8", "up ArrowLeft 8", "up Shift 0"]],
    [
      "Control+Shift+KeyT",
      ["down Control 2", "down Shift 10", "down T 10", "up T 10", "up Shift 2", "up Control 0"],
    ],
    ["Control++", ["down Control 2", "down = 2", "up = 2", "up Control 0"]],
    ["+", ["down + 8", "up + 8"]],
    ["A", ["down A 8", "up A 8"]],
    ["Shift+1", ["down Shift 8", "down ! 8", "up ! 8", "up Shift 0"]],
    ["Meta", ["down Meta 4", "up Meta 0"]],
    ["F12", ["down F12 0", "up F12 0"]],
  ])("%s", (shortcut, expected) => {
    expect(brief(shortcut)).toEqual(expected);
  });

  it("types nothing while Control, Alt or Meta is held", () => {
    for (const modifier of ["Control", "Alt", "Meta"]) {
      expect(keysForShortcut(`${modifier}+x`).some(({ text }) => text !== undefined)).toBe(false);
    }
    expect(keysForShortcut("Shift+x")[1]).toMatchObject({ key: "X", text: "X" });
    expect(keysForShortcut("Enter")[0]).toMatchObject({ text: "\r" });
  });

  it("tells left from right", () => {
    expect(keysForShortcut("ShiftRight")[0]).toMatchObject({ key: "Shift", code: "ShiftRight", location: 2 });
  });

  it.each(["", "Hyper", "A+B", "Control+", "Control+Shift+", "é"])("refuses %j", (shortcut) => {
    expect(() => keysForShortcut(shortcut)).toThrow(/is not a key/);
  });

  it("makes events that the protocol takes", () => {
    for (const shortcut of ["Control+Shift+PageUp", "AltRight+F4", "Shift+?", "Space", "Backspace"]) {
      for (const event of keysForShortcut(shortcut)) expect(KeyInput.parse(event)).toEqual(event);
    }
  });
});
