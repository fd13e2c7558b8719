/** One node's way to a store that others use as well, which a test cuts: as a network, or a crash of the node, would. */
import type { Store, SandboxListener, Unsubscribe, LobbyChange } from "../../src/store/store.ts";
import { storeAway } from "./steered-store.ts";

export class CutOffStore implements Store {
  readonly exclusive = false;
  readonly #store: Store;
  readonly #unsubscribes = new Set<Unsubscribe>();
  readonly #listeners = new Set<SandboxListener>();
  #away = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** From now on every call fails and no listener is told anything. */
  cut(): void {
    this.#away = true;
  }

  /** Calls work again; listeners hear that they missed something. */
  restore(): void {
    this.#away = false;
    for (const listener of this.#listeners) listener.lost();
  }

  readonly create: Store["create"] = (...args) => this.#ask((store) => store.create(...args));
  readonly now: Store["now"] = () => this.#ask((store) => store.now());
  readonly load: Store["load"] = (...args) => this.#ask((store) => store.load(...args));
  readonly confirm: Store["confirm"] = (...args) => this.#ask((store) => store.confirm(...args));
  readonly commit: Store["commit"] = (...args) => this.#ask((store) => store.commit(...args));
  readonly remove: Store["remove"] = (...args) => this.#ask((store) => store.remove(...args));
  readonly read: Store["read"] = (...args) => this.#ask((store) => store.read(...args));
  readonly list: Store["list"] = (...args) => this.#ask((store) => store.list(...args));
  readonly due: Store["due"] = (...args) => this.#ask((store) => store.due(...args));
  readonly announce: Store["announce"] = (...args) => this.#ask((store) => store.announce(...args));
  readonly roster: Store["roster"] = (...args) => this.#ask((store) => store.roster(...args));
  readonly beat: Store["beat"] = (...args) => this.#ask((store) => store.beat(...args));
  readonly mark: Store["mark"] = (...args) => this.#ask((store) => store.mark(...args));
  readonly marksSince: Store["marksSince"] = (...args) => this.#ask((store) => store.marksSince(...args));
  readonly appendAudit: Store["appendAudit"] = (...args) => this.#ask((store) => store.appendAudit(...args));
  readonly readAudit: Store["readAudit"] = (...args) => this.#ask((store) => store.readAudit(...args));
  readonly auditHead: Store["auditHead"] = () => this.#ask((store) => store.auditHead());
  readonly leave: Store["leave"] = (...args) => this.#ask((store) => store.leave(...args));

  async subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    const told = <Args extends unknown[]>(call: (...args: Args) => void) => {
      return (...args: Args): void => {
        if (!this.#away) call(...args);
      };
    };
    const unsubscribe = await this.#ask((store) =>
      store.subscribe(sandboxId, {
        event: told((event) => listener.event(event)),
        removed: told(() => listener.removed()),
        lost: told(() => listener.lost()),
        roster: told((change) => listener.roster(change)),
      }),
    );
    this.#listeners.add(listener);
    return this.#until(() => {
      this.#listeners.delete(listener);
      unsubscribe();
    });
  }

  async subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe> {
    return this.#until(
      await this.#ask((store) => store.subscribeLobby((change) => void (this.#away || listener(change)))),
    );
  }

  async healthy(): Promise<boolean> {
    return !this.#away && (await this.#store.healthy());
  }

  /** The store itself is the others' as well. */
  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
  }

  async #ask<T>(question: (store: Store) => Promise<T>): Promise<T> {
    if (this.#away) throw storeAway();
    const answer = await question(this.#store);
    // Cut between the two: it happened, and nobody here learns of it.
    if (this.#away) throw storeAway();
    return answer;
  }

  #until(unsubscribe: Unsubscribe): Unsubscribe {
    this.#unsubscribes.add(unsubscribe);
    return () => {
      this.#unsubscribes.delete(unsubscribe);
      unsubscribe();
    };
  }
}
