/** What an agent holds down in one page: lifted when it loses control (C5), and not lifted again when it goes on. */

interface MouseParams {
  readonly type?: unknown;
  readonly button?: unknown;
  readonly x?: unknown;
  readonly y?: unknown;
}
interface KeyParams {
  readonly type?: unknown;
  readonly key?: unknown;
  readonly code?: unknown;
  readonly windowsVirtualKeyCode?: unknown;
  readonly location?: unknown;
}
interface DragParams {
  readonly type?: unknown;
  readonly x?: unknown;
  readonly y?: unknown;
  readonly data?: unknown;
}

export interface Release {
  readonly method: string;
  readonly params: object;
}

/** More keys than a keyboard has: those beyond are not counted, and stay down until the agent lifts them. */
const MAX_KEYS = 128;

export class Pressed {
  readonly #buttons = new Set<string>();
  readonly #keys = new Map<string, KeyParams>();
  #touching = false;
  #drag: DragParams | null = null;
  #x = 0;
  #y = 0;
  /** Lifted by the gate; what the agent says about them later has happened already. */
  readonly #lifted = new Set<string>();

  get holds(): boolean {
    return this.#buttons.size > 0 || this.#keys.size > 0 || this.#touching || this.#drag !== null;
  }

  /** Notes what leaves for the page. */
  sent(method: string, params: unknown): void {
    const input = (params ?? {}) as MouseParams & KeyParams & DragParams & { touchPoints?: unknown };
    switch (method) {
      case "Input.dispatchMouseEvent":
        return this.#mouse(input);
      case "Input.dispatchKeyEvent":
        return this.#key(input);
      case "Input.dispatchTouchEvent":
        this.#touching = input.type === "touchStart" || input.type === "touchMove";
        if (input.type === "touchStart") this.#lifted.delete("touch");
        return;
      case "Input.dispatchDragEvent":
        this.#drag = input.type === "dragEnter" || input.type === "dragOver" ? input : null;
        if (this.#drag) this.#lifted.delete("drag");
    }
  }

  /** A drag has begun in the page, and waits for what the agent does with it: until it ends, no other input gets there. */
  intercepted(data: unknown): void {
    this.#drag = { x: this.#x, y: this.#y, data };
    this.#lifted.delete("drag");
  }

  /** Whether this only lets go of what the gate has lifted already. Says so once for each. */
  isLifted(method: string, params: unknown): boolean {
    if (this.#lifted.size === 0) return false;
    const { type, button, ...rest } = (params ?? {}) as MouseParams & KeyParams;
    switch (method) {
      case "Input.dispatchMouseEvent":
        return type === "mouseReleased" && this.#lifted.delete(`button:${String(button)}`);
      case "Input.dispatchKeyEvent":
        return type === "keyUp" && this.#lifted.delete(`key:${nameOf(rest)}`);
      case "Input.dispatchTouchEvent":
        return (type === "touchEnd" || type === "touchCancel") && this.#lifted.delete("touch");
      case "Input.dispatchDragEvent":
        return type === "dragCancel" && this.#lifted.delete("drag");
      default:
        return false;
    }
  }

  /** A drag that was cancelled for a person is not over anything any more: it must enter again before it goes on. */
  enterAgain(method: string, params: unknown): Release | null {
    if (method !== "Input.dispatchDragEvent" || !this.#lifted.has("drag")) return null;
    const { type, ...rest } = (params ?? {}) as DragParams;
    if (type !== "drop" && type !== "dragOver") return null;
    this.#lifted.delete("drag");
    return { method, params: { ...rest, type: "dragEnter" } };
  }

  /** What lifts everything that is down, in order; from then on it counts as lifted. */
  lift(): Release[] {
    const releases: Release[] = [];
    if (this.#drag) {
      const { x, y, data } = this.#drag;
      releases.push({ method: "Input.dispatchDragEvent", params: { type: "dragCancel", x, y, data } });
      this.#lifted.add("drag");
    }
    for (const button of this.#buttons) {
      const params = { type: "mouseReleased", x: this.#x, y: this.#y, button, buttons: 0, clickCount: 1 };
      releases.push({ method: "Input.dispatchMouseEvent", params });
      this.#lifted.add(`button:${button}`);
    }
    for (const [name, key] of this.#keys) {
      releases.push({ method: "Input.dispatchKeyEvent", params: { ...key, type: "keyUp" } });
      this.#lifted.add(`key:${name}`);
    }
    if (this.#touching) {
      releases.push({ method: "Input.dispatchTouchEvent", params: { type: "touchCancel", touchPoints: [] } });
      this.#lifted.add("touch");
    }
    this.#buttons.clear();
    this.#keys.clear();
    this.#touching = false;
    this.#drag = null;
    return releases;
  }

  #mouse({ type, button, x, y }: MouseParams): void {
    if (typeof x === "number" && typeof y === "number") {
      this.#x = x;
      this.#y = y;
    }
    if (typeof button !== "string" || button === "none") return;
    if (type === "mousePressed") {
      this.#buttons.add(button);
      this.#lifted.delete(`button:${button}`);
    } else if (type === "mouseReleased") this.#buttons.delete(button);
  }

  #key({ type, key, code, windowsVirtualKeyCode, location }: KeyParams): void {
    const params: KeyParams = {
      ...(key !== undefined && { key }),
      ...(code !== undefined && { code }),
      ...(windowsVirtualKeyCode !== undefined && { windowsVirtualKeyCode }),
      ...(location !== undefined && { location }),
    };
    const name = nameOf(params);
    if (type === "keyUp") this.#keys.delete(name);
    else if (type === "keyDown" || type === "rawKeyDown") {
      this.#lifted.delete(`key:${name}`);
      if (this.#keys.size < MAX_KEYS) this.#keys.set(name, params);
    }
  }
}

/** The physical key where the agent names it, else what it types. */
function nameOf({ key, code, windowsVirtualKeyCode }: KeyParams): string {
  return String(code ?? key ?? windowsVirtualKeyCode);
}
