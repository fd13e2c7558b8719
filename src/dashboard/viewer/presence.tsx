import { initials } from "../lib/names.ts";
import { groupMembers, type Person } from "../lib/members.ts";
import type { Room } from "../state/room.ts";
import { passTo } from "../state/room-actions.ts";

/** Who is in the room. Who drives can pass control on to another person. */
export function Presence({ room }: { room: Room }) {
  const people = groupMembers(room.members.value, room.me);
  const controller = room.sandbox.value?.control.controller;
  const driving = room.youDrive.value;
  const draining = room.control.value?.draining === true;
  return (
    <section class="panel-section">
      <h2>
        Here now <span class="count tabular">{people.length}</span>
      </h2>
      <ul class="presence" data-testid="presence">
        {people.map((person) => (
          <li key={`${person.role}/${person.name}`}>
            <span class={`avatar role-${person.role}`} aria-hidden="true">
              {initials(person.name)}
            </span>
            <span class="presence-name">
              {person.name}
              {person.me && <span class="meta"> you</span>}
            </span>
            <span class="meta presence-role">
              {stateOf(person, controller, draining)}
              {person.count > 1 && ` ×${person.count}`}
            </span>
            {driving && !person.me && person.mayDrive && (
              <button
                type="button"
                class="button small"
                disabled={room.busy.value !== undefined}
                aria-label={`Pass control to ${person.name}`}
                onClick={() => void passTo(room, person.name)}
              >
                Pass
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function stateOf(person: Person, controller: string | undefined, draining: boolean): string {
  if (person.name === controller && person.mayDrive) return draining ? "drives next" : "drives";
  return person.role === "operator" && person.watching ? "watching" : person.role;
}
