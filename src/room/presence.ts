/** Who is in a room, on every node, and what this node tells the others of those who are here (H5). */
import type { Member as PresentMember } from "../../protocol/sandbox.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { NodeMembers } from "../store/store.ts";
import type { RoomContext } from "./context.ts";
import { untilStored } from "./until-stored.ts";

export interface PresenceHooks {
  readonly sandboxId: string;
  readonly here: () => readonly PresentMember[];
  /** The list of all nodes together changed. */
  readonly changed: () => void;
}

export class Presence {
  readonly #context: RoomContext;
  readonly #hooks: PresenceHooks;
  /** Members on other nodes. */
  readonly #elsewhere = new Map<string, readonly PresentMember[]>();
  /** What is heard while the store is being asked. */
  readonly #hearing = new Set<NodeMembers[]>();
  #queued = false;
  #announcing: Promise<void> | null = null;
  /** The last announcement is not what is true now, or did not arrive. */
  #stale = false;
  #announced = false;

  constructor(context: RoomContext, hooks: PresenceHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  get members(): PresentMember[] {
    return [...this.#hooks.here(), ...[...this.#elsewhere.values()].flat()];
  }

  /** The node, if another one than this, on which somebody of this name was seen. */
  nodeOf(name: string): string | undefined {
    for (const [nodeId, members] of this.#elsewhere) {
      if (members.some((member) => member.name === name && standsForPeople(member))) return nodeId;
    }
    return undefined;
  }

  /** One list for all who came and went in this turn of the event loop. */
  queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      this.#hooks.changed();
      this.announce();
    });
  }

  /** Tells the other nodes who is here; what cannot be told now is told with a later call. */
  announce(): void {
    this.#stale = true;
    this.#announcing ??= this.#send().finally(() => (this.#announcing = null));
  }

  /** Announces again what did not arrive. */
  repeat(): void {
    if (this.#stale) this.announce();
  }

  /** @throws BatonError `unavailable` */
  async read(): Promise<void> {
    const heard: NodeMembers[] = [];
    this.#hearing.add(heard);
    try {
      const rosters = await this.#context.store.roster(this.#hooks.sandboxId);
      this.#elsewhere.clear();
      // What was heard during the question may be younger than the answer.
      for (const roster of [...rosters, ...heard]) this.#note(roster);
    } finally {
      this.#hearing.delete(heard);
    }
  }

  /** Reads anew, for as long as it takes to reach the store and `wanted` answers true. */
  refresh(wanted: () => boolean): void {
    untilStored(() => this.read(), wanted).then(
      () => this.#hooks.changed(),
      (error: unknown) =>
        this.#context.log.error(
          { err: error, sandboxId: this.#hooks.sandboxId },
          "could not read who is on other nodes",
        ),
    );
  }

  heard(roster: NodeMembers): void {
    if (roster.nodeId === this.#context.nodeId) return;
    for (const hearing of this.#hearing) hearing.push(roster);
    this.#note(roster);
    this.#hooks.changed();
  }

  nodeGone(nodeId: string): void {
    if (this.#elsewhere.delete(nodeId)) this.#hooks.changed();
  }

  async close(): Promise<void> {
    await this.#announcing;
  }

  async #send(): Promise<void> {
    const { store, nodeId, log } = this.#context;
    const { sandboxId, here } = this.#hooks;
    while (this.#stale) {
      const members = here();
      // What was never announced need not be withdrawn.
      if (members.length === 0 && !this.#announced) {
        this.#stale = false;
        return;
      }
      this.#stale = false;
      try {
        await store.announce(sandboxId, { nodeId, members });
        this.#announced = members.length > 0;
      } catch (error) {
        this.#stale = true;
        if (!(error instanceof BatonError && error.retryable))
          log.error({ err: error, sandboxId }, "could not tell other nodes who is here");
        return;
      }
    }
  }

  #note({ nodeId, members }: NodeMembers): void {
    if (nodeId === this.#context.nodeId) return;
    this.#context.nodes.heard(nodeId);
    if (members.length === 0) this.#elsewhere.delete(nodeId);
    else this.#elsewhere.set(nodeId, members);
  }
}

function standsForPeople({ role }: PresentMember): boolean {
  return role !== "agent" && role !== "viewer";
}
