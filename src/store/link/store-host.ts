/** The end of the link that has the store: it carries out what workers ask, and tells each of them what it follows. */
import { BatonError, type ErrorCode, type ErrorDetails } from "../../../protocol/errors.ts";
import type { Store, Unsubscribe } from "../store.ts";
import { METHODS, type Method, type ToHost, type ToWorker } from "./messages.ts";
import type { Port } from "./port.ts";

/**
 * Characters that may wait for a worker that takes nothing. Beyond it the worker is told nothing until it has taken all,
 * and then that it must read anew. Answers wait all the same: one that takes nothing asks for nothing more.
 */
const MAX_BACKLOG = 32 * 1024 * 1024;

export interface StoreHostOptions {
  /** Default 32 Mi characters. */
  readonly maxBacklog?: number;
}

export class StoreHost {
  readonly #store: Store;
  readonly #maxBacklog: number;
  /** JSON of what is told, made once for all workers: it never changes. */
  readonly #texts = new WeakMap<object, string>();

  /** @param store stays the caller's, who closes it */
  constructor(store: Store, options: StoreHostOptions = {}) {
    this.#store = store;
    this.#maxBacklog = options.maxBacklog ?? MAX_BACKLOG;
  }

  /** Until the port closes. What nodes said through it ends then, as if they had left. */
  serve(port: Port): void {
    const session = new HostSession({
      store: this.#store,
      port,
      maxBacklog: this.#maxBacklog,
      textOf: (it) => this.#textOf(it),
    });
    port.onMessage((message) => session.take(JSON.parse(message) as ToHost));
    port.onDrain(() => session.drained());
    port.onClose(() => session.end());
  }

  #textOf(it: object): string {
    const known = this.#texts.get(it);
    if (known !== undefined) return known;
    const text = JSON.stringify(it);
    this.#texts.set(it, text);
    return text;
  }
}

interface SessionOptions {
  readonly store: Store;
  readonly port: Port;
  readonly maxBacklog: number;
  readonly textOf: (it: object) => string;
}

interface Topic {
  /** Undefined until the store has it. */
  stop: Unsubscribe | undefined;
}

class HostSession {
  readonly #options: SessionOptions;
  readonly #topics = new Map<number, Topic>();
  readonly #nodes = new Set<string>();
  #lost = false;
  #ended = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  take(message: ToHost): void {
    switch (message.kind) {
      case "call":
        return void this.#answer(message.id, () => this.#call(message.method, message.args));
      case "subscribe":
        return void this.#answer(message.id, () => this.#subscribe(message.topic, message.sandboxId));
      case "unsubscribe":
        return this.#unsubscribe(message.topic);
    }
  }

  drained(): void {
    if (!this.#lost) return;
    this.#lost = false;
    this.#post({ kind: "lost" });
  }

  end(): void {
    this.#ended = true;
    for (const topic of this.#topics.keys()) this.#unsubscribe(topic);
    // What cannot be said now is over with the nodes' time.
    for (const nodeId of this.#nodes) this.#options.store.leave(nodeId).catch(() => {});
  }

  async #answer(id: number, work: () => Promise<unknown>): Promise<void> {
    try {
      const value = await work();
      this.#post({ kind: "answer", id, ...(value !== undefined && { value }) });
    } catch (error) {
      this.#post({ kind: "refusal", id, ...refusalOf(error) });
    }
  }

  async #call(method: Method, args: readonly unknown[]): Promise<unknown> {
    if (!METHODS.includes(method)) throw new TypeError(`The store has no such method.`);
    const { store } = this.#options;
    if (method === "beat") this.#nodes.add(String(args[0]));
    if (method === "leave") this.#nodes.delete(String(args[0]));
    const call = store[method] as (...given: readonly unknown[]) => Promise<unknown>;
    return call.apply(store, [...args]);
  }

  async #subscribe(name: number, sandboxId: string | undefined): Promise<void> {
    const { store } = this.#options;
    const topic: Topic = { stop: undefined };
    this.#topics.set(name, topic);
    try {
      const stop =
        sandboxId === undefined
          ? await store.subscribeLobby((change) => this.#tell("lobby", name, change))
          : await store.subscribe(sandboxId, {
              event: (event) => this.#tell("event", name, event),
              roster: (change) => this.#tell("roster", name, change),
              removed: () => this.#tell("removed", name),
              lost: () => this.#post({ kind: "lost" }),
            });
      if (this.#topics.get(name) === topic) topic.stop = stop;
      else stop();
    } catch (error) {
      this.#topics.delete(name);
      throw error;
    }
  }

  #unsubscribe(name: number): void {
    this.#topics.get(name)?.stop?.();
    this.#topics.delete(name);
  }

  #tell(kind: "event" | "roster" | "lobby" | "removed", topic: number, it?: object): void {
    const { port, maxBacklog, textOf } = this.#options;
    if (this.#lost || this.#ended) return;
    if (port.backlog > maxBacklog) {
      this.#lost = true;
      return;
    }
    const said = it === undefined ? "" : `,"it":${textOf(it)}`;
    port.post(`{"kind":"${kind}","topic":${topic}${said}}`);
  }

  #post(message: ToWorker): void {
    if (!this.#ended) this.#options.port.post(JSON.stringify(message));
  }
}

function refusalOf(error: unknown): { code: ErrorCode; message: string; details?: ErrorDetails } {
  if (error instanceof BatonError) {
    const { code, message, details } = error;
    return { code, message, ...(details && { details }) };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { code: "internal", message: `The store failed: ${why}` };
}
