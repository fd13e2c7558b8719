import { BUTTON_BITS, type KeyInput, type MouseButton, type MouseInput } from "../../protocol/input.ts";
import { keyIdentity, type KeyParams } from "./input.ts";

/** More keys than hands can hold are a client that never sends `up`; the oldest are forgotten. */
const MAX_KEYS = 64;

export interface HeldButton {
  readonly tabId: string;
  readonly button: MouseButton;
  readonly x: number;
  readonly y: number;
}

export interface HeldKey {
  readonly tabId: string;
  readonly params: KeyParams;
}

/**
 * Buttons and keys that went down in a page and are not up yet, by what was really sent. It outlives a connection:
 * the page goes on holding them while the socket is away.
 */
export class HeldInput {
  readonly #buttons = new Map<MouseButton, HeldButton>();
  readonly #keys = new Map<string, HeldKey>();

  /** `MouseEvent.buttons` of the tab. */
  bits(tabId: string): number {
    let bits = 0;
    for (const held of this.#buttons.values()) if (held.tabId === tabId) bits |= BUTTON_BITS[held.button];
    return bits;
  }

  mouse(event: MouseInput, tabId: string): void {
    const { action, x, y } = event;
    if (action === "move") {
      // The release that `drain` sends goes where the pointer was last.
      for (const [button, held] of this.#buttons) {
        if (held.tabId === tabId) this.#buttons.set(button, { ...held, x, y });
      }
      return;
    }
    const button = event.button ?? "left";
    if (action === "up") this.#buttons.delete(button);
    else if (button !== "none") this.#buttons.set(button, { tabId, button, x, y });
  }

  key(event: KeyInput, tabId: string, params: KeyParams): void {
    const id = keyIdentity(event);
    this.#keys.delete(id);
    if (event.action === "up") return;
    this.#keys.set(id, { tabId, params });
    if (this.#keys.size > MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value ?? "");
  }

  /** The tab that a release belongs to: the one the button or key went down in. */
  tabOf(event: MouseInput | KeyInput): string | undefined {
    if (event.kind === "mouse") return this.#buttons.get(event.button ?? "left")?.tabId;
    return this.#keys.get(keyIdentity(event))?.tabId;
  }

  forget(tabId: string): void {
    for (const [button, held] of this.#buttons) if (held.tabId === tabId) this.#buttons.delete(button);
    for (const [id, held] of this.#keys) if (held.tabId === tabId) this.#keys.delete(id);
  }

  /** Everything held, in the order it went down; afterwards nothing is. */
  take(): { buttons: HeldButton[]; keys: HeldKey[] } {
    const taken = { buttons: [...this.#buttons.values()], keys: [...this.#keys.values()] };
    this.#buttons.clear();
    this.#keys.clear();
    return taken;
  }
}
