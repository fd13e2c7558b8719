import type { Control } from "../../../protocol/control.ts";
import { initials } from "../lib/names.ts";
import { heldWords, policyWords } from "../lib/agent-words.ts";
import { groupMembers, type Person } from "../lib/members.ts";
import { identity, rights } from "../state/connection.ts";
import type { Room } from "../state/room.ts";
import { passTo } from "../state/room-actions.ts";

/** Who is in the room. Who drives can pass control on to another person. */
export function Presence({ room }: { room: Room }) {
  const people = groupMembers(room.members.value, {
    name: room.me,
    role: identity.value?.role ?? "operator",
  });
  const more = room.moreMembers.value;
  const control = room.sandbox.value?.control;
  const controller = control?.controller;
  const mayPass = room.youDrive.value && rights.value.pass;
  const draining = room.control.value?.draining === true;
  return (
    <section class="panel-section">
      <h2>
        Here now <span class="count tabular">{people.length + more}</span>
      </h2>
      <ul class="presence" data-testid="presence">
        {people.map((person) => (
          <li key={person.key} class={person.cdp && "is-tall"}>
            <span class={`avatar role-${person.role}`} aria-hidden="true">
              {initials(person.name)}
            </span>
            <span class="presence-words">
              <span class="presence-line">
                <span class="presence-name">
                  {person.name}
                  {person.me && <span class="meta"> you</span>}
                </span>
                <span class="meta presence-role">
                  {stateOf(person, controller, draining)}
                  {person.count > 1 && ` ×${person.count}`}
                </span>
              </span>
              {person.cdp && control && <AgentLines cdp={person.cdp} control={control} me={room.me} />}
            </span>
            {mayPass && !person.me && person.mayDrive && (
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
        {more > 0 && (
          <li class="meta tabular" data-testid="more-members">
            and {more} more, who watch
          </li>
        )}
      </ul>
    </section>
  );
}

/** An agent that drives over CDP: what becomes of its commands, and whether some wait. */
function AgentLines({ cdp, control, me }: { cdp: NonNullable<Person["cdp"]>; control: Control; me: string }) {
  const held = heldWords(cdp.held, control, me);
  return (
    <>
      <span class="meta">{policyWords(cdp.policy, control)}</span>
      {held !== undefined && (
        <span class="presence-held tabular" data-testid="held">
          {held}
        </span>
      )}
    </>
  );
}

function stateOf(person: Person, controller: string | undefined, draining: boolean): string {
  if (person.name === controller && person.mayDrive) return draining ? "drives next" : "drives";
  if (person.cdp) return "agent, CDP";
  return person.role === "operator" && person.watching ? "watching" : person.role;
}
