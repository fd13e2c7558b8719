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
    expect(view.actions).toEqual(["take-control"]);
  });

  it("waits for a person while a handoff is pending, and nobody drives", () => {
    const view = viewControl(aSandbox({ control: shared("active"), handoff: aHandoff() }), "anna");
    expect(view).toMatchObject({ tone: "waiting", youDrive: false, actions: ["accept", "cancel"] });
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
