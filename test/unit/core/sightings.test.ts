/** Where the controller is connected, as nodes say, and the grace time once they are nowhere (H5). */
import { describe, expect, it } from "vitest";
import type { CommandOf } from "../../../src/core/commands.ts";
import { nextDeadline } from "../../../src/core/state.ts";
import { accepted, cmd, GRACE_MS, pending, seenOn, START, TTL_MS, Walk, WORD_MS } from "./support.ts";

type Fields<T extends "controller.here" | "controller.left"> = Partial<Omit<CommandOf<T>, "type" | "nodeId">>;
const here = (nodeId: string, fields: Fields<"controller.here"> = {}) =>
  cmd("controller.here", { nodeId, ...fields });
const left = (nodeId: string, fields: Fields<"controller.left"> = {}) =>
  cmd("controller.left", { nodeId, ...fields });

/** Ann accepted the handoff, connected to these nodes. */
function connected(...nodeIds: string[]): Walk {
  const walk = accepted();
  walk.run(...nodeIds.map((nodeId) => here(nodeId)));
  return walk;
}
const nodes = (walk: Walk) => Object.keys(walk.state.seen).sort().join(" ");

describe("H5: the countdown", () => {
  it("H5: begins with the pass itself for somebody who is nowhere, and for nobody else", () => {
    const walk = accepted();
    expect(walk.run(cmd("control.pass", { graceMs: GRACE_MS }))).toEqual(["control.passed"]);
    expect(walk.state.control).toMatchObject({ controller: "ben", graceUntil: START + GRACE_MS });
    expect(walk.drain().wait(GRACE_MS).run(cmd("tick"))).toEqual(["handoff.returned"]);
    const met = accepted();
    met.run(cmd("control.pass", { graceMs: GRACE_MS, seen: seenOn("n1") }));
    expect(met.state.control).not.toHaveProperty("graceUntil");
    const back = new Walk();
    back.run(cmd("control.take"), cmd("control.pass", { to: "ai", graceMs: GRACE_MS }));
    expect(back.state.control).not.toHaveProperty("graceUntil");
  });

  it("H5: the countdown of a person who is away goes on when the agent asks for them", () => {
    const walk = new Walk();
    walk.run(cmd("control.take"), cmd("controller.left"));
    walk.wait(10).run(cmd("handoff.request"));
    expect(walk.state.control.graceUntil).toBe(START + GRACE_MS);
    expect(walk.wait(GRACE_MS).run(cmd("tick"))).toEqual(["handoff.returned"]);
  });

  it("H5: a second disconnect does not lengthen the grace time", () => {
    const walk = accepted();
    walk.run(cmd("controller.left"));
    walk.wait(GRACE_MS - 1).run(cmd("controller.left"));
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["handoff.returned"]);
    expect(walk.state.handoff).toMatchObject({ status: "pending", requestId: "r1" });
    expect(walk.state.handoff).not.toHaveProperty("controller");
    expect(walk.state.handoff).not.toHaveProperty("acceptedAt");
  });

  it("H5: taking or passing the browser during the grace time ends the countdown", () => {
    for (const command of [cmd("control.take", { controller: "ben", force: true }), cmd("control.pass")]) {
      const walk = accepted();
      walk.run(cmd("controller.left"), command);
      walk.drain();
      expect(walk.state.control).toEqual({
        mode: "shared",
        phase: "active",
        controller: "ben",
        since: walk.now,
      });
      expect(walk.state.handoff).toMatchObject({ status: "accepted", controller: "ben" });
      expect(walk.run(cmd("controller.here"))).toEqual([]);
    }
  });

  it("H5: ends with a handoff that is completed, and goes on when its controller keeps the browser", () => {
    const walk = connected();
    walk.run(cmd("controller.left"));
    walk.wait(10).run(cmd("handoff.complete", { returnControlTo: "human" }));
    expect(walk.state.control.graceUntil).toBe(START + GRACE_MS);
    expect(walk.wait(GRACE_MS - 10).run(cmd("tick"))).toEqual(["control.released"]);
    expect(walk.state.control).not.toHaveProperty("graceUntil");
  });

  it("H5: without any grace time the browser is free at the next deadline, which is now", () => {
    const walk = connected("n1");
    expect(walk.run(left("n1", { graceMs: 0 }))).toEqual(["control.away"]);
    expect(nextDeadline(walk.state)).toBe(walk.now);
    expect(walk.run(cmd("tick"))).toEqual(["handoff.returned"]);

    const silent = accepted();
    silent.run(here("n1", { graceMs: 0 }));
    expect(silent.wait(WORD_MS).run(cmd("tick"))).toEqual(["control.away", "handoff.returned"]);
  });
});

describe("H5: across nodes", () => {
  it("H5: who leaves one node while another vouches for them is not away", () => {
    const walk = connected("n1", "n2");
    expect(walk.run(left("n1"))).toEqual([]);
    expect(nodes(walk)).toBe("n2");
    expect(walk.state.control).not.toHaveProperty("graceUntil");
    const by = { name: "Ann", role: "operator" } as const;
    expect(walk.wait(1).run({ ...left("n2", { graceMs: 77 }), by })).toEqual(["control.away"]);
    expect(walk.events.at(-1)).toMatchObject({ by });
    expect(walk.state.control.graceUntil).toBe(START + 1 + 77);
  });

  it("H5: a node that never vouched takes nobody away from one that does", () => {
    const walk = connected("n1");
    expect(walk.run(left("n2"))).toEqual([]);
    expect(nodes(walk)).toBe("n1");
  });

  it("H5: a node that stops vouching counts as left when its word runs out, with the grace time it named", () => {
    const walk = accepted();
    walk.run(here("n1", { leaseMs: 100, graceMs: 5_000 }), here("n2", { leaseMs: 200, graceMs: 9_000 }));
    expect(nextDeadline(walk.state)).toBe(START + 100);
    expect(walk.wait(100).run(cmd("tick"))).toEqual([]);
    expect(nodes(walk)).toBe("n2");
    expect(walk.wait(99).run(cmd("tick"))).toEqual([]);
    expect(nextDeadline(walk.state)).toBe(START + 200);
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["control.away"]);
    expect(nodes(walk)).toBe("");
    expect(walk.events.at(-1)).not.toHaveProperty("by");
    expect(walk.state.control.graceUntil).toBe(walk.now + 9_000);
    expect(walk.wait(9_000).run(cmd("tick"))).toEqual(["handoff.returned"]);
  });

  it("H5: a node that vouches again in time keeps them there, silently", () => {
    const walk = connected("n1");
    expect(walk.wait(WORD_MS - 1).run(here("n1"))).toEqual([]);
    expect(walk.wait(WORD_MS - 1).run(cmd("tick"))).toEqual([]);
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["control.away"]);
  });

  it("H5: who comes back, on whichever node, ends the countdown; the old node's silence is nothing then", () => {
    const walk = connected("n1");
    walk.run(left("n1"));
    const by = { name: "Ann", role: "operator" } as const;
    expect(walk.wait(GRACE_MS - 1).run({ ...here("n2"), by })).toEqual(["control.back"]);
    expect(walk.events.at(-1)).toMatchObject({ by });
    expect(walk.state.control).not.toHaveProperty("graceUntil");
    expect(walk.run(left("n1"))).toEqual([]);
    expect(walk.wait(1).run(cmd("tick"))).toEqual([]);
    expect(walk.state.handoff).toMatchObject({ status: "accepted", controller: "ann" });
  });

  it("H5: news of somebody who does not hold the browser is nothing", () => {
    const walk = connected("n1");
    const before = walk.state;
    walk.run(here("n2", { controller: "ben" }), left("n1", { controller: "ben" }));
    expect(walk.state).toBe(before);
    const agents = new Walk();
    agents.run(here("n1"), left("n1"));
    expect(agents.state.seen).toEqual({});
  });

  it("H5: a controller whom no node ever saw does not go away by itself", () => {
    const walk = accepted();
    expect(walk.state.seen).toEqual({});
    expect(walk.wait(TTL_MS - 1).run(cmd("tick"))).toEqual([]);
    expect(walk.state.control).toMatchObject({ controller: "ann" });
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["handoff.expired"]);
  });

  it("H5: the command that gives somebody the browser may say where they are", () => {
    const seen = seenOn("n7", { leaseMs: 50, graceMs: 60 });
    const accept = pending();
    accept.run(cmd("handoff.accept", { seen }));
    const take = new Walk();
    take.run(cmd("control.take", { seen }));
    const force = accepted();
    force.run(cmd("control.take", { controller: "ben", force: true, seen }));
    const pass = accepted();
    pass.run(cmd("control.pass", { seen }));
    for (const walk of [accept, take, force, pass]) {
      walk.drain();
      expect(walk.state.seen).toEqual({ n7: { until: START + 50, graceMs: 60 } });
      expect(walk.wait(50).run(cmd("tick"))).toEqual(["control.away"]);
      expect(walk.state.control.graceUntil).toBe(walk.now + 60);
    }
  });

  it("H5: what is known of one holder is nothing to the next", () => {
    const changes = [
      cmd("control.take", { controller: "ben", force: true }),
      cmd("control.pass"),
      cmd("control.release"),
      cmd("handoff.cancel"),
      cmd("handoff.complete"),
    ];
    for (const change of changes) {
      const walk = connected("n1", "n2");
      walk.run(change);
      expect(walk.state.seen).toEqual({});
      expect(walk.drain().wait(WORD_MS).run(cmd("tick"))).toEqual([]);
    }
    const toAgent = new Walk();
    toAgent.run(
      cmd("control.take", { seen: seenOn("n1") }),
      cmd("control.pass", { to: "ai", seen: seenOn("n1") }),
    );
    expect(toAgent.state.seen).toEqual({});
  });

  it("H5: the same person with a handoff or without stays where they were seen", () => {
    const walk = new Walk();
    walk.run(cmd("control.take", { seen: seenOn("n1") }), cmd("handoff.request"));
    expect(nodes(walk)).toBe("n1");
    walk.run(cmd("handoff.complete", { returnControlTo: "human" }));
    expect(nodes(walk)).toBe("n1");
    expect(walk.wait(WORD_MS).run(cmd("tick"))).toEqual(["control.away"]);
  });

  it("H4, H5: a handoff that ended in the meantime has no controller to miss", () => {
    const walk = accepted();
    walk.run(here("n1", { leaseMs: TTL_MS }));
    expect(walk.wait(TTL_MS).run(cmd("tick"))).toEqual(["handoff.expired"]);
    expect(walk.state.seen).toEqual({});
  });
});
