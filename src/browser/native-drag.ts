import type { Protocol } from "devtools-protocol";
import type { PageTab } from "./page-tab.ts";

interface Point {
  readonly x: number;
  readonly y: number;
  readonly modifiers?: number | undefined;
}

/**
 * Drag and drop of HTML elements (`draggable`). Chromium without a window system ends such a drag at its start, so
 * while the left button is down it is intercepted and carried out with drag events. Only while it is down: a person
 * who sits at a browser with a window must not lose their own drags.
 */
export class NativeDrag {
  readonly #tab: PageTab;
  #data: Protocol.Input.DragData | undefined;
  #released: Point | undefined;
  #cancelled = false;
  /** Drag events that are not answered yet. */
  readonly #sent = new Set<Promise<void>>();

  /** Call it before the press is sent. */
  constructor(tab: PageTab) {
    this.#tab = tab;
    tab.session.post("Input.setInterceptDrags", { enabled: true });
  }

  get tab(): PageTab {
    return this.#tab;
  }

  /** The page has started a drag. */
  intercepted(data: Protocol.Input.DragData, at: Point): void {
    this.#data = data;
    if (this.#cancelled) void this.#send("dragCancel", this.#released ?? at);
    else {
      void this.#send("dragEnter", this.#released ?? at);
      // The person was faster than the page: button down, moved and up before it told of the drag.
      if (this.#released) this.#drop(this.#released);
    }
  }

  /** Answer of the drag event that stands in for this move; undefined when no drag is on. */
  move(to: Point): Promise<void> | undefined {
    return this.#data && !this.#released ? this.#send("dragOver", to) : undefined;
  }

  /** Call it before the release is sent. */
  release(at: Point): void {
    this.#released = at;
    if (this.#data) this.#drop(at);
  }

  /** Like `release`, but the drag is called off: nobody decided to drop here. */
  cancel(at: Point): void {
    this.#released = at;
    this.#cancelled = true;
    if (this.#data) void this.#send("dragCancel", at);
  }

  /**
   * Call it once the release was answered. Resolves when a drag that started late would have been told of: the page
   * tells of it on another way than it answers input. Then, unless a new press needs it, `disable` ends the rest.
   */
  async settle(): Promise<void> {
    await this.#follow(this.#tab.session.send("Runtime.evaluate", { expression: "0" }));
    await Promise.all(this.#sent);
  }

  /** Resolves when no further drag will be told of, and what this one sent is answered. */
  async disable(): Promise<void> {
    await this.#follow(this.#tab.session.send("Input.setInterceptDrags", { enabled: false }));
    await Promise.all(this.#sent);
  }

  #drop(at: Point): void {
    void this.#send("dragOver", at);
    void this.#send("drop", at);
  }

  #send(type: Protocol.Input.DispatchDragEventRequest["type"], at: Point): Promise<void> {
    const { x, y, modifiers = 0 } = at;
    const data = this.#data ?? { items: [], dragOperationsMask: 0xffff };
    const answer = this.#follow(
      this.#tab.session.send("Input.dispatchDragEvent", { type, x, y, data, modifiers }),
    );
    this.#sent.add(answer);
    void answer.then(() => this.#sent.delete(answer));
    return answer;
  }

  /** A refusal of one step has no consequence of its own: the release that follows ends the drag. */
  #follow(answer: Promise<unknown>): Promise<void> {
    return this.#tab.track(answer).catch(() => {});
  }
}
