/** All sandboxes for those who watch them all: the newest state of each, no positions, encoded once for everybody. */
import { encodeDown } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { LobbyChange, Store, Unsubscribe } from "../store/store.ts";
import type { Client } from "./member.ts";

/** Sandboxes that one lobby answer lists; a page with more is no page. Changes are sent for all. */
const MAX_LISTED = 1_000;

export class Lobby {
  readonly #store: Store;
  readonly #clients = new Map<string, Client>();
  #subscription: Promise<Unsubscribe> | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Changes may reach the client before the list that it asked for; each is a whole state with a `seq`, so the newer
   * one wins whatever the order.
   */
  async join(client: Client, id: string): Promise<void> {
    this.#clients.set(client.connectionId, client);
    try {
      this.#subscription ??= this.#store.subscribeLobby((change) => this.#changed(change));
      await this.#subscription;
      const { sandboxes, cursor } = await this.#store.list({ limit: MAX_LISTED });
      client.send({
        type: "lobby",
        id,
        sandboxes: [...sandboxes],
        truncated: cursor !== undefined,
        serverTime: Date.now(),
      });
    } catch (error) {
      this.leave(client.connectionId);
      throw error;
    }
  }

  leave(connectionId: string): void {
    if (!this.#clients.delete(connectionId) || this.#clients.size > 0) return;
    const subscription = this.#subscription;
    this.#subscription = null;
    subscription?.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  #changed(change: LobbyChange): void {
    const message: DownMessage =
      change.kind === "changed"
        ? { type: "lobby.changed", sandbox: change.sandbox }
        : { type: "lobby.removed", sandboxId: change.sandboxId };
    const text = encodeDown(message);
    for (const client of this.#clients.values()) client.sendText(text);
  }
}
