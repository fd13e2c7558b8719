import { z } from "zod";

/** The DOM event types that every page records, each in the capture phase on `window`. */
export const recordedTypes = [
  "mousedown",
  "mouseup",
  "click",
  "dblclick",
  "contextmenu",
  "mousemove",
  "wheel",
  "keydown",
  "keyup",
  "beforeinput",
  "input",
  "change",
  "compositionstart",
  "compositionupdate",
  "compositionend",
  "paste",
  "copy",
  "submit",
  "focusin",
  "dragstart",
  "touchstart",
  "touchmove",
  "touchend",
  "touchcancel",
] as const;

/** Longest `value` or `data` kept of one event, in UTF-16 units; the recorder cuts off the rest. */
export const maxTextLength = 4096;

/** Events the log keeps; beyond that the oldest go. */
const maxEvents = 20_000;
/** Documents whose order is tracked; beyond that the one that was quiet longest is forgotten. */
const maxDocuments = 500;
/** Events held back for a missing earlier one; beyond that the missing one counts as lost. */
const maxHeldBack = 1000;
/** Pending `waitFor` calls; beyond that a further one is refused. */
const maxWaiters = 1000;

const text = z.string().max(maxTextLength).exactOptional();
const short = z.string().max(256).exactOptional();
const number = z.number().exactOptional();
const flag = z.boolean().exactOptional();

const observedSchema = z.object({
  type: z.enum(recordedTypes),
  target: z.string().max(256),
  x: number,
  y: number,
  button: number,
  buttons: number,
  detail: number,
  key: short,
  code: short,
  ctrlKey: flag,
  shiftKey: flag,
  altKey: flag,
  metaKey: flag,
  inputType: short,
  value: text,
  data: text,
  deltaX: number,
  deltaY: number,
  isTrusted: z.boolean(),
  at: z.number(),
});

/** What a page sends. `first` counts the document's events from 0; everything below `acked` was acknowledged. */
export const batchSchema = z.object({
  page: z.string().max(256),
  pageId: z.string().min(1).max(64),
  tabId: short,
  acked: z.int().nonnegative(),
  first: z.int().nonnegative(),
  events: z.array(observedSchema).min(1).max(1000),
});

export type EventBatch = z.infer<typeof batchSchema>;

/**
 * One DOM event as a page saw it.
 *
 * - `seq`: position in the site's log, from 1, dense until `clear`, never reused.
 * - `page`: the document's path; `pageId`: random for each document load; `tabId`: stays for the life of a tab.
 * - `target`: the target's id, or its lower-case tag when it has none.
 * - `x`, `y`: CSS pixels in the viewport (the first changed touch for touch events).
 * - `value`: the field's text for `input` and `change`, the clipboard's text for `paste`.
 * - `data`: inserted or composed text for `beforeinput`, `input` and the composition events.
 * - `at`: epoch milliseconds on the page's clock.
 */
export type RecordedEvent = z.infer<typeof observedSchema> & {
  readonly seq: number;
  readonly page: string;
  readonly pageId: string;
  readonly tabId?: string;
};

type Unnumbered = Omit<RecordedEvent, "seq">;

interface DocumentOrder {
  next: number;
  readonly heldBack: Map<number, Unnumbered>;
}

interface Waiter {
  readonly offer: (event: RecordedEvent) => void;
  readonly fail: (error: Error) => void;
}

/** Puts the events of each document into their original order, keeps the newest and hands them to waiters. */
export class EventLog {
  readonly #documents = new Map<string, DocumentOrder>();
  readonly #waiters = new Set<Waiter>();
  #events: RecordedEvent[] = [];
  #lastSeq = 0;
  #closed = false;

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** A copy of the kept events with a `seq` above `since`, oldest first. */
  list(since = 0): readonly RecordedEvent[] {
    return this.#events.filter((event) => event.seq > since);
  }

  /** Forgets the kept events. Numbering goes on, and so does each document's order. */
  clear(): void {
    this.#events = [];
  }

  /** Takes a batch that may be late, repeated or ahead of another one of the same document. */
  accept(batch: EventBatch): void {
    const order = this.#orderOf(batch.pageId);
    // A document outlives a restart of the site: what another run acknowledged will never come here.
    order.next = Math.max(order.next, batch.acked);
    const { page, pageId, tabId } = batch;
    const origin = tabId === undefined ? { page, pageId } : { page, pageId, tabId };
    for (const [index, observed] of batch.events.entries()) {
      const counter = batch.first + index;
      if (counter >= order.next) order.heldBack.set(counter, { ...origin, ...observed });
    }
    this.#release(order);
    if (order.heldBack.size > maxHeldBack) {
      order.next = Math.min(...order.heldBack.keys());
      this.#release(order);
    }
    if (this.#events.length > maxEvents) this.#events.splice(0, this.#events.length - maxEvents);
  }

  /** Resolves with the first kept or future event that matches; rejects with the signal's reason, or at `close`. */
  waitFor(predicate: (event: RecordedEvent) => boolean, signal?: AbortSignal): Promise<RecordedEvent> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const past = this.#events.find(predicate);
      if (past !== undefined) {
        resolve(past);
        return;
      }
      if (this.#closed) throw new Error("The demo site is closed; start a new one to wait for its events.");
      if (this.#waiters.size >= maxWaiters) {
        throw new Error(`${maxWaiters} waits are pending; abort some before you start another.`);
      }
      const settle = (finish: () => void): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
        finish();
      };
      const waiter: Waiter = {
        offer: (event) => {
          try {
            if (predicate(event)) settle(() => resolve(event));
          } catch (error) {
            settle(() => reject(error));
          }
        },
        fail: (error) => settle(() => reject(error)),
      };
      const onAbort = (): void => settle(() => reject(signal?.reason));
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort);
    });
  }

  /** Rejects the pending waits. The kept events stay readable. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) {
      waiter.fail(new Error("The demo site closed before the event came; close it after the last wait."));
    }
  }

  #orderOf(pageId: string): DocumentOrder {
    const order = this.#documents.get(pageId) ?? { next: 0, heldBack: new Map() };
    // Insertion order is the order of last use, so the first key is the document that was quiet longest.
    this.#documents.delete(pageId);
    this.#documents.set(pageId, order);
    if (this.#documents.size > maxDocuments) {
      for (const oldest of this.#documents.keys()) {
        this.#documents.delete(oldest);
        break;
      }
    }
    return order;
  }

  #release(order: DocumentOrder): void {
    for (;;) {
      const event = order.heldBack.get(order.next);
      if (event === undefined) return;
      order.heldBack.delete(order.next);
      order.next += 1;
      this.#lastSeq += 1;
      const recorded = { seq: this.#lastSeq, ...event };
      this.#events.push(recorded);
      for (const waiter of this.#waiters) waiter.offer(recorded);
    }
  }
}
