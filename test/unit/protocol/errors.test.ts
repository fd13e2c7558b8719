import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DownMessage } from "../../../protocol/down.ts";
import { BatonError, CLOSE, ErrorCode, ERRORS, shouldReconnect } from "../../../protocol/errors.ts";
import { EventType } from "../../../protocol/sandbox.ts";
import { UP_TYPES } from "../../../protocol/up.ts";

const document = readFileSync(new URL("../../../protocol/PROTOCOL.md", import.meta.url), "utf8");

/** The cells of the table under a heading, without its first two lines. */
function table(heading: string): string[][] {
  const [, section = ""] = document.split(new RegExp(`^#+ ${heading}$`, "m"));
  const [own = ""] = section.split(/^#+ /m);
  const rows = own.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}
/** Names in a row's first cell; `.accepted` after `handoff.requested` stands for `handoff.accepted`. */
function names(rows: string[][]): string[] {
  return rows.flatMap(([cell = ""]) => {
    let family = "";
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => {
      if (name.startsWith(".")) return family + name;
      [family = ""] = name.split(".");
      return name;
    });
  });
}
const byFirst = (rows: string[][]): string[][] =>
  rows.sort(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
const yes = (is: boolean): string => (is ? "yes" : "no");

describe("PROTOCOL.md documents", () => {
  it("every error code, with its HTTP status, whether to try again, and its meaning; and no other", () => {
    const documented = table("Errors");
    const real = ErrorCode.options.map((code) => {
      const { status, retryable, summary } = ERRORS[code];
      return [`\`${code}\``, String(status), yes(retryable), summary];
    });
    expect(byFirst(documented)).toEqual(byFirst(real));
  });

  it("every close code, with its name, whether to reconnect, and its meaning; and no other", () => {
    const real = Object.entries(CLOSE).map(([name, { code, summary }]) => {
      return [String(code), `\`${name}\``, yes(shouldReconnect(code)), summary];
    });
    expect(byFirst(table("Close codes"))).toEqual(byFirst(real));
  });

  it("every message and event type, and no other", () => {
    expect(names(table("Up")).sort()).toEqual([...UP_TYPES].sort());
    const down = DownMessage.options.map((option) => option.shape.type.value);
    expect(names(table("Down")).sort()).toEqual(down.sort());
    // The second heading of this name: the first one holds the rules.
    const events = document.slice(document.indexOf("## Messages"));
    const types = [...events.matchAll(/^### Events$[^#]*/gm)].flatMap(([section]) =>
      names(
        section
          .split("\n")
          .filter((line) => line.startsWith("| `"))
          .map((line) => [line.split("|")[1] ?? ""]),
      ),
    );
    expect(types.sort()).toEqual([...EventType.options].sort());
  });
});

describe("close codes", () => {
  it("lie in the range that says what a client does", () => {
    const { normal, ...own } = CLOSE;
    expect(normal.code, "WebSocket's own").toBe(1000);
    for (const [name, { code }] of Object.entries(own)) {
      expect(code, name).toBeGreaterThanOrEqual(3000);
      expect(code, name).toBeLessThan(4000);
      expect(shouldReconnect(code), name).toBe(code < 3500);
    }
    expect(new Set(Object.values(CLOSE).map(({ code }) => code)).size).toBe(Object.keys(CLOSE).length);
  });

  it.each([
    [1000, true],
    [1001, true],
    [1005, true],
    [1006, true],
    [1011, true],
    [1012, true],
    [1002, false],
    [1003, false],
    [1007, false],
    [1009, false],
    [3499, true],
    [3500, false],
    [3999, false],
    [4000, true],
  ])("%i: reconnect %s", (code, reconnect) => {
    expect(shouldReconnect(code)).toBe(reconnect);
  });
});

describe("errors", () => {
  it("carry their code, details, cause, and whether the same request may succeed later", () => {
    const cause = new Error("socket hang up");
    const error = new BatonError("unavailable", "Try again.", { node: "a" }, { cause });
    expect(error).toMatchObject({ name: "BatonError", code: "unavailable", retryable: true, cause });
    expect(error.details).toEqual({ node: "a" });
    expect(new BatonError("forbidden", "No.").retryable).toBe(false);
  });

  it("have statuses that say whose fault it is: retryable 4xx only where time helps", () => {
    for (const code of ErrorCode.options) {
      const { status, retryable, summary } = ERRORS[code];
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(status, code).toBeLessThan(600);
      if (status < 500) expect(retryable, code).toBe(status === 429 || code === "conflict");
      expect(summary, code).toMatch(/^[A-Z`].*\.$/);
    }
  });
});
