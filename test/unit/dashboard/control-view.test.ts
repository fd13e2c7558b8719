import { describe, expect, it } from "vitest";
import { PreviewStatus } from "../../../protocol/preview.ts";
import { browserWord, viewControl, whyNotDriving } from "../../../src/dashboard/lib/control-view.ts";
import { aHandoff, aSandbox, T0 } from "./fixtures.ts";

const shared = (phase: "active" | "draining", controller?: string) =>
  ({ mode: "shared", phase, since: T0, ...(controller === undefined ? {} : { controller }) }) as const;
const accepted = (controller: string) => aHandoff({ status: "accepted", controller });

describe("control as the page shows it", () => {
  it("says that the agent drives, and lets a person take over", () => {
    const view = viewControl(aSandbox(), "anna");
    expect(view).toMatchObject({ tone: "agent", headline: "The agent is driving", youDrive: false });
    expect(view.actions).toEqual(["take-control", "take-private"]);
  });

  it("waits for a person while a handoff is pending, and nobody drives", () => {
    const view = viewControl(aSandbox({ control: shared("active"), handoff: aHandoff() }), "anna");
    expect(view).toMatchObject({ tone: "waiting", youDrive: false });
    expect(view.actions).toEqual(["accept", "accept-private", "cancel"]);
  });

  it("C2: does not let the controller drive before the drain is over", () => {
    const sandbox = aSandbox({ control: shared("draining", "anna"), handoff: accepted("anna") });
    const view = viewControl(sandbox, "anna");
    expect(view).toMatchObject({
      youDrive: false,
      draining: true,
      headline: "Waiting for the agent to stop…",
    });
    expect(view.actions).not.toContain("done");
  });

  it("offers the controller to finish, give back and cancel", () => {
    const sandbox = aSandbox({ control: shared("active", "anna"), handoff: accepted("anna") });
    const view = viewControl(sandbox, "anna");
    expect(view).toMatchObject({ tone: "person", youDrive: true, headline: "You are driving" });
    expect(view.actions).toEqual(["done", "give-back", "cancel"]);
  });

  it("names the other person who drives, and only offers to take over", () => {
    const sandbox = aSandbox({ control: shared("active", "Anna"), handoff: accepted("Anna") });
    const view = viewControl(sandbox, "ben");
    expect(view).toMatchObject({ headline: "Anna is driving", badge: "Anna drives", youDrive: false });
    expect(view.actions).toEqual(["take-over"]);
  });

  it("offers only to give back without a handoff", () => {
    const control = { mode: "human", phase: "active", controller: "anna", since: T0 } as const;
    expect(viewControl(aSandbox({ control }), "anna")).toMatchObject({
      youDrive: true,
      actions: ["give-back"],
    });
  });

  it("C4: explains every click that does nothing, with the action that would change it", () => {
    expect(whyNotDriving(aSandbox(), "anna")).toMatchObject({ action: "take-control" });
    const pending = aSandbox({ control: shared("active"), handoff: aHandoff() });
    expect(whyNotDriving(pending, "anna")).toMatchObject({ action: "accept" });
    const others = aSandbox({ control: shared("active", "Anna"), handoff: accepted("Anna") });
    expect(whyNotDriving(others, "ben")).toEqual({
      text: "Anna is driving. You are watching.",
      action: "take-over",
    });
    const draining = aSandbox({ control: shared("draining", "ben"), handoff: accepted("ben") });
    expect(whyNotDriving(draining, "ben").action).toBeUndefined();
  });
});

describe("G3: a private page", () => {
  const hidden = { ...shared("active", "Anna"), privacy: "private" } as const;
  const withAnna = aSandbox({ control: hidden, handoff: accepted("Anna") });

  it("is hidden from everybody but the controller, and says so in their words", () => {
    expect(viewControl(withAnna, "Anna")).toMatchObject({
      private: true,
      hidden: false,
      youDrive: true,
      badge: "You drive in private",
      headline: "You are driving in private",
    });
    expect(viewControl(withAnna, "ben")).toMatchObject({
      private: true,
      hidden: true,
      badge: "Anna drives in private",
      headline: "Anna is driving in private",
      actions: ["take-over"],
    });
    expect(whyNotDriving(withAnna, "ben")).toEqual({
      text: "Anna is driving in private. Nobody else sees the page.",
      action: "take-over",
    });
  });

  it("is hidden from the first moment of the drain, and from everybody while nobody holds it", () => {
    const draining = aSandbox({ control: { ...hidden, phase: "draining" }, handoff: accepted("Anna") });
    expect(viewControl(draining, "ben")).toMatchObject({ hidden: true, draining: true });
    expect(viewControl(draining, "ben").headline).toMatch(/^Anna takes over in private/);
    const returned = aSandbox({
      control: { ...shared("active"), privacy: "private" },
      handoff: aHandoff({ privacy: "private" }),
    });
    expect(viewControl(returned, "Anna")).toMatchObject({ hidden: true, tone: "waiting" });
  });

  it("an open page is hidden from nobody", () => {
    for (const me of ["Anna", "ben"]) {
      const open = aSandbox({ control: shared("active", "Anna"), handoff: accepted("Anna") });
      expect(viewControl(open, me)).toMatchObject({ private: false, hidden: false });
    }
    expect(viewControl(aSandbox(), "ben")).toMatchObject({ private: false, hidden: false });
  });

  it("offers to begin in private only where that is a choice", () => {
    const asked = aSandbox({ control: shared("active"), handoff: aHandoff({ privacy: "private" }) });
    expect(viewControl(asked, "anna").actions).toEqual(["accept", "cancel"]);
    const stays = { ...shared("active"), privacy: "private" } as const;
    expect(viewControl(aSandbox({ control: stays, handoff: aHandoff() }), "anna").actions).toEqual([
      "accept",
      "cancel",
    ]);
    expect(viewControl(aSandbox({ control: stays }), "anna").actions).toEqual(["take-control"]);
    expect(viewControl(aSandbox({ control: shared("active") }), "anna").actions).toEqual([
      "take-control",
      "take-private",
    ]);
  });
});

describe("the browser in a word", () => {
  it("P2: has one for every state and for none, and calls none of them live", () => {
    expect([undefined, ...PreviewStatus.options].map(browserWord)).toEqual([
      "detached",
      "not watched",
      "connecting",
      "connected",
      "reconnecting",
      "gone",
    ]);
  });
});
