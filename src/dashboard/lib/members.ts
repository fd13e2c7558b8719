import type { Member, Role } from "../../../protocol/sandbox.ts";

export interface Person {
  readonly name: string;
  readonly role: Role;
  readonly watching: boolean;
  readonly me: boolean;
  /** How many of their connections are here: pages, phones. */
  readonly count: number;
  /** Control can be passed to them. */
  readonly mayDrive: boolean;
}

const ROLE_ORDER: readonly Role[] = ["agent", "operator", "admin", "worker", "sdk", "viewer"];

/** One line per person: connections of the same name and role together, agents first, then by name. */
export function groupMembers(members: readonly Member[], me: string): Person[] {
  const people = new Map<string, Person>();
  for (const { name, role, watching } of members) {
    const key = `${role}/${name}`;
    const known = people.get(key);
    people.set(key, {
      name,
      role,
      watching: watching || known?.watching === true,
      me: name === me && role === "operator",
      count: (known?.count ?? 0) + 1,
      mayDrive: role === "operator" || role === "admin",
    });
  }
  return [...people.values()].sort(
    (a, b) => ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) || a.name.localeCompare(b.name),
  );
}
