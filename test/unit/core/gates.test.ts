/** Gates: what a drain waits for (C2), what becomes of silent ones (C3), and the browser as they see it. */
import { describe, expect, it } from "vitest";
import type { PreviewStatus } from "../../../protocol/preview.ts";
import { initialState, nextDeadline, publicView } from "../../../src/core/state.ts";
import { transition } from "../../../src/core/transition.ts";
import { accepted, cmd, GRACE_MS, seenOn, START, Walk } from "./support.ts";

/** Gates g1 on node n1 and g2 on node n2. */
function twoGates(): Walk {
  const walk = new Walk();
  walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2", nodeId: "n2" }));
  return walk;
}
const LEASE_MS = 5_000;
const look = (walk: Walk) => walk.state.browser?.status;
const gates = (walk: Walk) => Object.keys(walk.state.gates).sort().join(" ");
const draining = (walk: Walk) => Object.keys(walk.state.draining).sort().join(" ");

describe("gates and the drain", () => {
  it("C2: every gate must acknowledge the present epoch; those of the epoch before count for nothing", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
    walk.drain("g1");
    const { epoch } = walk.state;
    walk.wait(1).run(cmd("handoff.accept"));
    expect(Object.keys(walk.state.draining).sort()).toEqual(["g1", "g2"]);
    walk.run(cmd("gate.drained", { gateId: "g1", epoch }), cmd("gate.drained", { gateId: "g2", epoch }));
    expect(walk.state.control.phase).toBe("draining");
    walk.drain("g1", "g2");
    expect(walk.state.control.phase).toBe("active");
  });

  it("C2: a gate that opens during a drain is not waited for, and is in the next one", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("handoff.request"), cmd("gate.open", { gateId: "g2" }));
    expect(walk.drain("g1").state.control.phase).toBe("active");
    walk.run(cmd("handoff.accept"), cmd("handoff.cancel"));
    expect(Object.keys(walk.state.draining)).toEqual(["g1", "g2"]);
  });

  it("C2: a gate that renews keeps the others waiting; a silent one is waited for until its lease ran out", () => {
    const walk = new Walk();
    walk.run(cmd("gate.open"), cmd("gate.open", { gateId: "g2" }), cmd("handoff.request"));
    const renew = cmd("gate.renew", { epoch: walk.state.epoch });
    walk.wait(4_000).run(renew);
    expect(walk.wait(1_000).run(cmd("tick"))).toEqual([]);
    expect(walk.state.draining).toEqual({ g1: START + 9_000 });
    expect(walk.wait(3_999).run(cmd("tick"))).toEqual([]);
    expect(walk.wait(1).run(renew)).toEqual(["control.active"]);
  });

  it("C2: a drain waits for a gate that says nothing as long as a gate may let something through", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request"));
    walk.drain("g2");
    expect(nextDeadline(walk.state)).toBe(START + LEASE_MS);
    expect(walk.wait(LEASE_MS - 1).run(cmd("tick"))).toEqual([]);
    expect(walk.wait(1).run(cmd("tick"))).toEqual(["control.active"]);
  });

  it("C3: a silent gate is dropped with its lease: nothing waits for it until it has registered again", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request"));
    walk.drain("g2").wait(LEASE_MS).run(cmd("tick"));
    expect(gates(walk)).toBe("g2");
    // It wakes up: what it has to say of the old drain, or of the browser, is no registration.
    const { epoch } = walk.state;
    const late = [cmd("gate.drained", { epoch }), cmd("gate.renew", { epoch }), cmd("gate.status")];
    for (const command of late) expect(walk.run(command)).toEqual([]);
    expect(gates(walk)).toBe("g2");
    walk.run(cmd("handoff.accept"), cmd("handoff.cancel"));
    expect(draining(walk)).toBe("g2");

    walk.run(cmd("gate.open"));
    walk.drain().run(cmd("control.take"));
    expect(draining(walk)).toBe("g1 g2");
    expect(walk.drain("g2").state.control.phase).toBe("draining");
    expect(walk.drain("g1").state.control.phase).toBe("active");
  });

  it("C3: a gate that acknowledged, or renews, stays registered when another one is dropped", () => {
    const walk = twoGates();
    walk.run(cmd("gate.open", { gateId: "g3" }), cmd("handoff.request"));
    walk.drain("g2").wait(LEASE_MS - 1);
    walk.run(cmd("gate.renew", { gateId: "g3", epoch: walk.state.epoch, leaseMs: LEASE_MS }));
    expect(walk.wait(1).run(cmd("tick"))).toEqual([]);
    expect([gates(walk), draining(walk)]).toEqual(["g2 g3", "g3"]);
  });

  it("C3: a gate that registers in the very moment its lease runs out begins anew", () => {
    const walk = twoGates();
    walk.run(cmd("gate.status"), cmd("handoff.request"));
    walk.drain("g2").wait(LEASE_MS);
    expect(walk.run(cmd("gate.open"))).toEqual(["control.active"]);
    expect(walk.state.gates["g1"]).toEqual({ nodeId: "n1", attachedAt: START });
    expect(look(walk)).toBe("idle");
  });

  it("C3: a gate whose lease ran out is not waited for by what the same late moment brings", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request", { expiresInMs: 1_000 }), cmd("handoff.accept"));
    walk.run(cmd("gate.renew", { gateId: "g2", epoch: walk.state.epoch, leaseMs: 60_000 }));
    expect(walk.wait(LEASE_MS).run(cmd("tick"))).toEqual(["handoff.expired"]);
    expect([gates(walk), draining(walk)]).toEqual(["g2", "g2"]);
    expect(walk.state.draining).toEqual({ g2: walk.now + LEASE_MS });
  });

  it("C2: a gate that renews names its lease", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request"));
    walk.run(cmd("gate.renew", { epoch: walk.state.epoch, leaseMs: 700 }));
    expect(walk.state.draining).toEqual({ g1: START + 700, g2: START + LEASE_MS });
  });

  it("C2: a gate that registers twice is the one it was", () => {
    const walk = twoGates();
    walk.run(cmd("gate.status"), cmd("gate.open", { nodeId: "n9", attachedAt: 1 }));
    expect(walk.state.gates["g1"]).toEqual({ nodeId: "n1", attachedAt: START, status: "live" });
  });
});

describe("the fence", () => {
  it("C1: a store that lost an epoch gets a newer one with the same holder, after a drain of every gate", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request"));
    walk.drain().run(cmd("handoff.accept", { seen: seenOn("n1") }));
    const { control, handoff, seen } = walk.wait(1).state;
    const lost = walk.now * 1_000 + 7;
    expect(walk.run(cmd("control.fence", { epoch: lost }))).toEqual(["control.fenced"]);
    expect(walk.state).toMatchObject({ epoch: lost + 1, handoff, seen });
    expect(walk.state.control).toEqual({ ...control, phase: "draining", since: walk.now });
    expect(walk.state.draining).toMatchObject({ g1: walk.now + LEASE_MS, g2: walk.now + LEASE_MS });
    expect(walk.run(cmd("gate.drained", { epoch: lost }))).toEqual([]);
    expect(walk.run(cmd("control.fence", { epoch: lost }))).toEqual([]);
    const since = walk.now;
    // Gates that registered in what was lost have closed only when a lease has run out.
    walk
      .drain("g1")
      .drain("g2")
      .wait(LEASE_MS - 1)
      .run(cmd("tick"));
    expect(walk.state.control.phase).toBe("draining");
    walk.wait(1).run(cmd("tick"));
    expect(walk.state.control).toEqual({ ...control, since });
  });

  it("C1: nothing is fenced off by an epoch that is in force, or older", () => {
    const walk = twoGates();
    const { state } = walk;
    walk.run(cmd("control.fence", { epoch: state.epoch }), cmd("control.fence", { epoch: state.epoch - 1 }));
    expect(walk.state).toBe(state);
  });

  it("C1: the clock's microseconds win over an epoch that was lost long ago", () => {
    const walk = twoGates().wait(1_000);
    walk.run(cmd("control.fence", { epoch: walk.state.epoch + 1 }));
    expect(walk.state.epoch).toBe(walk.now * 1_000);
  });

  it("C1: with nobody in control the gates are drained as well: whom the lost epoch named is not known", () => {
    const walk = twoGates();
    walk.run(cmd("handoff.request"));
    walk.drain().run(cmd("control.fence", { epoch: walk.state.epoch + 1 }));
    expect(draining(walk)).toBe("g1 g2 lost");
  });

  it("C1: a fence during a drain begins it anew; without gates it takes a lease all the same", () => {
    const walk = twoGates();
    walk.run(cmd("control.take"));
    walk.drain("g1").wait(4_000);
    walk.run(cmd("control.fence", { epoch: walk.now * 1_000 }));
    expect(walk.state.draining).toMatchObject({ g1: walk.now + LEASE_MS, g2: walk.now + LEASE_MS });

    const bare = new Walk();
    bare.run(cmd("control.fence", { epoch: bare.state.epoch + 1 }));
    expect(bare.state.control.phase).toBe("draining");
    bare.wait(LEASE_MS).run(cmd("tick"));
    expect(bare.state.control.phase).toBe("active");
  });

  it("C1, H5: the countdown of a controller who is away goes on", () => {
    const walk = accepted();
    walk.run(cmd("controller.left"));
    walk.wait(10).run(cmd("control.fence", { epoch: walk.now * 1_000 }));
    expect(walk.state.control.graceUntil).toBe(START + GRACE_MS);

    walk.drain();
    expect(walk.wait(GRACE_MS - 10).run(cmd("tick"))).toEqual(["handoff.returned"]);
  });
});

describe("the browser", () => {
  const report = (gateId: string, status: PreviewStatus) => cmd("gate.status", { gateId, status });

  it("looks as the best that any gate reports, whatever the order", () => {
    const order: PreviewStatus[] = ["idle", "gone", "connecting", "reconnecting", "live"];
    for (const [index, best] of order.entries()) {
      for (const other of order.slice(0, index + 1)) {
        for (const [first, second] of [
          [best, other],
          [other, best],
        ] as const) {
          const walk = twoGates();
          walk.run(report("g1", first), report("g2", second));
          expect([first, second, look(walk)]).toEqual([first, second, best]);
        }
      }
    }
  });

  it("E1: only a change of what is best is an event", () => {
    const walk = twoGates();
    expect(walk.run(report("g1", "connecting"))).toEqual(["browser.changed"]);
    expect(walk.run(report("g2", "connecting"))).toEqual([]);
    expect(walk.wait(5).run(report("g2", "live"))).toEqual(["browser.changed"]);
    expect(walk.state.browser?.updatedAt).toBe(walk.now);
    expect(walk.run(report("g1", "reconnecting"))).toEqual([]);
    expect(walk.run(report("g2", "gone"))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("reconnecting");
    expect(walk.events.at(-1)).not.toHaveProperty("by");
  });

  it("looks as the other gates see it once one closes, and idle without any", () => {
    const walk = twoGates();
    walk.run(report("g1", "live"), report("g2", "connecting"));
    expect(walk.run(cmd("gate.close"))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("connecting");
    walk.run(cmd("gate.open", { gateId: "g3" }));
    expect(walk.run(cmd("gate.close", { gateId: "g3" }))).toEqual([]);
    expect(walk.run(cmd("gate.close", { gateId: "g2" }))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("idle");
  });

  it("is not seen by a node that is gone, whose gates stay until their leases run out (C2)", () => {
    const walk = twoGates();
    walk.run(cmd("gate.open", { gateId: "g3" }));
    walk.run(report("g1", "live"), report("g2", "connecting"), report("g3", "reconnecting"));
    expect(walk.run(cmd("node.gone"))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("connecting");
    expect(walk.state.gates).toEqual({
      g1: { nodeId: "n1", attachedAt: START },
      g2: { nodeId: "n2", attachedAt: START, status: "connecting" },
      g3: { nodeId: "n1", attachedAt: START },
    });
    const { state } = walk;
    walk.run(cmd("node.gone"));
    expect(walk.state).toBe(state);
    expect(walk.run(report("g1", "live"))).toEqual(["browser.changed"]);
    walk.run(cmd("control.take"));
    expect(draining(walk)).toBe("g1 g2 g3");
  });

  it("that is attached now is not seen through gates to the one before", () => {
    const walk = twoGates();
    walk.run(report("g1", "live"));
    expect(walk.wait(1).run(cmd("browser.attach"))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("idle");
    expect(walk.run(report("g2", "live"))).toEqual([]);
    const attachedAt = walk.state.browser?.attachedAt ?? 0;
    expect(walk.run(cmd("gate.open", { gateId: "g3", attachedAt }))).toEqual([]);
    expect(walk.run(report("g3", "connecting"))).toEqual(["browser.changed"]);
    expect(look(walk)).toBe("connecting");
  });

  it("E1: what it looks like after a drain comes with the end of the drain, in one event", () => {
    const walk = twoGates();
    walk.run(report("g1", "live"), report("g2", "connecting"), cmd("handoff.request"));
    walk.drain("g2").wait(LEASE_MS);
    expect(walk.run(cmd("tick"))).toEqual(["control.active"]);
    expect(walk.events.at(-1)?.changes).toEqual({
      control: { mode: "shared", phase: "active", since: START },
      browser: { status: "connecting", attachedAt: START, updatedAt: walk.now },
    });
  });

  it("every browser that is attached can be told from the one before, whatever the clock does", () => {
    const walk = new Walk();
    const seen = [walk.state.browser?.attachedAt];
    for (const ms of [0, 5, -1_000, 0]) {
      expect(walk.wait(ms).run(cmd("browser.attach"))).toEqual(["browser.changed"]);
      seen.push(walk.state.browser?.attachedAt);
    }
    expect(new Set(seen).size).toBe(5);
  });

  it("listens where it was launched, until it is said to listen elsewhere or another one is attached", () => {
    const walk = new Walk();
    walk.state = initialState("box", { launch: true }, START, "ws://127.0.0.1:1/a");
    expect(walk.state.browser?.endpoint).toBe("ws://127.0.0.1:1/a");
    expect(walk.run(cmd("browser.endpoint", { endpoint: "ws://127.0.0.1:2/b" }))).toEqual([]);
    expect(walk.state.browser).toMatchObject({ endpoint: "ws://127.0.0.1:2/b", status: "idle" });
    expect(JSON.stringify(publicView(walk.state))).not.toContain("127.0.0.1");
    walk.run(cmd("browser.attach"));
    expect(walk.state.browser).not.toHaveProperty("endpoint");
  });

  it("that is not there has nothing to say and listens nowhere", () => {
    const state = initialState("box", null, START);
    expect(transition(state, cmd("browser.endpoint"), START).kind).toBe("same");
    expect(transition(state, report("g1", "live"), START).kind).toBe("same");
    const walk = new Walk();
    walk.state = state;
    expect(walk.run(cmd("gate.open"), report("g1", "live"), cmd("gate.close"))).toEqual([]);
    expect(walk.state.browser).toBeNull();
  });
});
