import type { DownMessage } from "../../protocol/down.ts";
import type { BatonError } from "../../protocol/errors.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { LobbyUpdate } from "./api.ts";
import { Retry } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { notify } from "./listeners.ts";

/** Most sandboxes that a client holds; those beyond are left out, and `truncated` says so. */
export const MAX_LOBBY_SANDBOXES = 10_000;

interface Listener {
  update(update: LobbyUpdate): void;
  refused(error: BatonError): void;
}

/** All sandboxes, newest state of each, while somebody listens. */
export class LobbyFollower {
  readonly #connection: Connection;
  readonly #listeners = new Set<Listener>();
  readonly #retry: Retry;
  #cancelJoin: (() => void) | undefined;
  #joinedHere = false;
  #sandboxes: ReadonlyMap<string, Sandbox> | undefined;
  #truncated = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#retry = new Retry(connection.reconnectMinMs, connection.reconnectMaxMs);
  }

  subscribe(listener: (update: LobbyUpdate) => void, refused?: (error: Error) => void): () => void {
    // Wrapped: the same function may be subscribed twice.
    const own: Listener = {
      update: (update) => notify(() => listener(update)),
      refused: (error) => notify(() => refused?.(error)),
    };
    this.#listeners.add(own);
    const update = this.#update();
    if (update) own.update(update);
    if (this.#listeners.size === 1) this.#join();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#leave();
    };
  }

  opened(): void {
    if (this.#listeners.size > 0) this.#join();
  }

  dropped(): void {
    this.#cancelJoin = undefined;
    this.#joinedHere = false;
    this.#retry.stop();
    this.#emit();
  }

  message(message: Extract<DownMessage, { type: "lobby.changed" | "lobby.removed" }>): void {
    if (!this.#sandboxes || !this.#joinedHere) return;
    const next = new Map(this.#sandboxes);
    if (message.type === "lobby.removed") {
      if (!next.delete(message.sandboxId)) return;
    } else {
      const { sandbox } = message;
      const held = next.get(sandbox.sandboxId);
      if (held && isOlder(sandbox, held)) return;
      if (held || next.size < MAX_LOBBY_SANDBOXES) next.set(sandbox.sandboxId, sandbox);
      else this.#truncated = true;
    }
    this.#sandboxes = next;
    this.#emit();
  }

  #join(): void {
    if (!this.#connection.isOpen) return;
    this.#retry.stop();
    this.#cancelJoin?.();
    this.#cancelJoin = this.#connection.request({
      message: { type: "lobby.join" },
      lifetime: "connection",
      internal: true,
      answered: (answer) => {
        this.#cancelJoin = undefined;
        if (answer.type !== "lobby") return;
        this.#joinedHere = true;
        const listed = answer.sandboxes.slice(0, MAX_LOBBY_SANDBOXES);
        this.#sandboxes = new Map(listed.map((sandbox) => [sandbox.sandboxId, sandbox]));
        this.#truncated = answer.truncated || listed.length < answer.sandboxes.length;
        this.#emit();
      },
      failed: (error) => {
        this.#cancelJoin = undefined;
        if (!this.#connection.isOpen) return;
        if (error.retryable) this.#retry.schedule(error, () => this.#join());
        else for (const listener of Array.from(this.#listeners)) listener.refused(error);
      },
    });
  }

  #leave(): void {
    const told = this.#joinedHere || this.#cancelJoin !== undefined;
    this.#cancelJoin?.();
    this.#cancelJoin = undefined;
    this.#joinedHere = false;
    this.#sandboxes = undefined;
    this.#retry.stop();
    if (!told) return;
    this.#connection.request({
      message: { type: "lobby.leave" },
      lifetime: "connection",
      internal: true,
      answered: () => {},
      failed: () => {},
    });
  }

  #update(): LobbyUpdate | undefined {
    if (!this.#sandboxes) return undefined;
    return { sandboxes: this.#sandboxes, truncated: this.#truncated, connected: this.#joinedHere };
  }

  #emit(): void {
    const update = this.#update();
    if (!update) return;
    for (const listener of Array.from(this.#listeners)) listener.update(update);
  }
}

/** A sandbox that was removed and created anew starts its `seq` again, in a later epoch. */
function isOlder(sandbox: Sandbox, held: Sandbox): boolean {
  return sandbox.epoch < held.epoch || (sandbox.epoch === held.epoch && sandbox.seq < held.seq);
}
