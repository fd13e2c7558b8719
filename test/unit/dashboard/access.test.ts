import { describe, expect, it } from "vitest";
import { BatonError } from "../../../protocol/errors.ts";
import type { Role } from "../../../protocol/sandbox.ts";
import { ACCESS, allowed, type Operation } from "../../../src/core/access.ts";
import { refusalWords } from "../../../src/dashboard/lib/access-words.ts";
import { viewControl, whyNotDriving } from "../../../src/dashboard/lib/control-view.ts";
import {
  ALL_RIGHTS,
  endsSoon,
  namedSandboxes,
  rightsOf,
  sandboxOfLink,
  whyMissing,
} from "../../../src/dashboard/lib/rights.ts";
import { asToken, tokenIn, tokenInFragment } from "../../../src/dashboard/lib/token-text.ts";
import type { Grant } from "../../../src/sdk/api.ts";
import { aHandoff, aSandbox, T0 } from "./fixtures.ts";

const TOKEN = "eyJh.eyJz-_.c2ln";
const grantOf = (over: Partial<Grant> = {}): Grant => ({
  sandboxes: ["*"],
  actFor: false,
  expiresAt: T0 + 600_000,
  ...over,
});

describe("a token in text", () => {
  it.each([
    [`#token=${TOKEN}`, TOKEN],
    [`#a=b&token=${TOKEN}`, TOKEN],
    [`#token=${encodeURIComponent(TOKEN)}&embed`, TOKEN],
    ["#token=", undefined],
    ["#token=%E0%A4%A", undefined],
    ["#token=cut.off", undefined],
    ["#token=<script>.a.b", undefined],
  ])("is found in the fragment %s, or what stands in its place is", (hash, token) => {
    expect(tokenInFragment(hash)).toEqual({ present: true, token });
  });

  it.each(["", "#", "#details", "#mytoken=a.b.c"])("is not in the fragment %j", (hash) => {
    expect(tokenInFragment(hash)).toEqual({ present: false, token: undefined });
  });

  it.each([
    TOKEN,
    `  ${TOKEN}\n`,
    `Bearer ${TOKEN}`,
    `https://baton.example/s/box#token=${TOKEN}`,
    `https://baton.example/s/box?embed#token=${TOKEN}`,
  ])("is found in what was pasted", (pasted) => {
    expect(tokenIn(pasted)).toBe(TOKEN);
  });

  it("is none when it cannot be one", () => {
    for (const pasted of ["", "password", "a.b", "a b.c.d", `${"a".repeat(9_000)}.b.c`]) {
      expect(tokenIn(pasted)).toBeUndefined();
      expect(asToken(pasted)).toBeUndefined();
    }
  });
});

describe("what the page offers", () => {
  const callers: [Role, Grant["link"]][] = [
    ...(["agent", "worker", "sdk", "operator", "viewer", "admin"] as const).map(
      (role): [Role, Grant["link"]] => [role, undefined],
    ),
    ["operator", "drive"],
    ["viewer", "watch"],
  ];
  it.each(callers)("is what the gateway allows: %s, link %s", (role, link) => {
    const grant = grantOf(link === undefined ? {} : { link });
    const may = (operation: Operation) => allowed({ role, grant }, operation);
    const rights = rightsOf(role, grant);
    expect(rights).toEqual({
      drive: may("handoff.accept") && may("control.take") && may("control.release") && may("input"),
      cancel: may("handoff.cancel"),
      pass: may("control.pass"),
      force: may("control.force"),
      share: may("link.create"),
      lobby: may("lobby.join"),
    });
    expect(may("handoff.complete")).toBe(rights.drive);
    expect(may("control.privacy")).toBe(rights.drive);
    expect(Object.keys(ACCESS)).toContain("input");
  });

  it("is everything but links where no tokens are asked for", () => {
    expect(rightsOf("operator", undefined)).toEqual(ALL_RIGHTS);
    expect(ALL_RIGHTS).toMatchObject({ drive: true, force: true, lobby: true, share: false });
  });

  it("leaves out the buttons that would be refused", () => {
    const driveLink = rightsOf("operator", grantOf({ link: "drive" }));
    const watchLink = rightsOf("viewer", grantOf({ link: "watch" }));
    const shared = { mode: "shared", phase: "active", since: T0 } as const;
    const waiting = aSandbox({ control: shared, handoff: aHandoff() });
    expect(viewControl(waiting, "ben", driveLink).actions).toEqual(["accept", "accept-private"]);
    expect(viewControl(waiting, "ben", watchLink).actions).toEqual([]);
    const hers = aSandbox({ control: { ...shared, controller: "anna" } });
    expect(viewControl(hers, "ben", driveLink).actions).toEqual([]);
    expect(viewControl(hers, "ben").actions).toEqual(["take-over"]);
    expect(whyNotDriving(aSandbox(), "ben", watchLink).action).toBeUndefined();
    expect(whyNotDriving(waiting, "ben", watchLink)).toEqual({
      text: "Nobody is driving yet. You are watching.",
      action: undefined,
    });
  });

  it("G3: does not take a watcher for the one who drives under the same name", () => {
    const control = {
      mode: "shared",
      phase: "active",
      since: T0,
      controller: "anna",
      privacy: "private",
    } as const;
    const watching = rightsOf("viewer", grantOf({ link: "watch" }));
    const view = viewControl(aSandbox({ control }), "anna", watching);
    expect(view).toMatchObject({ youDrive: false, youHold: false, hidden: true, actions: [] });
  });
});

describe("how far a token reaches", () => {
  it("tells a link's sandbox, and sandboxes from beginnings of ids", () => {
    expect(sandboxOfLink(grantOf({ sandboxes: ["box"], link: "watch" }))).toBe("box");
    expect(sandboxOfLink(grantOf({ sandboxes: ["box"] }))).toBeUndefined();
    expect(sandboxOfLink(undefined)).toBeUndefined();
    expect(namedSandboxes(grantOf({ sandboxes: ["a", "acme-*", "*"] }))).toEqual({
      named: ["a"],
      beginnings: ["acme-*", "*"],
    });
  });

  it("says in the page's words that a sandbox is not for this person", () => {
    const forbidden = new BatonError("forbidden", "This token does not reach it.");
    expect(whyMissing(forbidden, grantOf())).toMatch(/^Your token does not open/);
    expect(whyMissing(forbidden, grantOf({ link: "drive" }))).toMatch(/^Your link does not open/);
    const missing = new BatonError("sandbox_not_found", "There is none.");
    expect(whyMissing(missing, grantOf())).toBe("There is none.");
    expect(whyMissing(forbidden, undefined)).toBe("This token does not reach it.");
  });

  it("warns in the last two minutes, unless the time is going to be prolonged", () => {
    const link = grantOf({ expiresAt: T0, link: "drive" });
    expect(endsSoon(link, false, T0 - 121_000)).toBe(false);
    expect(endsSoon(link, false, T0 - 119_000)).toBe(true);
    expect(endsSoon(link, true, T0 - 119_000)).toBe(false);
    expect(endsSoon(link, true, T0 - 3_000)).toBe(true);
    expect(endsSoon(grantOf({ expiresAt: T0, link: "watch" }), true, T0 - 119_000)).toBe(true);
    expect(endsSoon(grantOf({ expiresAt: T0 }), true, T0 - 119_000)).toBe(true);
    expect(endsSoon(undefined, false, T0)).toBe(false);
  });
});

describe("words for a closed door", () => {
  const reasons = [
    "missing",
    "expired",
    "revoked",
    "used",
    "malformed",
    "not_yet_valid",
    "signature",
    "algorithm",
    "issuer",
    "audience",
    "claims",
    "link",
    "refused",
    "closed",
  ];
  it.each(reasons)("say why and what to do: %s", (reason) => {
    for (const by of ["link", "token", "nothing"] as const) {
      for (const wasIn of [true, false]) {
        const words = refusalWords({ reason, by, wasIn });
        for (const text of [words.text, words.advice]) expect(text).toMatch(/^[A-Z].*\.$/);
        expect(words.title).toMatch(/^[A-Z][^.]*$/);
      }
    }
  });

  it("tell who was in that nothing is lost", () => {
    for (const reason of ["expired", "revoked"]) {
      expect(refusalWords({ reason, by: "link", wasIn: true }).text).toContain("the browser stays as it is");
      expect(refusalWords({ reason, by: "link", wasIn: false }).text).not.toContain("driving");
    }
  });
});
