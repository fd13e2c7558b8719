import { describe, expect, it } from "vitest";
import { curtainNote, curtainWords, privacySwitch, privately } from "../../../src/dashboard/lib/privacy.ts";
import { aHandoff, aSandbox, T0 } from "./fixtures.ts";

const hidden = { mode: "shared", phase: "active", privacy: "private", since: T0 } as const;
const withAnna = aSandbox({
  control: { ...hidden, controller: "Anna" },
  handoff: aHandoff({ status: "accepted" }),
});

describe("G3: the curtain's words", () => {
  it("name who drives, also while they wait for the drain", () => {
    expect(curtainWords(withAnna).title).toBe("Anna drives in private");
    expect(curtainWords(withAnna).text).toMatch(/Nobody else sees the page/);
    expect(curtainNote(withAnna)).toBe("Only Anna sees the page");
    const draining = aSandbox({ control: { ...hidden, phase: "draining", controller: "Anna" } });
    expect(curtainWords(draining).title).toBe("Anna takes over in private");
  });

  it("say how to get behind it while nobody holds the page", () => {
    const returned = aSandbox({ control: hidden, handoff: aHandoff({ privacy: "private" }) });
    expect(curtainWords(returned)).toMatchObject({ title: "The page is private" });
    expect(curtainWords(returned).text).toMatch(/accepts the request/);
    expect(curtainWords(aSandbox({ control: hidden })).text).toMatch(/takes control/);
    expect(curtainNote(returned)).toBe("Private: nobody sees the page");
  });
});

describe("G3: the controller's switch", () => {
  it("hides at once, and asks before it shows", () => {
    expect(privacySwitch(withAnna)).toMatchObject({
      on: true,
      question: expect.stringMatching(/^Show the page/),
    });
    expect(privacySwitch(aSandbox())).toMatchObject({ on: false, question: undefined });
  });

  it("asks for privacy only when it is wanted: what there is stays", () => {
    expect(privately(true)).toEqual({ privacy: "private" });
    expect(privately(false)).toEqual({});
  });
});
