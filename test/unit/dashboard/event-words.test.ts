import { describe, expect, it } from "vitest";
import { EventType } from "../../../protocol/sandbox.ts";
import {
  MAX_TIMELINE,
  appendEntries,
  describeEvent,
  describePast,
} from "../../../src/dashboard/lib/event-words.ts";
import { aHandoff, anEvent, aSandbox, T0 } from "./fixtures.ts";

const anna = { name: "anna", role: "operator" } as const;
const agent = { name: "bot-7", role: "agent" } as const;

describe("events in words", () => {
  it.each(EventType.options)("has a sentence for %s, whoever caused it", (type) => {
    for (const by of [anna, agent, undefined]) {
      const { text } = describeEvent(anEvent(type, by === undefined ? {} : { by }), "anna");
      expect(text).toMatch(/^[A-Z]/);
      expect(text).not.toMatch(/undefined|null/);
    }
  });

  it("speaks to the person themselves, names others, and calls the agent the agent", () => {
    const accepted = anEvent("handoff.accepted", { by: anna });
    expect(describeEvent(accepted, "anna").text).toBe("You accepted");
    expect(describeEvent(accepted, "ben").text).toBe("anna accepted");
    expect(describeEvent(anEvent("resume.claimed", { by: agent }), "anna").text).toBe(
      "The agent took the resume prompt",
    );
  });

  it("carries the agent's message, the person's note and the answer", () => {
    const requested = anEvent("handoff.requested", { by: agent, changes: { handoff: aHandoff() } });
    expect(describeEvent(requested, "anna").quote).toBe("Type the code.");
    const completed = anEvent("handoff.completed", {
      by: anna,
      changes: { handoff: aHandoff({ status: "completed", note: "done" }) },
    });
    expect(describeEvent(completed, "anna").quote).toBe("done");
    const resume = { requestId: "req_1", status: "answered", response: "ok", updatedAt: T0 } as const;
    expect(describeEvent(anEvent("resume.answered", { by: agent, changes: { resume } }), "x").quote).toBe(
      "ok",
    );
  });

  it("H5: tells giving back from staying away", () => {
    expect(describeEvent(anEvent("handoff.returned", { by: anna }), "ben").text).toMatch(/^anna put/);
    expect(describeEvent(anEvent("handoff.returned"), "ben").text).toMatch(/stayed away/);
  });

  it("G3: says who hid and who showed the page, and which takeover was private from the start", () => {
    const open = { mode: "human", phase: "draining", controller: "anna", since: T0 } as const;
    const hidden = { ...open, privacy: "private" } as const;
    const said = (type: "control.privacy" | "control.taken" | "handoff.accepted", control: typeof open) =>
      ["anna", "ben"].map((me) => describeEvent(anEvent(type, { by: anna, changes: { control } }), me).text);
    expect(said("control.privacy", hidden)).toEqual([
      "You hid the page from everybody else",
      "anna hid the page from everybody else",
    ]);
    expect(said("control.privacy", open)).toEqual([
      "You showed the page again",
      "anna showed the page again",
    ]);
    expect(said("control.taken", hidden)).toEqual([
      "You took control, in private",
      "anna took control, in private",
    ]);
    expect(said("control.taken", open)[0]).toBe("You took control");
    expect(said("handoff.accepted", hidden)[1]).toBe("anna accepted, in private");
    const handoff = aHandoff({ privacy: "private" });
    const asked = anEvent("handoff.requested", { by: agent, changes: { handoff } });
    expect(describeEvent(asked, "anna").text).toBe("The agent asked for a person: sign-in code, in private");
    const past = describePast(aSandbox({ control: { ...hidden, since: T0 + 1 }, handoff }), "ben");
    expect(past.map(({ text }) => text)).toEqual([
      "Sandbox created",
      "A person was asked for: sign-in code, in private",
      "anna has the browser, in private",
    ]);
    const accepted = aHandoff({ ...handoff, status: "accepted", controller: "anna", acceptedAt: T0 + 1 });
    expect(describePast(aSandbox({ handoff: accepted }), "ben").at(-1)?.text).toBe(
      "anna accepted, in private",
    );
  });

  it("says who can drive once the drain is over", () => {
    const control = { mode: "shared", phase: "active", since: T0 } as const;
    const active = (changes: typeof control & { controller?: string }) =>
      describeEvent(anEvent("control.active", { changes: { control: changes } }), "anna").text;
    expect(active({ ...control, controller: "anna" })).toBe("You can drive now");
    expect(active({ ...control, controller: "Ben" })).toBe("Ben can drive now");
    expect(active(control)).toBe("Nobody drives now");
  });
});

describe("the timeline", () => {
  it("begins with what the snapshot knows of the past", () => {
    const handoff = aHandoff({
      status: "completed",
      controller: "anna",
      acceptedAt: T0 + 1,
      completedAt: T0 + 2,
    });
    const past = describePast(aSandbox({ handoff }), "anna");
    expect(past.map((entry) => entry.text)).toEqual([
      "Sandbox created",
      "A person was asked for: sign-in code",
      "You accepted",
      "You finished the handoff",
    ]);
    expect(describePast(aSandbox(), "anna")).toHaveLength(1);
  });

  it("tells who holds the browser outside of a handoff, in the order of time", () => {
    const control = { mode: "human", phase: "active", controller: "Ben", since: T0 + 9 } as const;
    const handoff = aHandoff({ status: "cancelled", requestedAt: T0 + 1, updatedAt: T0 + 2 });
    const past = describePast(aSandbox({ control, handoff }), "anna");
    expect(past.at(-1)?.text).toBe("Ben has the browser");
    expect(past).toHaveLength(4);
  });

  it("E2: shows an event once, and keeps the newest up to the bound", () => {
    const entries = Array.from({ length: MAX_TIMELINE + 5 }, (_, index) =>
      describeEvent(anEvent("control.taken", { seq: index + 1 }), "anna"),
    );
    const timeline = appendEntries([], entries);
    expect(timeline).toHaveLength(MAX_TIMELINE);
    expect(timeline[0]?.key).toBe("2.6");
    expect(appendEntries(timeline, entries.slice(-1))).toBe(timeline);
  });
});
