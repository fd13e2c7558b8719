import type { AgentPolicy } from "../../../protocol/agent.ts";
import type { Member, Role } from "../../../protocol/sandbox.ts";

export interface Person {
  /** Unique within one list. */
  readonly key: string;
  readonly name: string;
  readonly role: Role;
  readonly watching: boolean;
  readonly me: boolean;
  /** How many of their connections are here: pages, phones. */
  readonly count: number;
  /** Control can be passed to them. */
  readonly mayDrive: boolean;
  /** An agent's CDP sockets: what becomes of their commands while a person drives, and how many wait together. */
  readonly cdp?: { readonly policy: AgentPolicy; readonly held: number };
}

const ROLE_ORDER: readonly Role[] = ["agent", "operator", "admin", "worker", "sdk", "viewer"];

/**
 * One line per person: connections of the same name and role together, agents first, then by name. An agent's CDP
 * sockets are a line of their own for each policy.
 */
export function groupMembers(
  members: readonly Member[],
  me: { readonly name: string; readonly role: Role },
): Person[] {
  const people = new Map<string, Person>();
  for (const { name, role, watching, cdp } of members) {
    const key = `${role}/${cdp?.policy ?? ""}/${name}`;
    const known = people.get(key);
    people.set(key, {
      key,
      name,
      role,
      watching: watching || known?.watching === true,
      me: name === me.name && role === me.role,
      count: (known?.count ?? 0) + 1,
      mayDrive: role === "operator" || role === "admin",
      ...(cdp && { cdp: { policy: cdp.policy, held: cdp.held + (known?.cdp?.held ?? 0) } }),
    });
  }
  return [...people.values()].sort(
    (a, b) => ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) || a.name.localeCompare(b.name),
  );
}
