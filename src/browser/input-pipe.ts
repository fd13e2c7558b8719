import type { Protocol } from "devtools-protocol";
import type { DialogInput, InputEvent, KeyInput, MouseInput, TabInput } from "../../protocol/input.ts";
import { BrowserError } from "./browser.ts";
import type { HeldInput } from "./held-input.ts";
import { keyParams, mouseParams, releaseKey, wheelParams } from "./input.ts";
import { NativeDrag } from "./native-drag.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import { fenced, navigate, paste, type Sent } from "./page-actions.ts";
import { refused, type PageTab } from "./page-tab.ts";
import type { TabTracker } from "./tab-tracker.ts";

/** Unanswered or waiting events; a page that is this far behind isn't taking input. */
const MAX_WAITING = 1_000;
/** With this many unanswered, mouse moves wait and only the newest of them is sent. Two frames' worth. */
const MOVE_WINDOW = 3;
/** Releases kept during a dialog: more than hands can hold. What is left out, `drain` releases. */
const MAX_LIFTED = 64;

interface Entry {
  readonly event: InputEvent;
  readonly mayLeave: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts input into the pages of one connected browser, in the order of the calls. Nothing waits for the answer to
 * an earlier event; only what comes after an operation of several commands waits until its last one was sent.
 */
export class InputPipe {
  readonly #tracker: TabTracker;
  readonly #held: HeldInput;
  readonly #navigation: TargetPolicy | undefined;
  readonly #queue: Entry[] = [];
  /** One promise per event that was accepted and per command that was sent, until it settles. Never rejects. */
  readonly #unsettled = new Set<Promise<void>>();
  /** Releases that came while a dialog blocked their page; it gets them when the dialog is closed. */
  #lifted: (MouseInput | KeyInput)[] = [];
  #drag: NativeDrag | undefined;
  #blocked = false;
  #ended: string | undefined;
  /** Where the pointer was sent last. */
  #lastX = 0;
  #lastY = 0;

  /** @param navigation which addresses may be opened; undefined: any */
  constructor(tracker: TabTracker, held: HeldInput, navigation?: TargetPolicy) {
    this.#tracker = tracker;
    this.#navigation = navigation;
    this.#held = held;
  }

  dispatch(event: InputEvent, mayLeave: () => boolean = always): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(unavailable(this.#ended));
    const problem = this.#problem(event);
    if (problem !== undefined) return Promise.reject(new BrowserError("invalid_message", problem));
    // What gets a person out of such a page is not for the page to take.
    const isWayOut = event.kind === "navigate" || event.kind === "tab" || event.kind === "dialog";
    const unanswered = isWayOut ? 0 : (this.#tracker.active?.unanswered ?? 0);
    const waiting = this.#queue.length + unanswered;
    const last = this.#queue.at(-1);
    const replaces = last !== undefined && isSameMove(last.event, event);
    if (waiting >= MAX_WAITING && !replaces) {
      return Promise.reject(
        new BrowserError(
          "input_overflow",
          `The page isn't taking input (${waiting} events are unanswered); wait, reload it or leave it`,
        ),
      );
    }
    const accepted = new Promise<void>((resolve, reject) => {
      if (replaces) {
        this.#queue.pop();
        last.resolve();
      }
      this.#queue.push({ event, mayLeave, resolve, reject });
    });
    this.#remember(accepted);
    this.pump();
    return accepted;
  }

  /** Sends what may be sent now. Called again whenever something changes that the queue waits for. */
  pump(): void {
    while (!this.#blocked) {
      const entry = this.#queue[0];
      if (!entry) return;
      const busy = (this.#tracker.active?.unanswered ?? 0) >= MOVE_WINDOW;
      if (busy && this.#queue.length === 1 && isMove(entry.event)) return;
      this.#queue.shift();
      if (!entry.mayLeave()) {
        entry.reject(fenced());
        continue;
      }
      const settled = this.#send(entry).then(entry.resolve, entry.reject);
      void settled.then(() => this.pump());
    }
  }

  async drain(): Promise<void> {
    await Promise.all(this.#unsettled);
    await this.releaseHeld();
  }

  /** Lifts every button and key in the tab it went down in; resolves when the pages have handled it. */
  async releaseHeld(): Promise<void> {
    this.#lifted = [];
    const { buttons, keys } = this.#held.take();
    const released: Promise<void>[] = [];
    for (const { tabId, button, x, y } of buttons) {
      const tab = this.#tracker.get(tabId);
      if (!tab) continue;
      if (button === "left") this.#drag?.cancel({ x, y });
      const params = { type: "mouseReleased", x, y, button, buttons: 0, clickCount: 1 } as const;
      released.push(this.#follow(tab, tab.session.dispatch("Input.dispatchMouseEvent", params)));
    }
    for (const { tabId, params } of keys) {
      const tab = this.#tracker.get(tabId);
      if (tab)
        released.push(this.#follow(tab, tab.session.dispatch("Input.dispatchKeyEvent", releaseKey(params))));
    }
    const drag = this.#drag;
    await Promise.allSettled(released);
    if (drag) await this.#endDrag(drag);
    this.pump();
  }

  dialogChanged(tab: PageTab): void {
    if (tab.dialog) return;
    const lifted = this.#lifted;
    this.#lifted = [];
    for (const event of lifted) this.#send({ event, mayLeave: always }).catch(() => {});
  }

  dragIntercepted(tab: PageTab, data: Protocol.Input.DragData): void {
    if (this.#drag?.tab === tab) this.#drag.intercepted(data, { x: this.#lastX, y: this.#lastY });
  }

  tabRemoved(tab: PageTab): void {
    if (this.#drag?.tab === tab) this.#drag = undefined;
  }

  /** The connection is gone: what was not sent never will be. */
  end(detail: string): void {
    this.#ended = detail;
    for (const entry of this.#queue.splice(0)) entry.reject(unavailable(detail));
  }

  #problem(event: InputEvent): string | undefined {
    if (event.kind === "navigate" && event.to === "url" && event.url === undefined) {
      return 'navigate with to "url" needs a url; give an http or https address';
    }
    if (event.kind === "tab" && event.action !== "open") {
      if (event.tabId === undefined) return `tab ${event.action} needs a tabId; take one of browser.tabs`;
      if (!this.#tracker.get(event.tabId)) return `There is no tab ${event.tabId}; take one of browser.tabs`;
    }
    if (event.kind === "dialog" && !this.#tracker.active?.dialog) {
      return "No dialog is open in the shown tab; it may have been answered already";
    }
    return undefined;
  }

  #send({ event, mayLeave }: Pick<Entry, "event" | "mayLeave">): Promise<void> {
    try {
      switch (event.kind) {
        case "tab":
          return this.#steps(this.#tab(event));
        case "dialog":
          return this.#dialog(event);
        case "navigate": {
          const tab = this.#shown();
          return this.#steps(navigate(tab, event, { mayLeave, navigation: this.#navigation }), tab);
        }
        case "paste": {
          const tab = this.#unblocked();
          const follow = (answer: Promise<unknown>): void => void this.#follow(tab, answer).catch(() => {});
          return this.#steps(paste(tab, event.text, follow), tab);
        }
        case "text": {
          const tab = this.#unblocked();
          return this.#follow(tab, tab.session.dispatch("Input.insertText", { text: event.text }));
        }
        case "wheel": {
          const tab = this.#unblocked();
          return this.#follow(tab, tab.session.dispatch("Input.dispatchMouseEvent", wheelParams(event)));
        }
        case "mouse":
          return this.#mouse(event);
        case "key":
          return this.#key(event);
      }
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #mouse(event: MouseInput): Promise<void> {
    const tab = this.#target(event);
    if (!tab) return Promise.resolve();
    const params = mouseParams(event, this.#held.bits(tab.tabId));
    this.#held.mouse(event, tab.tabId);
    this.#lastX = event.x;
    this.#lastY = event.y;
    const isLeft = event.action !== "move" && params.button === "left";
    if (isLeft && event.action === "down") this.#drag = new NativeDrag(tab);
    const drag = this.#drag?.tab === tab ? this.#drag : undefined;
    if (event.action === "move") {
      const answer = drag?.move(event) ?? tab.session.dispatch("Input.dispatchMouseEvent", params);
      return this.#follow(tab, answer);
    }
    if (isLeft && event.action === "up") drag?.release(event);
    const handled = this.#follow(tab, tab.session.dispatch("Input.dispatchMouseEvent", params));
    if (drag && isLeft && event.action === "up") {
      const end = (): Promise<void> => this.#endDrag(drag);
      this.#remember(handled.then(end, end));
    }
    return handled;
  }

  /** Part of what `drain` waits for: a drop that comes late is still the old controller's. */
  async #endDrag(drag: NativeDrag): Promise<void> {
    await drag.settle();
    // Another press may have begun meanwhile; it needs the interception.
    if (this.#drag !== drag) return;
    await drag.disable();
    if (this.#drag === drag) this.#drag = undefined;
  }

  #key(event: KeyInput): Promise<void> {
    const tab = this.#target(event);
    if (!tab) return Promise.resolve();
    const params = keyParams(event);
    this.#held.key(event, tab.tabId, params);
    return this.#follow(tab, tab.session.dispatch("Input.dispatchKeyEvent", params));
  }

  async #dialog(event: DialogInput): Promise<void> {
    const { accept, promptText } = event;
    const tab = this.#shown();
    const answer = tab.session.send("Page.handleJavaScriptDialog", {
      accept,
      ...(accept && promptText !== undefined && { promptText }),
    });
    try {
      await answer;
    } catch (error) {
      throw new BrowserError(
        "browser_unavailable",
        "The dialog is no longer open, or the tab closed; nothing to do",
        {
          cause: error,
        },
      );
    }
  }

  async #tab(event: TabInput): Promise<Sent> {
    const tab = this.#tracker.get(event.tabId ?? "");
    if (event.action === "open") await this.#tracker.open();
    else if (!tab)
      throw new BrowserError("invalid_message", "The tab has closed meanwhile; take one of browser.tabs");
    else if (event.action === "select") await this.#tracker.select(tab);
    else await this.#tracker.close(tab);
    return { answer: Promise.resolve() };
  }

  /** Runs an operation of several commands: the queue waits until its last one was sent. */
  async #steps(operation: Promise<Sent>, tab?: PageTab): Promise<void> {
    this.#blocked = true;
    // Stays undefined when a dialog, a crash or the tab's end cuts the operation off; then it is over.
    let sent: Sent | undefined;
    const last = operation.then((result) => void (sent = result));
    try {
      await (tab ? this.#follow(tab, last) : last);
    } catch (error) {
      throw refused(error);
    } finally {
      this.#blocked = false;
      this.pump();
    }
    if (sent) await (tab ? this.#follow(tab, sent.answer) : sent.answer);
  }

  #follow(tab: PageTab, answer: Promise<unknown>): Promise<void> {
    const settled = tab.track(answer);
    this.#remember(settled);
    return settled;
  }

  #remember(promise: Promise<void>): void {
    const quiet = promise.catch(() => {}).finally(() => this.#unsettled.delete(quiet));
    this.#unsettled.add(quiet);
  }

  #shown(): PageTab {
    const tab = this.#tracker.active;
    if (!tab) throw unavailable("No tab is open; open one first");
    return tab;
  }

  /** The shown tab, for input that a dialog must not let through: it would arrive when the dialog is closed. */
  #unblocked(): PageTab {
    const tab = this.#shown();
    if (tab.dialog) throw unavailable("A dialog blocks the page; answer it first");
    return tab;
  }

  /** Where a mouse or key event goes; undefined for one that has no effect, because a dialog is open. */
  #target(event: MouseInput | KeyInput): PageTab | undefined {
    if (event.action === "down") return this.#unblocked();
    const origin = event.action === "up" ? this.#held.tabOf(event) : undefined;
    const tab = (origin !== undefined && this.#tracker.get(origin)) || this.#shown();
    if (!tab.dialog) return tab;
    if (origin !== undefined && this.#lifted.length < MAX_LIFTED) this.#lifted.push(event);
    return undefined;
  }
}

const always = (): boolean => true;

function isMove(event: InputEvent): event is MouseInput {
  return event.kind === "mouse" && event.action === "move";
}

function isSameMove(a: InputEvent, b: InputEvent): boolean {
  return (
    isMove(a) && isMove(b) && a.button === b.button && a.buttons === b.buttons && a.modifiers === b.modifiers
  );
}

function unavailable(message: string): BrowserError {
  return new BrowserError("browser_unavailable", message);
}
