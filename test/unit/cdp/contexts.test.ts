import { describe, expect, it } from "vitest";
import { Contexts, contextOf, isScript } from "../../../src/cdp/contexts.ts";

const created = (id: number): Record<string, unknown> => ({
  context: { id, uniqueId: `u${id}`, name: "world" },
});
const renewed = (contexts: Contexts, sessionId?: string): unknown[] =>
  contexts.renew(sessionId).map((bytes) => JSON.parse(bytes.toString()) as unknown);

describe("script contexts", () => {
  it("in which a script was refused come to the client as new ones, once, and no others do", () => {
    const contexts = new Contexts();
    for (const id of [1, 2, 3]) contexts.created(created(id));
    contexts.spoil(2);
    expect(contexts.needRenewal).toBe(true);
    expect(renewed(contexts, "S")).toEqual([
      {
        method: "Runtime.executionContextDestroyed",
        params: { executionContextId: 2, executionContextUniqueId: "u2" },
        sessionId: "S",
      },
      { method: "Runtime.executionContextCreated", params: created(2), sessionId: "S" },
    ]);
    expect([contexts.needRenewal, renewed(contexts)]).toEqual([false, []]);
  });

  it("that are gone, or that the client never heard of, are not renewed", () => {
    const contexts = new Contexts();
    contexts.created(created(1));
    contexts.created(created(2));
    for (const id of [1, 2, 9, undefined]) contexts.spoil(id);
    contexts.destroyed({ executionContextId: 1 });
    expect(renewed(contexts)).toHaveLength(2);
    contexts.spoil(2);
    contexts.cleared();
    expect(contexts.needRenewal).toBe(false);
    contexts.spoil(2);
    expect(contexts.needRenewal).toBe(false);
  });

  it("are 5,000 at most: those beyond are not followed", () => {
    const contexts = new Contexts();
    for (let id = 0; id < 6_000; id += 1) contexts.created(created(id));
    for (let id = 0; id < 6_000; id += 1) contexts.spoil(id);
    expect(contexts.renew("S")).toHaveLength(10_000);
  });

  it.each<[unknown, number | undefined]>([
    [{ contextId: 4 }, 4],
    [{ executionContextId: 5 }, 5],
    [{ objectId: "-3843947389.7.12" }, 7],
    [{ objectId: "nonsense" }, undefined],
    [{ objectId: "1.x.2" }, undefined],
    [{ objectId: 5 }, undefined],
    [{ uniqueContextId: "a.b" }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ])("a script with %j is meant for context %s", (params, context) =>
    expect(contextOf(params)).toBe(context),
  );

  it("scripts are those of evaluate and callFunctionOn", () => {
    expect(["Runtime.evaluate", "Runtime.callFunctionOn", "Runtime.getProperties"].map(isScript)).toEqual([
      true,
      true,
      false,
    ]);
  });
});
