import { describe, expect, it } from "vitest";
import { Controller } from "../../../protocol/ids.ts";
import { NavigateInput } from "../../../protocol/input.ts";
import { filterSandboxes } from "../../../src/dashboard/lib/filter.ts";
import { groupMembers } from "../../../src/dashboard/lib/members.ts";
import { checkName, defaultName, initials } from "../../../src/dashboard/lib/names.ts";
import { parseRoute, viewerPath } from "../../../src/dashboard/lib/routes.ts";
import { shortUrl, toAddress } from "../../../src/dashboard/lib/urls.ts";
import { aHandoff, aSandbox, T0 } from "./fixtures.ts";

describe("addresses", () => {
  it.each([
    ["example.com", "https://example.com/"],
    ["  example.com/a?b=c ", "https://example.com/a?b=c"],
    ["localhost:3000/x", "http://localhost:3000/x"],
    ["127.0.0.1:8080", "http://127.0.0.1:8080/"],
    ["http://intranet/", "http://intranet/"],
    ["about:blank", "about:blank"],
  ])("takes %s as %s", (typed, address) => {
    expect(toAddress(typed)).toBe(address);
    expect(NavigateInput.safeParse({ kind: "navigate", to: "url", url: address }).success).toBe(true);
  });

  it.each(["", "how to cook", "word", "javascript:alert(1)", "file:///etc/passwd", "http://"])(
    "refuses %j",
    (typed) => {
      expect(toAddress(typed)).toBeNull();
    },
  );

  it("shortens what is shown", () => {
    expect(shortUrl("https://a.example/")).toBe("a.example");
    expect(shortUrl("https://a.example/b?c")).toBe("a.example/b");
    expect(shortUrl("about:blank")).toBe("about:blank");
  });
});

describe("names", () => {
  it("makes a name that the gateway takes", () => {
    expect(defaultName(() => 0)).toBe("operator-aaaa");
    expect(Controller.safeParse(defaultName(() => 0.999_999)).success).toBe(true);
  });

  it("trims a name and explains a bad one", () => {
    expect(checkName("  Anna ")).toEqual({ name: "Anna" });
    for (const bad of ["", "  ", "AI", "x".repeat(129), "a\u200bb"]) {
      expect(checkName(bad)).toHaveProperty("problem");
    }
  });

  it("shortens a name to one or two letters", () => {
    expect(initials("Jonas Weber")).toBe("JW");
    expect(initials("operator-ab12")).toBe("OA");
    expect(initials("anna")).toBe("A");
  });
});

describe("routes", () => {
  it("tells the pages apart", () => {
    expect(parseRoute("/")).toEqual({ page: "home" });
    expect(parseRoute(viewerPath("a_B-1"))).toEqual({ page: "viewer", sandboxId: "a_B-1", embedded: false });
    expect(parseRoute("/s/a?embed")).toEqual({ page: "viewer", sandboxId: "a", embedded: true });
    expect(parseRoute("/s/")).toEqual({ page: "unknown" });
    expect(parseRoute("/s/a%2Fb")).toEqual({ page: "unknown" });
  });
});

describe("filtering sandboxes", () => {
  const agent = aSandbox({ sandboxId: "agent-1", createdAt: T0 + 5 });
  const waiting = aSandbox({
    sandboxId: "waits-1",
    control: { mode: "shared", phase: "active", since: T0 },
    handoff: aHandoff({ reason: "captcha" }),
  });
  const anna = aSandbox({
    sandboxId: "with-anna",
    control: { mode: "human", phase: "active", controller: "Anna", since: T0 },
  });

  it("puts those with an open handoff first", () => {
    const ids = filterSandboxes([agent, anna, waiting], "").map((sandbox) => sandbox.sandboxId);
    expect(ids).toEqual(["waits-1", "with-anna", "agent-1"]);
  });

  it("needs every word, anywhere, in any case", () => {
    expect(filterSandboxes([agent, anna, waiting], "CAPTCHA waits")).toEqual([waiting]);
    expect(filterSandboxes([agent, anna, waiting], "anna")).toEqual([anna]);
    expect(filterSandboxes([agent, anna, waiting], "anna captcha")).toEqual([]);
  });
});

describe("who is here", () => {
  it("G1: lists an agent's CDP sockets by policy, with all of their commands that wait", () => {
    const socket = (connectionId: string, policy: "hold" | "observe", held: number) =>
      ({ connectionId, name: "bot", role: "agent", watching: false, cdp: { policy, held } }) as const;
    const sdk = { connectionId: "0", name: "bot", role: "agent", watching: false } as const;
    const members = [sdk, socket("1", "hold", 2), socket("2", "observe", 0), socket("3", "hold", 1)];
    const people = groupMembers(members, { name: "anna", role: "operator" });
    expect(people.map(({ cdp, count, mayDrive }) => [cdp, count, mayDrive])).toEqual([
      [undefined, 1, false],
      [{ policy: "hold", held: 3 }, 2, false],
      [{ policy: "observe", held: 0 }, 1, false],
    ]);
    expect(new Set(people.map(({ key }) => key)).size).toBe(3);
  });

  it("lists a person with two pages once, agents first, and marks oneself", () => {
    const member = (connectionId: string, name: string, role: "agent" | "operator", watching: boolean) => ({
      connectionId,
      name,
      role,
      watching,
    });
    const people = groupMembers(
      [
        member("1", "anna", "operator", false),
        member("2", "anna", "operator", true),
        member("3", "bot", "agent", false),
      ],
      { name: "anna", role: "operator" },
    );
    expect(people.map(({ name, count, me, watching }) => [name, count, me, watching])).toEqual([
      ["bot", 1, false, false],
      ["anna", 2, true, true],
    ]);
  });
});
