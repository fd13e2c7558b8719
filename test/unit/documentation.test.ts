/** Tables that people rely on, held to the code: rights, limits, settings. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Role } from "../../protocol/sandbox.ts";
import { ConfigError, readConfig } from "../../src/config.ts";
import { ACCESS, allowed, type Grant, type Operation } from "../../src/core/access.ts";
import { DEFAULT_LIMITS } from "../../src/limits/settings.ts";

/** Cells of the first table under a heading, its head left out. */
function table(file: string, heading: string): string[][] {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  const [, section = ""] = text.split(new RegExp(`^#+ ${heading}$`, "m"));
  const [own = ""] = section.split(/^#+ /m);
  const rows = own.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}
const quoted = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

describe("PROTOCOL.md's table of rights", () => {
  const rows = table("protocol/PROTOCOL.md", "Rights").flatMap(([operations, what = "", ...marks]) =>
    quoted(operations).map((operation) => ({ operation, what, marks })),
  );
  const everywhere: Grant = { sandboxes: ["*"], actFor: false };

  it("has every operation, once, and no other", () => {
    expect(rows.map(({ operation }) => operation).sort()).toEqual(Object.keys(ACCESS).sort());
  });

  it.each(rows)("$operation: says who may", ({ operation, what, marks }) => {
    const asked = operation as Operation;
    const may = [
      ...Role.options.map((role) => allowed({ role, grant: everywhere }, asked)),
      allowed({ role: "operator", grant: { ...everywhere, link: "drive" } }, asked),
      allowed({ role: "viewer", grant: { ...everywhere, link: "watch" } }, asked),
    ];
    expect(marks).toEqual(may.map((is) => (is ? "yes" : "")));
    expect(what.includes("only with `*`")).toBe(ACCESS[asked].everywhere === true);
  });
});

it("docs/security.md's limits are those there are, with their defaults", () => {
  const listed = table("docs/security.md", "Limits").map(([name, value]) => [quoted(name)[0], Number(value)]);
  expect(Object.fromEntries(listed)).toEqual(DEFAULT_LIMITS);
  expect(listed).toHaveLength(Object.keys(DEFAULT_LIMITS).length);
});

it("the README's settings are those there are", () => {
  let known: string[] = [];
  try {
    readConfig({ BATON_NONE: "1" });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    known = (/settings are (.*)\./.exec(error.message)?.[1] ?? "").split(", ");
  }
  const listed = table("README.md", "Running it").flatMap(([name]) => quoted(name));
  expect(listed.sort()).toEqual(known.sort());
});
