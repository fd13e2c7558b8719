/** Who is in the rooms, for stores that only one process uses: it is forgotten with the process. */
import type { NodeMembers } from "./store.ts";

export class Presence {
  readonly #now: () => number;
  /** Members by sandbox, then node. */
  readonly #rosters = new Map<string, Map<string, NodeMembers>>();
  /** Living nodes, each with the time until which it lives. */
  readonly #nodes = new Map<string, number>();

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  announce(sandboxId: string, here: NodeMembers): void {
    const roster = this.#rosters.get(sandboxId) ?? new Map<string, NodeMembers>();
    if (here.members.length > 0) this.#rosters.set(sandboxId, roster.set(here.nodeId, here));
    else if (roster.delete(here.nodeId) && roster.size === 0) this.#rosters.delete(sandboxId);
  }

  roster(sandboxId: string): readonly NodeMembers[] {
    this.#bury();
    return [...(this.#rosters.get(sandboxId)?.values() ?? [])].filter(({ nodeId }) =>
      this.#nodes.has(nodeId),
    );
  }

  beat(nodeId: string, ttlMs: number): { readonly nodes: readonly string[]; readonly fresh: boolean } {
    this.#bury();
    const fresh = !this.#nodes.has(nodeId);
    this.#nodes.set(nodeId, this.#now() + ttlMs);
    return { nodes: [...this.#nodes.keys()], fresh };
  }

  leave(nodeId: string): void {
    this.#nodes.delete(nodeId);
    for (const [sandboxId, roster] of this.#rosters)
      if (roster.delete(nodeId) && roster.size === 0) this.#rosters.delete(sandboxId);
  }

  /** The sandbox is gone, and its room with it. */
  close(sandboxId: string): void {
    this.#rosters.delete(sandboxId);
  }

  #bury(): void {
    const now = this.#now();
    for (const [nodeId, until] of this.#nodes) if (until <= now) this.leave(nodeId);
  }
}
