/** Each package that is installed is somebody else's code in here: CONTRIBUTING.md says why, and names no other. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const contributing = read("CONTRIBUTING.md");
const manifest = JSON.parse(read("package.json")) as Record<
  "dependencies" | "devDependencies" | "overrides",
  Record<string, string>
>;

/** Rows of the table under a heading: the packages of the first cell, and the reason. */
function rows(heading: string): { packages: string[]; why: string }[] {
  const [, section = ""] = contributing.split(new RegExp(`^#+ ${heading}$`, "m"));
  const [own = ""] = section.split(/^#+ /m);
  const lines = own.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => {
    const [, cell = "", why = ""] = line.split("|");
    return { packages: [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name), why: why.trim() };
  });
}

describe("CONTRIBUTING.md", () => {
  it.each([
    ["Dependencies", "dependencies"],
    ["For development", "devDependencies"],
    ["Held at a version", "overrides"],
  ] as const)("under %s: every one of package.json's %s, once, with a reason", (heading, kind) => {
    const listed = rows(heading);
    const packages = listed.flatMap((row) => row.packages);
    expect(packages.toSorted()).toEqual(Object.keys(manifest[kind]).toSorted());
    for (const { packages: named, why } of listed) expect(why, named.join()).toMatch(/^\S+ \S+ \S+/);
  });
});

describe("package.json", () => {
  it("pins each package to one version", () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const [name, version] of versions) expect(version, name).toMatch(/^(?:npm:[\w.-]+@)?\d+\.\d+\.\d+$/);
  });
});
