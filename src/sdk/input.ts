import { BatonError } from "../../protocol/errors.ts";
import { BUTTON_BITS, type InputEvent, MAX_INPUT_BATCH, MAX_TEXT_LENGTH } from "../../protocol/input.ts";
import type { CallOptions, ClickOptions, InputOptions, SandboxInput } from "./api.ts";
import type { Connection } from "./connection.ts";
import { MAX_PENDING_CALLS } from "./connection.ts";
import { disconnected } from "./ending.ts";
import type { Follower } from "./follower.ts";
import { keysForCharacter, keysForShortcut } from "./keys.ts";
import { notify } from "./listeners.ts";
import { waiting } from "./waiting.ts";

/** Most text in one message of several events, UTF-16 units: at worst six bytes each, below the message limit. */
const MAX_BATCH_TEXT = 32 * 1024;
/** Most moves of one drag. */
const MAX_DRAG_STEPS = 1_000;

/** On whose behalf, and of which turn, events are sent. */
interface Turn {
  readonly epoch: number;
  readonly controller?: string;
}

type Point = { x: number; y: number };

export class Input implements SandboxInput {
  readonly #connection: Connection;
  readonly #follower: Follower;
  readonly #sandboxId: string;
  readonly #hand: () => string | undefined;
  readonly #refusedListeners = new Set<(error: Error) => void>();
  #waiting = 0;

  /** `hand` names the person whom this handle's calls made the controller. */
  constructor(connection: Connection, follower: Follower, sandboxId: string, hand: () => string | undefined) {
    this.#connection = connection;
    this.#follower = follower;
    this.#sandboxId = sandboxId;
    this.#hand = hand;
  }

  async send(events: readonly InputEvent[], options: CallOptions & InputOptions = {}): Promise<void> {
    await this.#send(events, options);
  }

  post(events: readonly InputEvent[], { tab }: InputOptions = {}): void {
    this.#follower.follow();
    const turn = this.#turn();
    if (!turn) {
      this.refused(
        new BatonError("unavailable", "The sandbox's state is not known yet. Wait for it, then send input."),
      );
      return;
    }
    try {
      this.#connection.post({
        type: "input",
        sandboxId: this.#sandboxId,
        ...turn,
        ...(tab !== undefined && { tab }),
        events: [...events],
      });
    } catch (error) {
      this.refused(error as BatonError);
    }
  }

  onRefused(listener: (error: Error) => void): () => void {
    // Wrapped: the same function may be registered twice, and each removal removes its own.
    const own = (error: Error) => listener(error);
    this.#refusedListeners.add(own);
    return () => this.#refusedListeners.delete(own);
  }

  refused(error: BatonError): void {
    for (const listener of Array.from(this.#refusedListeners)) notify(() => listener(error));
  }

  move(x: number, y: number): Promise<void> {
    return this.send([{ kind: "mouse", action: "move", x, y }]);
  }

  click(x: number, y: number, options: ClickOptions = {}): Promise<void> {
    const { button = "left", clickCount = 1, modifiers } = options;
    const common = { kind: "mouse", x, y, ...(modifiers !== undefined && { modifiers }) } as const;
    const events: InputEvent[] = [{ ...common, action: "move" }];
    for (let count = 1; count <= clickCount; count += 1) {
      const pressed = { ...common, button, clickCount: count } as const;
      events.push({ ...pressed, action: "down", buttons: BUTTON_BITS[button] });
      events.push({ ...pressed, action: "up", buttons: 0 });
    }
    return this.send(events);
  }

  drag(from: Point, to: Point, options: { steps?: number } = {}): Promise<void> {
    const steps = Math.min(Math.max(Math.trunc(options.steps ?? 10), 1), MAX_DRAG_STEPS);
    const held = { kind: "mouse", button: "left", buttons: BUTTON_BITS.left } as const;
    const events: InputEvent[] = [
      { kind: "mouse", action: "move", x: from.x, y: from.y },
      { ...held, action: "down", x: from.x, y: from.y, clickCount: 1 },
    ];
    for (let step = 1; step <= steps; step += 1) {
      const x = from.x + ((to.x - from.x) * step) / steps;
      const y = from.y + ((to.y - from.y) * step) / steps;
      events.push({ ...held, action: "move", x, y });
    }
    events.push({ ...held, action: "up", buttons: 0, x: to.x, y: to.y, clickCount: 1 });
    return this.#sendAll(events);
  }

  wheel(x: number, y: number, deltaX: number, deltaY: number): Promise<void> {
    return this.send([{ kind: "wheel", x, y, deltaX, deltaY }]);
  }

  type(text: string): Promise<void> {
    return this.#sendAll(typing(text));
  }

  async press(shortcut: string): Promise<void> {
    await this.#send(keysForShortcut(shortcut));
  }

  text(text: string): Promise<void> {
    return this.#sendAll(textEvents(text));
  }

  paste(text: string): Promise<void> {
    return this.send([{ kind: "paste", text }]);
  }

  navigate(url: string): Promise<void> {
    return this.send([{ kind: "navigate", to: "url", url }]);
  }

  back(): Promise<void> {
    return this.send([{ kind: "navigate", to: "back" }]);
  }

  forward(): Promise<void> {
    return this.send([{ kind: "navigate", to: "forward" }]);
  }

  reload(): Promise<void> {
    return this.send([{ kind: "navigate", to: "reload" }]);
  }

  selectTab(tabId: string): Promise<void> {
    return this.send([{ kind: "tab", action: "select", tabId }]);
  }

  closeTab(tabId: string): Promise<void> {
    return this.send([{ kind: "tab", action: "close", tabId }]);
  }

  openTab(): Promise<void> {
    return this.send([{ kind: "tab", action: "open" }]);
  }

  answerDialog(accept: boolean, promptText?: string): Promise<void> {
    return this.send([{ kind: "dialog", accept, ...(promptText !== undefined && { promptText }) }]);
  }

  /** The turn as far as it is known, or `undefined` while an own call's change, or any state, is still to come. */
  #turn(): Turn | undefined {
    const sandbox = this.#follower.current?.sandbox;
    if (!sandbox || this.#follower.awaitsOwnChange) return undefined;
    const hand = this.#hand();
    const holds = hand !== undefined && sandbox.control.controller === hand;
    return { epoch: sandbox.epoch, ...(holds && { controller: hand }) };
  }

  /** One batch after the other. All are of the first one's turn: the rest of a text is not typed into a later one. */
  async #sendAll(events: readonly InputEvent[]): Promise<void> {
    let turn: Turn | undefined;
    for (const batch of batches(events)) turn = await this.#send(batch, {}, turn);
  }

  /** Resolves, once the browser handled the events, with the turn that they were sent in. */
  #send(
    events: readonly InputEvent[],
    { signal, tab }: CallOptions & InputOptions = {},
    given?: Turn,
  ): Promise<Turn> {
    return waiting("Input", { signal }, (resolve, reject) => {
      let stop = () => {};
      const send = (turn: Turn) => {
        stop();
        stop = this.#connection.request({
          message: {
            type: "input",
            sandboxId: this.#sandboxId,
            ...turn,
            ...(tab !== undefined && { tab }),
            events: [...events],
          },
          lifetime: "connection",
          answered: () => resolve(turn),
          failed: reject,
        });
      };
      this.#follower.follow();
      const turn = given ?? this.#turn();
      if (turn) send(turn);
      else stop = this.#awaitTurn(send, reject);
      return () => stop();
    });
  }

  /** Calls back in the order of the calls, within the message that brought the state. */
  #awaitTurn(ready: (turn: Turn) => void, failed: (error: BatonError) => void): () => void {
    const ending = this.#connection.ending;
    if (ending) {
      failed(ending.error);
      return () => {};
    }
    if (this.#follower.current && !this.#connection.isOpen) {
      failed(disconnected("Input was not sent"));
      return () => {};
    }
    if (this.#waiting >= MAX_PENDING_CALLS) {
      const limit = { limit: "waitingInputs", max: MAX_PENDING_CALLS };
      failed(new BatonError("too_many", "Too many inputs wait for the sandbox's state. Await them.", limit));
      return () => {};
    }
    this.#waiting += 1;
    const look = () => {
      const turn = this.#turn();
      if (turn) ready(turn);
    };
    const stop = this.#follower.listen({
      update: look,
      settled: look,
      dropped: () => failed(disconnected("Input was not sent")),
      ended: ({ error }) => failed(error),
    });
    let stopped = false;
    return () => {
      if (stopped) return;
      stopped = true;
      this.#waiting -= 1;
      stop();
    };
  }
}

/** Keys for what a US keyboard has, text for what stands between. */
function typing(text: string): InputEvent[] {
  const events: InputEvent[] = [];
  let other = "";
  const flush = () => {
    events.push(...textEvents(other));
    other = "";
  };
  for (const character of text.replaceAll("\r\n", "\n")) {
    const keys = keysForCharacter(character);
    if (keys) {
      flush();
      events.push(...keys);
    } else {
      other += character;
    }
  }
  flush();
  return events;
}

/** Text events of bearable length, never cut within a surrogate pair. */
function textEvents(text: string): InputEvent[] {
  const max = Math.min(MAX_BATCH_TEXT, MAX_TEXT_LENGTH);
  const events: InputEvent[] = [];
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + max, text.length);
    if (end < text.length && (text.codePointAt(end - 1) ?? 0) > 0xffff) end -= 1;
    events.push({ kind: "text", text: text.slice(start, end) });
    start = end;
  }
  return events;
}

function batches(events: readonly InputEvent[]): InputEvent[][] {
  const result: InputEvent[][] = [];
  let batch: InputEvent[] = [];
  let textLength = 0;
  for (const event of events) {
    const length = event.kind === "text" ? event.text.length : 0;
    if (batch.length > 0 && (batch.length >= MAX_INPUT_BATCH || textLength + length > MAX_BATCH_TEXT)) {
      result.push(batch);
      batch = [];
      textLength = 0;
    }
    batch.push(event);
    textLength += length;
  }
  if (batch.length > 0) result.push(batch);
  return result;
}
