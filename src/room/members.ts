/** Who is in a room on this node: all of them, and the few of a large room that lists name. */
import type { Member as PresentMember } from "../../protocol/sandbox.ts";
import type { Member } from "./member.ts";

/**
 * Members that a list names. Everybody in a room is sent the list when somebody comes or goes: without a bound a room of
 * ten thousand would send a gigabyte for each.
 */
export const MAX_LISTED = 100;

/** As it is sent: the named ones, those who may act before those who only watch. */
export interface Roster {
  readonly members: readonly PresentMember[];
  /** How many more there are. Absent: none. */
  readonly more?: number;
}

export class Members {
  readonly #all = new Map<string, Member>();
  /** Those of `#all` that others are shown. */
  readonly #acting = new Set<Member>();
  readonly #watching = new Set<Member>();

  /** By connection, those that are not shown included. */
  get all(): ReadonlyMap<string, Member> {
    return this.#all;
  }

  /** In the place of one that joined over the same connection before. */
  add(member: Member): void {
    const { connectionId } = member.client;
    const before = this.#all.get(connectionId);
    if (before) this.remove(before);
    this.#all.set(connectionId, member);
    if (!member.passive) this.#groupOf(member).add(member);
  }

  /** One whose place another took is not there any more, and nothing happens. */
  remove(member: Member): void {
    const { connectionId } = member.client;
    if (this.#all.get(connectionId) !== member) return;
    this.#all.delete(connectionId);
    this.#groupOf(member).delete(member);
  }

  /** Those who may act, and are shown. */
  get acting(): Iterable<Member> {
    return this.#acting;
  }

  clear(): Member[] {
    const members = [...this.#all.values()];
    this.#all.clear();
    this.#acting.clear();
    this.#watching.clear();
    return members;
  }

  /** How many others are shown. */
  get shown(): number {
    return this.#acting.size + this.#watching.size;
  }

  /** Takes as long as the list is, however many are here. */
  listed(describe: (member: Member) => PresentMember): Roster {
    const members: PresentMember[] = [];
    for (const group of [this.#acting, this.#watching]) {
      for (const member of group) {
        if (members.length === MAX_LISTED) break;
        members.push(describe(member));
      }
    }
    return withMore(members, this.shown);
  }

  #groupOf({ client }: Member): Set<Member> {
    return client.role === "viewer" ? this.#watching : this.#acting;
  }
}

/** Several lists as one, of the same length at the most. */
export function joinRosters(rosters: readonly Roster[]): Roster {
  const named = rosters.flatMap(({ members }) => members);
  const total = rosters.reduce((sum, { members, more = 0 }) => sum + members.length + more, 0);
  if (named.length <= MAX_LISTED) return withMore(named, total);
  const watches = ({ role }: PresentMember): boolean => role === "viewer";
  const sorted = [...named.filter((member) => !watches(member)), ...named.filter(watches)];
  return withMore(sorted.slice(0, MAX_LISTED), total);
}

export function sizeOf({ members, more = 0 }: Roster): number {
  return members.length + more;
}

function withMore(members: readonly PresentMember[], total: number): Roster {
  return total === members.length ? { members } : { members, more: total - members.length };
}
