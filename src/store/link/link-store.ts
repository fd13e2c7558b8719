/**
 * The store of a worker: another process of this machine has the real one (`StoreHost`), and this asks it. It answers
 * as that one does; when it does not within the time limit, `unavailable`, and the call may still happen.
 */
import type { Position } from "../../../protocol/ids.ts";
import { BatonError } from "../../../protocol/errors.ts";
import type { SandboxEvent } from "../../../protocol/sandbox.ts";
import type { SandboxState } from "../../core/state.ts";
import { checkMark } from "../marks.ts";
import type {
  AuditHead,
  AuditLine,
  Catchup,
  Commit,
  CommitResult,
  Loaded,
  LobbyChange,
  MarksSince,
  NodeMembers,
  SandboxListener,
  Store,
  Unsubscribe,
} from "../store.ts";
import type { Method, ToHost, ToWorker } from "./messages.ts";
import type { Port } from "./port.ts";
import { Topics, type TopicListener } from "./topics.ts";

/** A process that is well answers in a millisecond; a disk that is slow may take longer than this, as it may there. */
const TIMEOUT_MS = 5_000;
/** Calls under way. The next one is refused at once: so many would not be answered in time. */
const MAX_PENDING = 10_000;

export interface LinkStoreOptions {
  /** After this long every method has answered. Default 5,000. */
  readonly timeoutMs?: number;
  /** Default 10,000. */
  readonly maxPending?: number;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: BatonError) => void;
  readonly timer: NodeJS.Timeout;
}

export class LinkStore implements Store {
  /** Other workers use the data, and may outlive this process. */
  readonly exclusive = false;
  readonly #port: Port;
  readonly #timeoutMs: number;
  readonly #maxPending: number;
  readonly #pending = new Map<number, Pending>();
  readonly #topics: Topics;
  #calls = 0;
  #closed: "here" | "there" | undefined;

  constructor(port: Port, options: LinkStoreOptions = {}) {
    this.#port = port;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#maxPending = options.maxPending ?? MAX_PENDING;
    this.#topics = new Topics({
      subscribe: async (topic, sandboxId) => {
        await this.#ask({ kind: "subscribe", topic, ...(sandboxId !== undefined && { sandboxId }) });
      },
      unsubscribe: (topic) => this.#post({ kind: "unsubscribe", topic }),
    });
    port.onMessage((message) => this.#take(JSON.parse(message) as ToWorker));
    port.onClose(() => this.#end("there"));
  }

  async create(state: SandboxState, events: readonly SandboxEvent[], dueAt: number | null): Promise<boolean> {
    return this.#call("create", state, events, dueAt);
  }

  async now(): Promise<number> {
    return this.#call("now");
  }

  async load(sandboxId: string, key?: string): Promise<Loaded | null> {
    return this.#call("load", sandboxId, ...(key === undefined ? [] : [key]));
  }

  async confirm(sandboxId: string): Promise<Loaded | null> {
    return this.#call("confirm", sandboxId);
  }

  async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    return this.#call("commit", sandboxId, commit);
  }

  async remove(sandboxId: string): Promise<boolean> {
    return this.#call("remove", sandboxId);
  }

  async read(sandboxId: string, since: Position | null): Promise<Catchup | null> {
    return this.#call("read", sandboxId, since);
  }

  async list(options: { readonly cursor?: string; readonly limit: number }): ReturnType<Store["list"]> {
    return this.#call("list", options);
  }

  async due(limit: number): Promise<readonly string[]> {
    return this.#call("due", limit);
  }

  async subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    const told: TopicListener = (message) => {
      switch (message.kind) {
        case "event":
          return listener.event(message.it);
        case "roster":
          return listener.roster(message.it);
        case "removed":
          return listener.removed();
        case "lost":
          return listener.lost();
        case "lobby":
      }
    };
    return this.#topics.add(sandboxId, told);
  }

  async subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe> {
    return this.#topics.add(undefined, (message) => {
      if (message.kind === "lobby") listener(message.it);
      else if (message.kind === "lost") listener({ kind: "lost" });
    });
  }

  async announce(sandboxId: string, here: NodeMembers): Promise<void> {
    return this.#call("announce", sandboxId, here);
  }

  async roster(sandboxId: string): Promise<readonly NodeMembers[]> {
    return this.#call("roster", sandboxId);
  }

  async beat(nodeId: string, ttlMs: number): ReturnType<Store["beat"]> {
    return this.#call("beat", nodeId, ttlMs);
  }

  async leave(nodeId: string): Promise<void> {
    return this.#call("leave", nodeId);
  }

  async mark(id: string, value: string, until: number): Promise<string> {
    // JSON has no such numbers as it refuses, or bounds.
    return this.#call("mark", id, value, checkMark(id, value, until));
  }

  async marksSince(version: number): Promise<MarksSince> {
    return this.#call("marksSince", version);
  }

  async appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    return this.#call("appendAudit", expected, lines);
  }

  async readAudit(after: number, limit: number): Promise<readonly AuditLine[]> {
    return this.#call("readAudit", after, limit);
  }

  async auditHead(): Promise<AuditHead> {
    return this.#call("auditHead");
  }

  async healthy(): Promise<boolean> {
    return this.#call<boolean>("healthy").catch(() => false);
  }

  /** Ends the link; the other process has the store on. */
  async close(): Promise<void> {
    this.#end("here");
    this.#port.close();
  }

  async #call<T>(method: Method, ...args: readonly unknown[]): Promise<T> {
    return (await this.#ask({ kind: "call", method, args })) as T;
  }

  #ask(question: Question): Promise<unknown> {
    if (this.#closed) return Promise.reject(ended(this.#closed));
    if (this.#pending.size >= this.#maxPending) return Promise.reject(tooMany());
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(late(this.#timeoutMs));
      }, this.#timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#post({ ...question, id });
    });
  }

  #post(message: ToHost): void {
    if (!this.#closed) this.#port.post(JSON.stringify(message));
  }

  #take(message: ToWorker): void {
    if (this.#closed) return;
    if (message.kind === "answer") return this.#settle(message.id)?.resolve(message.value);
    if (message.kind === "refusal") {
      const { id, code, message: why, details } = message;
      return this.#settle(id)?.reject(new BatonError(code, why, details));
    }
    this.#topics.tell(message);
  }

  /** Undefined for one whose time is over. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    clearTimeout(pending?.timer);
    this.#pending.delete(id);
    return pending;
  }

  #end(where: "here" | "there"): void {
    if (this.#closed) return;
    this.#closed = where;
    this.#topics.clear();
    for (const id of this.#pending.keys()) this.#settle(id)?.reject(ended(where));
  }
}

type Question =
  Omit<Extract<ToHost, { kind: "call" }>, "id"> | Omit<Extract<ToHost, { kind: "subscribe" }>, "id">;

function unavailable(message: string): BatonError {
  return new BatonError("unavailable", message);
}

function ended(where: "here" | "there"): BatonError {
  return unavailable(
    where === "here"
      ? "The store is closed, as the gateway is shutting down. Try again; another process will answer."
      : "The process that has the store has ended, and this one ends with it. Try again when the gateway is back.",
  );
}

function tooMany(): BatonError {
  return unavailable("Nothing was changed: too many calls wait for the store. Try again later.");
}

function late(timeoutMs: number): BatonError {
  return unavailable(
    `The process that has the store did not answer within ${timeoutMs} ms; the change may still happen. Try again; check the disk, and that this machine is not overloaded.`,
  );
}
