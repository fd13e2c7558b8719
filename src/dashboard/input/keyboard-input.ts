import { MAX_TEXT_LENGTH, type InputEvent as PageInput, type KeyInput } from "../../../protocol/input.ts";
import { keyInput, keyOfEdit, routeKeyDown } from "../lib/keys.ts";

export interface KeyboardTarget {
  readonly apple: boolean;
  mayDrive(): boolean;
  refused(): void;
  send(events: PageInput[]): void;
  /** The text of an input method that is not yet decided; empty when there is none. */
  composing(text: string): void;
  /** The person asked to leave the picture. */
  leave(): void;
  /** Something else than text was pasted. */
  pastedNoText(): void;
}

/**
 * Turns what is typed into a hidden text area into input for the page: keys as keys, and what input methods, soft
 * keyboards and the clipboard give as text. Keys still held when the focus goes are released. Ends when `signal` aborts.
 */
export function listenToKeyboard(
  area: HTMLTextAreaElement,
  target: KeyboardTarget,
  signal: AbortSignal,
): void {
  /** By physical key: the key that came up may be named otherwise than when it went down. */
  const held = new Map<string, KeyInput>();

  /** Soft keyboards report a deletion only when there is something to delete. */
  const reset = (): void => {
    area.value = " ";
    area.setSelectionRange(1, 1);
  };
  const typeText = (text: string): void => {
    const whole = text.slice(0, MAX_TEXT_LENGTH);
    if (whole !== "") target.send([{ kind: "text", text: whole }]);
  };
  const releaseAll = (): void => {
    const ups = [...held.values()].map(({ text: _typed, repeat: _repeat, modifiers: _bits, ...key }) => ({
      ...key,
      action: "up" as const,
    }));
    held.clear();
    if (ups.length > 0 && target.mayDrive()) target.send(ups);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const route = routeKeyDown(event, target.apple);
    if (route.to === "leave") {
      event.preventDefault();
      target.leave();
      return;
    }
    if (!target.mayDrive()) {
      // Tab must still lead out of a picture that one only watches.
      if (event.key !== "Tab" && !isModifier(event.key)) {
        event.preventDefault();
        if (!event.repeat) target.refused();
      }
      return;
    }
    if (route.to !== "page") return;
    event.preventDefault();
    event.stopPropagation();
    const { input } = route;
    const up = keyInput("up", event, target.apple);
    // macOS reports no key-up for a key pressed together with Command.
    if (target.apple && event.metaKey && !isModifier(event.key)) {
      target.send([input, up]);
      return;
    }
    held.set(event.code || event.key, up);
    target.send([input]);
  };
  const onKeyUp = (event: KeyboardEvent): void => {
    // Only what went down at the page: the V of a paste, and input methods' keys, never did.
    if (!held.delete(event.code || event.key)) return;
    event.preventDefault();
    if (target.mayDrive()) target.send([keyInput("up", event, target.apple)]);
  };
  const onBeforeInput = (event: InputEvent): void => {
    if (event.isComposing || event.inputType === "insertCompositionText") return;
    event.preventDefault();
    if (!target.mayDrive()) return target.refused();
    const key = keyOfEdit(event.inputType);
    if (key !== undefined) {
      const { text, ...name } = key;
      target.send([
        { kind: "key", action: "down", ...name, ...(text === undefined ? {} : { text }) },
        { kind: "key", action: "up", ...name },
      ]);
      return;
    }
    typeText(event.data ?? event.dataTransfer?.getData("text/plain") ?? "");
  };
  const onComposition = (event: CompositionEvent): void => {
    if (event.type !== "compositionend") {
      target.composing(event.data);
      return;
    }
    target.composing("");
    reset();
    if (target.mayDrive()) typeText(event.data);
    else if (event.data !== "") target.refused();
  };
  const onPaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    if (!target.mayDrive()) return target.refused();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text === "") target.pastedNoText();
    else target.send([{ kind: "paste", text: text.slice(0, MAX_TEXT_LENGTH) }]);
  };
  const onBlur = (): void => {
    releaseAll();
    target.composing("");
    reset();
  };
  const onInput = (event: Event): void => {
    if (!(event instanceof InputEvent && event.isComposing)) reset();
  };

  reset();
  area.addEventListener("input", onInput, { signal });
  area.addEventListener("focus", reset, { signal });
  area.addEventListener("keydown", onKeyDown, { signal });
  area.addEventListener("keyup", onKeyUp, { signal });
  area.addEventListener("beforeinput", onBeforeInput as EventListener, { signal });
  area.addEventListener("compositionstart", onComposition, { signal });
  area.addEventListener("compositionupdate", onComposition, { signal });
  area.addEventListener("compositionend", onComposition, { signal });
  area.addEventListener("paste", onPaste, { signal });
  area.addEventListener("blur", onBlur, { signal });
  signal.addEventListener("abort", releaseAll);
}

function isModifier(key: string): boolean {
  return ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Fn"].includes(key);
}
