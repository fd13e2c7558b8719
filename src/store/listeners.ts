/** Delivery to subscribers in this process, for stores that only one process uses. */
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import { publicView, type SandboxState } from "../core/state.ts";
import type { LobbyChange, NodeMembers, SandboxListener, Unsubscribe } from "./store.ts";

export class Listeners {
  readonly #sandboxes = new Map<string, Set<SandboxListener>>();
  readonly #lobby = new Set<(change: LobbyChange) => void>();
  /** What listeners are still to be told. */
  readonly #outbox: (() => void)[] = [];
  #flushing = false;

  add(sandboxId: string, listener: SandboxListener): Unsubscribe {
    const listeners = this.#sandboxes.get(sandboxId) ?? new Set();
    this.#sandboxes.set(sandboxId, listeners.add(listener));
    return () => {
      if (
        listeners.delete(listener) &&
        listeners.size === 0 &&
        this.#sandboxes.get(sandboxId) === listeners
      ) {
        this.#sandboxes.delete(sandboxId);
      }
    };
  }

  addLobby(listener: (change: LobbyChange) => void): Unsubscribe {
    this.#lobby.add(listener);
    return () => this.#lobby.delete(listener);
  }

  /** Tells of a commit, which is silent to everybody when it has no events. */
  committed(state: SandboxState, events: readonly SandboxEvent[]): void {
    if (events.length === 0) return;
    const listeners = this.#sandboxes.get(state.sandboxId);
    for (const event of events) this.#tell(listeners, (listener) => listener.event(event));
    if (this.#lobby.size > 0) {
      const sandbox = publicView(state);
      this.#tell(this.#lobby, (listener) => listener({ kind: "changed", sandbox }));
    }
    this.#flush();
  }

  removed(sandboxId: string): void {
    this.#tell(this.#sandboxes.get(sandboxId), (listener) => listener.removed());
    this.#tell(this.#lobby, (listener) => listener({ kind: "removed", sandboxId }));
    this.#flush();
  }

  roster(sandboxId: string, change: NodeMembers): void {
    this.#tell(this.#sandboxes.get(sandboxId), (listener) => listener.roster(change));
    this.#flush();
  }

  clear(): void {
    for (const listeners of this.#sandboxes.values()) listeners.clear();
    this.#sandboxes.clear();
    this.#lobby.clear();
  }

  #tell<T>(listeners: ReadonlySet<T> | undefined, call: (listener: T) => void): void {
    for (const listener of listeners ?? []) {
      this.#outbox.push(() => {
        if (listeners?.has(listener)) call(listener);
      });
    }
  }

  /** A listener may commit while it is told: what that causes waits its turn, so that all hear one order (E1). */
  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      for (let next = this.#outbox.shift(); next; next = this.#outbox.shift()) next();
    } finally {
      this.#flushing = false;
    }
  }
}
