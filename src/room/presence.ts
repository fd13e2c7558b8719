/** Who is in a room, on every node, and what this node tells the others of those who are here (H5). */
import type { Member as PresentMember } from "../../protocol/sandbox.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { NodeMembers } from "../store/store.ts";
import type { RoomContext } from "./context.ts";
import { Later } from "./later.ts";
import { joinRosters, MAX_LISTED, sizeOf, type Roster } from "./members.ts";
import { untilStored } from "./until-stored.ts";

/**
 * Each member of a room is told of each that comes or goes: work that grows with the square of their number. For each
 * one beyond those that a list names anyway, the list may be so much late, up to the most.
 */
const LATE_MS_PER_MEMBER = 0.5;
const MAX_LATE_MS = 5_000;

export interface PresenceHooks {
  readonly sandboxId: string;
  readonly here: () => Roster;
  /** How many `here` counts. */
  readonly size: () => number;
  /** The list of all nodes together changed. */
  readonly changed: () => void;
}

export class Presence {
  readonly #context: RoomContext;
  readonly #hooks: PresenceHooks;
  /** Members on other nodes. */
  readonly #elsewhere = new Map<string, Roster>();
  /** What is heard while the store is being asked. */
  readonly #hearing = new Set<NodeMembers[]>();
  readonly #show = new Later(() => this.#hooks.changed());
  readonly #announce = new Later(() => this.announce());
  #announcing: Promise<void> | null = null;
  /** The last announcement is not what is true now, or did not arrive. */
  #stale = false;
  #announced = false;

  constructor(context: RoomContext, hooks: PresenceHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** As members are told. */
  get sent(): Roster & { members: PresentMember[] } {
    const here = this.#hooks.here();
    const all = this.#elsewhere.size === 0 ? here : joinRosters([here, ...this.#elsewhere.values()]);
    return { ...all, members: [...all.members] };
  }

  /** The node, if another one than this, on which somebody of this name was seen. */
  nodeOf(name: string): string | undefined {
    for (const [nodeId, { members }] of this.#elsewhere) {
      if (members.some((member) => member.name === name && standsForPeople(member))) return nodeId;
    }
    return undefined;
  }

  /**
   * One list for all who came and went in this turn of the event loop, or, in a large room, in a while. Of one who may
   * act the other nodes hear at once: they decide by it where a person is.
   */
  queue(member: Pick<PresentMember, "role">): void {
    const lateMs = this.#lateMs;
    this.#show.in(lateMs);
    this.#announce.in(member.role === "viewer" ? lateMs : 0);
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
      () => this.#show.in(0),
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
    this.#show.in(this.#lateMs);
  }

  nodeGone(nodeId: string): void {
    if (this.#elsewhere.delete(nodeId)) this.#show.in(this.#lateMs);
  }

  async close(): Promise<void> {
    this.#show.cancel();
    this.#announce.cancel();
    await this.#announcing;
  }

  async #send(): Promise<void> {
    const { store, nodeId, log } = this.#context;
    const { sandboxId, here } = this.#hooks;
    while (this.#stale) {
      const roster = here();
      const nobody = roster.members.length === 0;
      // What was never announced need not be withdrawn.
      if (nobody && !this.#announced) {
        this.#stale = false;
        return;
      }
      this.#stale = false;
      try {
        await store.announce(sandboxId, { nodeId, ...roster });
        this.#announced = !nobody;
      } catch (error) {
        this.#stale = true;
        if (!(error instanceof BatonError && error.retryable))
          log.error({ err: error, sandboxId }, "could not tell other nodes who is here");
        return;
      }
    }
  }

  get #lateMs(): number {
    let listeners = this.#hooks.size();
    for (const roster of this.#elsewhere.values()) listeners += sizeOf(roster);
    return Math.min(Math.max(0, listeners - MAX_LISTED) * LATE_MS_PER_MEMBER, MAX_LATE_MS);
  }

  #note({ nodeId, ...roster }: NodeMembers): void {
    if (nodeId === this.#context.nodeId) return;
    this.#context.nodes.heard(nodeId);
    if (roster.members.length === 0) this.#elsewhere.delete(nodeId);
    else this.#elsewhere.set(nodeId, roster);
  }
}

function standsForPeople({ role }: PresentMember): boolean {
  return role !== "agent" && role !== "viewer";
}
