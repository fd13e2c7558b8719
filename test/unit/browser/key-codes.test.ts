import { describe, expect, it } from "vitest";
import { editingCommand, virtualKeyCode } from "../../../src/browser/key-codes.ts";
import { keyParams, mouseParams, releaseKey } from "../../../src/browser/input.ts";

describe("virtualKeyCode", () => {
  it.each([
    ["a", "KeyA", 65],
    ["A", "KeyA", 65],
    ["a", "KeyQ", 65], // a French board
    ["ф", "KeyA", 65], // a Russian one
    ["!", "Digit1", 49],
    ["5", undefined, 53],
    [";", "Semicolon", 186],
    ["1", "Numpad1", 97],
    ["End", "Numpad1", 35],
    ["+", "NumpadAdd", 107],
    ["F1", "F1", 112],
    ["F24", "F24", 135],
    ["Fn", "Fn", 0],
    ["ArrowUp", undefined, 38],
    [" ", "Space", 32],
    ["Meta", "MetaLeft", 91],
    ["é", undefined, 0],
  ])("%s on %s is %i", (key, code, expected) => {
    expect(virtualKeyCode(key, code)).toBe(expected);
  });
});

describe("editingCommand", () => {
  it("follows the place of the key with Ctrl or Meta, and leaves AltGr alone", () => {
    expect(editingCommand(65, 2)).toBe("selectAll");
    expect(editingCommand(67, 4)).toBe("copy");
    expect(editingCommand(90, 2 | 8)).toBe("redo");
    expect(editingCommand(90, 4)).toBe("undo");
    expect(editingCommand(65, 0)).toBeUndefined();
    expect(editingCommand(65, 1 | 2)).toBeUndefined();
  });
});

describe("keyParams", () => {
  it("never has a null or undefined field, which Chromium refuses", () => {
    for (const params of [
      keyParams({ kind: "key", action: "down", key: "Unidentified" }),
      keyParams({ kind: "key", action: "up", key: "a" }),
      releaseKey(keyParams({ kind: "key", action: "down", key: "é" })),
    ]) {
      for (const value of Object.values(params)) expect(value ?? "missing").not.toBe("missing");
    }
  });

  it("types with AltGr, not with Ctrl, and makes Enter a carriage return", () => {
    const down = { kind: "key", action: "down" } as const;
    expect(keyParams({ ...down, key: "@", text: "@", modifiers: 3 })).toMatchObject({
      type: "keyDown",
      text: "@",
    });
    expect(keyParams({ ...down, key: "a", text: "a", modifiers: 2 })).not.toHaveProperty("text");
    expect(keyParams({ ...down, key: "Enter", text: "\n" })).toMatchObject({ text: "\r", code: "Enter" });
  });
});

describe("mouseParams", () => {
  it("keeps a drag going when the client sends button none", () => {
    const move = { kind: "mouse", action: "move", x: 1, y: 2, button: "none" } as const;
    expect(mouseParams(move, 2)).toMatchObject({ button: "right", buttons: 2 });
    expect(mouseParams(move, 0)).toMatchObject({ button: "none", buttons: 0 });
  });
});
