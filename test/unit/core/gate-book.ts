/** The oracle's own books of gates: which there are, which owe an acknowledgement, and how the browser looks (C2, C3). */
import { strict as assert } from "node:assert";
import type { Command } from "../../../src/core/commands.ts";
import type { SandboxState } from "../../../src/core/state.ts";
import type { PreviewStatus } from "../../../protocol/preview.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import { holder } from "./holder.ts";

const LEASE_MS = 5_000;
/** The higher, the better a browser looks. */
const WORTH: Readonly<Record<PreviewStatus, number>> = {
  idle: 0,
  gone: 1,
  connecting: 2,
  reconnecting: 3,
  live: 4,
};

interface Gate {
  readonly nodeId: string;
  readonly attachedAt: number;
  status?: PreviewStatus;
}

export class GateBook {
  /** Gates that can reach a browser. */
  readonly #gates = new Map<string, Gate>();
  /** Gates that owe an acknowledgement of the present epoch, and when their lease runs out. */
  #owed = new Map<string, number>();

  /** A silent gate is forgotten with its lease, before anything else that happens then. */
  lapse(at: number): void {
    for (const [gateId, lease] of this.#owed) {
      if (lease > at) continue;
      this.#owed.delete(gateId);
      this.#gates.delete(gateId);
    }
  }

  /** C2: who becomes active, and which gates had to agree first. */
  checkEvent(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    this.#checkBrowser(view, event, next, at);
    if (next.epoch !== view.epoch) {
      const nobodyDrove = holder(view) === "nobody" && view.control.phase === "active";
      const fenced = event.type === "control.fenced";
      // A gate also stops what the agent sees: another privacy is waited for, whoever drove.
      const seesAlike = next.control.privacy === view.control.privacy;
      const waited = nobodyDrove && seesAlike && !fenced ? [] : [...this.#gates.keys()];
      // A fence waits for gates that nobody remembers as well.
      this.#owed = new Map([...waited, ...(fenced ? ["lost"] : [])].map((id) => [id, at + LEASE_MS]));
      assert.equal(
        next.control.phase,
        this.#owed.size === 0 ? "active" : "draining",
        "C2: a change of control must drain every gate, and waits for nothing else",
      );
    } else if (view.control.phase === "draining" && next.control.phase === "active") {
      const silent = [...this.#owed.keys()].filter((gateId) => !settles(command, gateId, next));
      assert.equal(event.type, "control.active");
      assert.deepStrictEqual(silent, [], "C2: granted before every gate had drained");
      this.#owed.clear();
    } else {
      assert.notEqual(event.type, "control.active", "C2: active without a drain");
      assert.equal(next.control.phase, view.control.phase, "the phase moved without a reason");
    }
  }

  /** What the command itself does to the books, after the events it caused. */
  settle(command: Command, state: SandboxState, at: number): void {
    for (const gateId of this.#owed.keys()) if (settles(command, gateId, state)) this.#owed.delete(gateId);
    if (command.type === "gate.open" && !this.#gates.has(command.gateId)) {
      const { gateId, nodeId, attachedAt } = command;
      this.#gates.set(gateId, { nodeId, attachedAt });
    } else if (command.type === "gate.close") {
      this.#gates.delete(command.gateId);
    } else if (command.type === "gate.status") {
      const gate = this.#gates.get(command.gateId);
      if (gate) gate.status = command.status;
    } else if (command.type === "node.gone") {
      for (const gate of this.#gates.values()) if (gate.nodeId === command.nodeId) delete gate.status;
    } else if (command.type === "gate.renew" && command.epoch === state.epoch) {
      if (this.#owed.has(command.gateId)) this.#owed.set(command.gateId, at + command.leaseMs);
    }
  }

  checkState({ gates, draining, control, browser }: SandboxState): void {
    assert.deepStrictEqual({ ...gates }, Object.fromEntries(this.#gates), "the gates, and what they see");
    assert.deepStrictEqual(
      { ...draining },
      Object.fromEntries(this.#owed),
      "C2: the gates that still drain, with their leases",
    );
    assert.equal(control.phase, this.#owed.size > 0 ? "draining" : "active", "C2: phase");
    if (browser) assert.equal(browser.status, this.#look(browser.attachedAt), "how the browser looks");
  }

  #checkBrowser(view: Sandbox, event: SandboxEvent, next: Sandbox, at: number): void {
    const [old, fresh] = [view.browser, next.browser];
    const moved = old?.status !== fresh?.status || old?.attachedAt !== fresh?.attachedAt;
    if (event.type === "browser.changed") assert.ok(moved, "browser.changed without a change");
    else if (event.type !== "control.active") assert.ok(!moved, `${event.type} changed the browser`);
    if (moved) assert.equal(fresh?.updatedAt, at);
    else assert.deepStrictEqual(fresh, old);
  }

  /** The best that any gate to this browser reports. */
  #look(attachedAt: number): PreviewStatus {
    const reports = [...this.#gates.values()].flatMap((gate) =>
      gate.attachedAt === attachedAt && gate.status !== undefined ? [gate.status] : [],
    );
    return reports.reduce((best, status) => (WORTH[status] > WORTH[best] ? status : best), "idle");
  }
}

/** Whether the command proves that nothing older is under way behind this gate. */
function settles(command: Command, gateId: string, { epoch }: { epoch: number }): boolean {
  if (command.type === "gate.close") return command.gateId === gateId;
  return command.type === "gate.drained" && command.gateId === gateId && command.epoch === epoch;
}
