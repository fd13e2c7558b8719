import { describe, expect, it } from "vitest";
import { KeyInput } from "../../../protocol/input.ts";
import {
  isApple,
  keyInput,
  keyOfEdit,
  modifierBits,
  routeKeyDown,
  type KeyPress,
} from "../../../src/dashboard/lib/keys.ts";

interface Keys extends Partial<Omit<KeyPress, "getModifierState">> {
  readonly altGraph?: boolean;
}

function press(key: string, more: Keys = {}): KeyPress {
  const { altGraph = false, ...flags } = more;
  return {
    key,
    code: "",
    location: 0,
    repeat: false,
    isComposing: false,
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    getModifierState: (name) => name === "AltGraph" && altGraph,
    ...flags,
  };
}

describe("keys for the page", () => {
  it("sends a letter with the text it types", () => {
    expect(keyInput("down", press("a", { code: "KeyA" }), false)).toEqual({
      kind: "key",
      action: "down",
      key: "a",
      code: "KeyA",
      text: "a",
    });
  });

  it("sends no text with the key-up", () => {
    expect(keyInput("up", press("a", { code: "KeyA" }), false)).not.toHaveProperty("text");
  });

  it("types a carriage return with Enter, and nothing with Control+Enter", () => {
    expect(keyInput("down", press("Enter"), false).text).toBe("\r");
    expect(keyInput("down", press("Enter", { ctrlKey: true }), false).text).toBeUndefined();
  });

  it.each(["Tab", "Backspace", "F5", "ArrowLeft", "Escape", "Shift"])("sends %s without text", (key) => {
    const route = routeKeyDown(press(key), false);
    expect(route.to).toBe("page");
    expect(route).not.toHaveProperty("input.text");
  });

  it("sends shortcuts with their modifiers and without text", () => {
    const input = keyInput("down", press("A", { ctrlKey: true, shiftKey: true, code: "KeyA" }), false);
    expect(input).toMatchObject({ modifiers: 2 | 8, key: "A" });
    expect(input.text).toBeUndefined();
  });

  it("keeps the side of the keyboard and the repeat", () => {
    expect(keyInput("down", press("Shift", { location: 2 }), false).location).toBe(2);
    expect(keyInput("down", press("a", { repeat: true }), false).repeat).toBe(true);
    expect(keyInput("up", press("a", { repeat: true }), false).repeat).toBeUndefined();
  });

  it("types what AltGr types, without the Control+Alt that Windows reports", () => {
    const input = keyInput("down", press("@", { ctrlKey: true, altKey: true, altGraph: true }), false);
    expect(input).toEqual({ kind: "key", action: "down", key: "@", text: "@" });
  });

  it("types what Option types on a Mac, and nothing with Alt elsewhere", () => {
    expect(keyInput("down", press("å", { altKey: true }), true).text).toBe("å");
    expect(keyInput("down", press("f", { altKey: true }), false).text).toBeUndefined();
  });

  it("sends Command as Control from a Mac, key and modifier alike", () => {
    expect(keyInput("down", press("a", { metaKey: true }), true)).toMatchObject({ modifiers: 2, key: "a" });
    const command = keyInput("down", press("Meta", { code: "MetaLeft", metaKey: true }), true);
    expect(command).toMatchObject({ key: "Control", code: "ControlLeft", modifiers: 2 });
  });

  it("sends only what the protocol takes", () => {
    const odd = press("x".repeat(60), { code: "y".repeat(60), location: 9, shiftKey: true });
    expect(KeyInput.safeParse(keyInput("down", odd, false)).success).toBe(true);
    expect(KeyInput.safeParse(keyInput("down", press("👍"), false)).success).toBe(true);
  });

  it("sets one bit per modifier", () => {
    const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };
    expect(modifierBits(none, false)).toBe(0);
    expect(modifierBits({ ...none, altKey: true, metaKey: true }, false)).toBe(1 | 4);
    expect(modifierBits({ ...none, ctrlKey: true, shiftKey: true }, false)).toBe(2 | 8);
  });
});

describe("keys that are not the page's", () => {
  it("leaves the picture with Shift+Escape, while Escape alone is the page's", () => {
    expect(routeKeyDown(press("Escape", { shiftKey: true }), false).to).toBe("leave");
    expect(routeKeyDown(press("Escape"), false).to).toBe("page");
  });

  it("leaves an input method and dead keys alone", () => {
    expect(routeKeyDown(press("a", { isComposing: true }), false).to).toBe("text");
    expect(routeKeyDown(press("Process"), false).to).toBe("text");
    expect(routeKeyDown(press("Unidentified"), false).to).toBe("text");
    expect(routeKeyDown(press("Dead"), false).to).toBe("text");
  });

  it("waits for the paste event with Control+V, Command+V and Shift+Insert", () => {
    expect(routeKeyDown(press("v", { ctrlKey: true }), false).to).toBe("paste");
    expect(routeKeyDown(press("V", { ctrlKey: true, shiftKey: true }), false).to).toBe("paste");
    expect(routeKeyDown(press("v", { metaKey: true }), true).to).toBe("paste");
    expect(routeKeyDown(press("Insert", { shiftKey: true }), false).to).toBe("paste");
    expect(routeKeyDown(press("v"), false).to).toBe("page");
    expect(routeKeyDown(press("v", { ctrlKey: true }), true).to).toBe("page");
  });

  it("makes keys of a soft keyboard's edits", () => {
    expect(keyOfEdit("deleteContentBackward")?.key).toBe("Backspace");
    expect(keyOfEdit("insertLineBreak")).toMatchObject({ key: "Enter", text: "\r" });
    expect(keyOfEdit("insertText")).toBeUndefined();
  });

  it("knows Apple's platforms", () => {
    expect(isApple("MacIntel")).toBe(true);
    expect(isApple("iPhone")).toBe(true);
    expect(isApple("Linux x86_64")).toBe(false);
  });
});
