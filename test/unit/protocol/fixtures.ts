/** The golden messages in `protocol/fixtures`, one file each. */
import { readdirSync, readFileSync } from "node:fs";

export interface Fixture {
  readonly name: string;
  readonly value: unknown;
}

export function fixtures(folder: "up" | "down" | "invalid"): Fixture[] {
  const url = new URL(`../../../protocol/fixtures/${folder}/`, import.meta.url);
  return readdirSync(url)
    .filter((file) => file.endsWith(".json"))
    .map((file) => ({
      name: file.slice(0, -".json".length),
      value: JSON.parse(readFileSync(new URL(file, url), "utf8")) as unknown,
    }));
}
