import { signal } from "@preact/signals";
import { checkName, defaultName } from "../lib/names.ts";

const KEY = "baton.name";
const SEEN_KEY = "baton.name-seen";

/** Storage is refused in some embedded pages; the name then lasts as long as the page. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The name still holds for this page.
  }
}

function firstName(): string {
  const stored = checkName(read(KEY) ?? "");
  if ("name" in stored) return stored.name;
  const name = defaultName();
  write(KEY, name);
  return name;
}

/** How others see this person, and the controller's name when they drive. */
export const myName = signal(firstName());

/** The person has not yet been told that the name can be changed. */
export const nameUnconfirmed = signal(read(SEEN_KEY) === null);

export function confirmName(): void {
  nameUnconfirmed.value = false;
  write(SEEN_KEY, "1");
}

/** Returns what is wrong with the name, or nothing when it was taken. */
export function setName(typed: string): string | undefined {
  const checked = checkName(typed);
  if ("problem" in checked) return checked.problem;
  write(KEY, checked.name);
  confirmName();
  myName.value = checked.name;
  return undefined;
}
