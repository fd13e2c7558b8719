import { Controller } from "../../../protocol/ids.ts";

/** A name for somebody who has not said one yet: `operator-` and four letters or digits. */
export function defaultName(random: () => number = Math.random): string {
  const alphabet = "abcdefghjkmnpqrstuvwxyz23456789";
  let suffix = "";
  for (let index = 0; index < 4; index++) suffix += alphabet[Math.floor(random() * alphabet.length)] ?? "x";
  return `operator-${suffix}`;
}

/** The name as the gateway takes it, or what is wrong with it, for the person who typed it. */
export function checkName(typed: string): { name: string } | { problem: string } {
  const name = typed.trim();
  if (name === "") return { problem: "Type a name, so that others see who drives." };
  const parsed = Controller.safeParse(name);
  if (parsed.success) return { name };
  if (name.toLowerCase() === "ai") return { problem: '"ai" means the agent here. Pick another name.' };
  if (name.length > 128) return { problem: "Shorten the name to 128 characters." };
  return { problem: "Leave out invisible characters." };
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  const words = name.split(/[\s\-_.@]+/).filter((word) => word !== "");
  const first = Array.from(words[0] ?? "?")[0] ?? "?";
  const second = words.length > 1 ? (Array.from(words[1] ?? "")[0] ?? "") : "";
  return (first + second).toUpperCase();
}
