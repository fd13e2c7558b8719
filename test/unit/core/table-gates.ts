/** What news of gates, nodes and the browser does in every state. */
import type { Command, CommandOf } from "../../../src/core/commands.ts";
import type { SandboxState } from "../../../src/core/state.ts";
import { ALL, but, DRAINING } from "./states.ts";
import { cmd } from "./support.ts";
import { DUE, type Rows } from "./table.ts";

const gate = <T extends "gate.drained" | "gate.renew">(type: T, gateId: string, older = 0) => {
  return (state: SandboxState) =>
    cmd(type, { gateId, epoch: state.epoch - older } as Partial<CommandOf<T>>) satisfies Command;
};

export const GATE_ROWS: Rows<
  | "gate.open"
  | "gate.close"
  | "gate.status"
  | "node.gone"
  | "gate.drained"
  | "gate.renew"
  | "browser.attach"
  | "browser.endpoint"
> = {
  "gate.open": {
    "known gate": { command: cmd("gate.open"), outcomes: { same: ALL } },
    "new gate": { command: cmd("gate.open", { gateId: "g2" }), outcomes: { silent: ALL } },
    "a gate named like a member of every object": {
      command: cmd("gate.open", { gateId: "toString" }),
      outcomes: { silent: ALL },
    },
    "known gate when a deadline is due, which may have dropped it": {
      command: cmd("gate.open"),
      atDeadline: true,
      outcomes: DUE,
    },
  },
  "gate.close": {
    "the gate that sees the browser": {
      command: cmd("gate.close"),
      outcomes: { "control.active": DRAINING, "browser.changed": but(...DRAINING) },
    },
    "unknown gate": { command: cmd("gate.close", { gateId: "g2" }), outcomes: { same: ALL } },
    "a gate named like a member of every object": {
      command: cmd("gate.close", { gateId: "toString" }),
      outcomes: { same: ALL },
    },
  },
  "gate.status": {
    "as it was": { command: cmd("gate.status"), outcomes: { same: ALL } },
    "another one": {
      command: cmd("gate.status", { status: "gone" }),
      outcomes: { "browser.changed": ALL },
    },
    "of an unknown gate": { command: cmd("gate.status", { gateId: "g2" }), outcomes: { same: ALL } },
    "of a gate named like a member of every object": {
      command: cmd("gate.status", { gateId: "toString" }),
      outcomes: { same: ALL },
    },
  },
  "node.gone": {
    "the node with the gate": { command: cmd("node.gone"), outcomes: { "browser.changed": ALL } },
    "another node": { command: cmd("node.gone", { nodeId: "n2" }), outcomes: { same: ALL } },
  },
  "gate.drained": {
    "for this epoch": {
      command: gate("gate.drained", "g1"),
      outcomes: { "control.active": DRAINING, same: but(...DRAINING) },
    },
    "for an older epoch": { command: gate("gate.drained", "g1", 1), outcomes: { same: ALL } },
    "for a later epoch": { command: gate("gate.drained", "g1", -1), outcomes: { same: ALL } },
    "by an unknown gate": { command: gate("gate.drained", "g2"), outcomes: { same: ALL } },
    "by a gate named like a member of every object": {
      command: gate("gate.drained", "toString"),
      outcomes: { same: ALL },
    },
  },
  "gate.renew": {
    "for this epoch": {
      command: gate("gate.renew", "g1"),
      outcomes: { silent: DRAINING, same: but(...DRAINING) },
    },
    "for an older epoch": { command: gate("gate.renew", "g1", 1), outcomes: { same: ALL } },
    "by an unknown gate": { command: gate("gate.renew", "g2"), outcomes: { same: ALL } },
    "by a gate named like a member of every object": {
      command: gate("gate.renew", "toString"),
      outcomes: { same: ALL },
    },
    "when the lease has run out": {
      command: gate("gate.renew", "g1"),
      atDeadline: true,
      outcomes: DUE,
    },
  },
  "browser.attach": {
    "another browser": { command: cmd("browser.attach"), outcomes: { "browser.changed": ALL } },
  },
  "browser.endpoint": {
    "as it was": { command: cmd("browser.endpoint"), outcomes: { same: ALL } },
    "another one": {
      command: cmd("browser.endpoint", { endpoint: "ws://127.0.0.1:9223/devtools/browser/2" }),
      outcomes: { silent: ALL },
    },
  },
};
