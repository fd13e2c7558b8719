/** All sandboxes for those who watch them all: the newest state of each, no positions, encoded once for everybody. */
import { encodeDown } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { LobbyChange, Store, Unsubscribe } from "../store/store.ts";
import { reaches, type Caller } from "../core/access.ts";
import { listReachable } from "./listing.ts";
import { SharedText } from "../transport/shared-text.ts";
import type { Client } from "./member.ts";
import { untilStored } from "./until-stored.ts";

/** Sandboxes that one lobby answer lists; a page with more is no page. Changes are sent for all. */
const MAX_LISTED = 1_000;

/** One who watches, and is told of what their token reaches. */
type Watcher = Client & Pick<Caller, "grant">;

export class Lobby {
  readonly #store: Store;
  readonly #clients = new Map<string, Watcher>();
  #subscription: Promise<Unsubscribe> | null = null;
  /** What clients were told of: the only way to notice what was removed while nothing was heard. */
  readonly #told = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Changes may reach the client before the list that it asked for; each is a whole state with a `seq`, so the newer
   * one wins whatever the order.
   */
  async join(client: Watcher, id: string): Promise<void> {
    this.#clients.set(client.connectionId, client);
    try {
      this.#subscription ??= this.#store.subscribeLobby((change) => this.#changed(change));
      await this.#subscription;
      const { sandboxes, cursor } = await listReachable(this.#store, client.grant, { limit: MAX_LISTED });
      for (const { sandboxId } of sandboxes) this.#told.add(sandboxId);
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
    this.#told.clear();
    subscription?.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  #changed(change: LobbyChange): void {
    if (change.kind === "lost") return void this.#relist();
    if (change.kind === "changed") this.#told.add(change.sandbox.sandboxId);
    else this.#told.delete(change.sandboxId);
    const message: DownMessage =
      change.kind === "changed"
        ? { type: "lobby.changed", sandbox: change.sandbox }
        : { type: "lobby.removed", sandboxId: change.sandboxId };
    const sandboxId = change.kind === "changed" ? change.sandbox.sandboxId : change.sandboxId;
    const text = new SharedText(encodeDown(message));
    for (const client of this.#clients.values()) if (reaches(client.grant, sandboxId)) client.sendText(text);
  }

  /** Tells again what there is, and what there is no more. */
  async #relist(): Promise<void> {
    const subscription = this.#subscription;
    const wanted = (): boolean => subscription === this.#subscription && this.#clients.size > 0;
    const before = [...this.#told];
    try {
      const page = await untilStored(() => this.#store.list({ limit: MAX_LISTED }), wanted);
      if (!page || !wanted()) return;
      const present = new Set(page.sandboxes.map(({ sandboxId }) => sandboxId));
      for (const sandbox of page.sandboxes) this.#changed({ kind: "changed", sandbox });
      const last = page.cursor;
      for (const sandboxId of before) {
        const listed = last === undefined || sandboxId <= last;
        if (listed && !present.has(sandboxId)) this.#changed({ kind: "removed", sandboxId });
      }
    } catch {
      // They come back and are told everything anew.
      for (const client of this.#clients.values()) client.lost();
    }
  }
}
