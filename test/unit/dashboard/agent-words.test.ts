import { describe, expect, it } from "vitest";
import { AgentPolicy } from "../../../protocol/agent.ts";
import { heldWords, policyWords, waitingWords } from "../../../src/dashboard/lib/agent-words.ts";
import { T0 } from "./fixtures.ts";

const control = (over: { mode?: "ai" | "shared" | "human"; controller?: string; privacy?: "private" } = {}) =>
  ({ mode: "human", phase: "active", since: T0, ...over }) as const;
const member = (connectionId: string, held: number) =>
  ({
    connectionId,
    name: "bot",
    role: "agent",
    watching: false,
    cdp: { policy: "hold", held },
  }) as const;
const person = { connectionId: "p", name: "anna", role: "operator", watching: true } as const;

describe("agents over CDP in words", () => {
  it("G1: says what becomes of an agent's commands, for each policy", () => {
    expect(AgentPolicy.options.map((policy) => policyWords(policy, control({ controller: "anna" })))).toEqual(
      ["Waits while a person drives", "Is refused while a person drives", "Only reads while a person drives"],
    );
  });

  it("G3: an agent that may read sees nothing of a private page", () => {
    const hidden = control({ controller: "anna", privacy: "private" });
    expect(policyWords("observe", hidden)).toBe("Sees nothing of the private page");
    expect(policyWords("hold", hidden)).toBe("Waits while a person drives");
  });

  it("says how many commands wait, and for whom", () => {
    expect(heldWords(3, control({ controller: "anna" }), "anna")).toBe("3 commands wait for you");
    expect(heldWords(1, control({ controller: "anna" }), "anna")).toBe("1 command waits for you");
    expect(heldWords(2, control({ controller: "anna" }), "ben")).toBe("2 commands wait for anna");
    expect(heldWords(2, control({ mode: "shared" }), "ben")).toBe("2 commands wait for a person");
    expect(heldWords(0, control({ controller: "anna" }), "anna")).toBeUndefined();
    expect(heldWords(2, control({ mode: "ai" }), "ben")).toBeUndefined();
  });

  it("tells the one who drives what goes on afterwards, over all agents", () => {
    expect(waitingWords([person, member("1", 1), member("2", 1)])).toEqual({
      lead: "2 commands wait",
      rest: ": the agent goes on when you are done",
    });
    expect(waitingWords([member("1", 1)])).toEqual({
      lead: "1 command waits",
      rest: ": the agent goes on when you are done",
    });
    expect(waitingWords([person, member("1", 0)])).toBeUndefined();
  });
});
