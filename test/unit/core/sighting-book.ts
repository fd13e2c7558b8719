/** The oracle's own books of where the controller is connected, and of the countdown once they are nowhere (H5). */
import { strict as assert } from "node:assert";
import type { Command } from "../../../src/core/commands.ts";
import type { SandboxState } from "../../../src/core/state.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import { holder, isPerson } from "./holder.ts";

interface Word {
  readonly until: number;
  readonly graceMs: number;
}

export class SightingBook {
  /** Nodes that vouch for the controller. */
  readonly #words = new Map<string, Word>();
  /** Some node has said where this controller is, or that they left: from then on silence means away. */
  #heardOf = false;
  #graceUntil: number | undefined;
  /** Grace times of the words that ran out just now. */
  #lapsed: number[] = [];

  lapse(at: number): void {
    this.#lapsed = [];
    for (const [nodeId, { until, graceMs }] of this.#words) {
      if (until > at) continue;
      this.#words.delete(nodeId);
      this.#lapsed.push(graceMs);
    }
  }

  checkEvent(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    if (holder(view) !== holder(next)) {
      this.#restart(event, command, at);
    } else if (event.type === "control.away") {
      assert.ok(isPerson(holder(view)), "H5: nobody is there to go away");
      assert.equal(this.#graceUntil, undefined, "H5: away twice");
      this.#graceUntil = at + this.#graceMs(view, next, command, at);
    } else if (event.type === "control.back") {
      assert.ok(command.type === "controller.here" && command.controller === holder(view));
      assert.notEqual(this.#graceUntil, undefined, "H5: back without having been away");
      this.#graceUntil = undefined;
    }
    assert.equal(next.control.graceUntil, this.#graceUntil, "H5: the countdown that everybody sees");
  }

  /** What the command itself does to the books, after the events it caused. */
  settle(command: Command, state: SandboxState, at: number): void {
    if (command.type !== "controller.here" && command.type !== "controller.left") return;
    if (holder(state) !== command.controller) return;
    this.#heardOf = true;
    if (command.type === "controller.left") this.#words.delete(command.nodeId);
    else this.#note(command.nodeId, at + command.leaseMs, command.graceMs);
  }

  checkState(state: SandboxState, at: number): void {
    assert.deepStrictEqual({ ...state.seen }, Object.fromEntries(this.#words), "H5: who vouches, until when");
    assert.ok(
      [...this.#words.values()].every(({ until }) => until > at),
      "H5: a word that ran out still counts",
    );
    assert.equal(state.control.graceUntil, this.#graceUntil);
    assert.equal(
      this.#graceUntil !== undefined,
      this.#heardOf && this.#words.size === 0,
      "H5: a countdown runs exactly while nobody vouches for somebody who was heard of",
    );
  }

  /** Another holder: what was known of the last one is nothing to them. */
  #restart({ type }: SandboxEvent, command: Command, at: number): void {
    this.#words.clear();
    this.#heardOf = false;
    this.#graceUntil = undefined;
    const granted =
      (command.type === "handoff.accept" && type === "handoff.accepted") ||
      (command.type === "control.take" && type === "control.taken") ||
      (command.type === "control.pass" && type === "control.passed" && command.to !== "ai");
    if (!granted || command.seen === undefined) return;
    this.#heardOf = true;
    this.#note(command.seen.nodeId, at + command.seen.leaseMs, command.seen.graceMs);
  }

  #note(nodeId: string, until: number, graceMs: number): void {
    this.#words.set(nodeId, { until, graceMs });
  }

  /** Of the word that ran out last; of several that were found to have run out together, any. */
  #graceMs(view: Sandbox, next: Sandbox, command: Command, at: number): number {
    const others = [...this.#words.keys()].filter(
      (nodeId) => command.type !== "controller.left" || command.nodeId !== nodeId,
    );
    assert.deepStrictEqual(others, [], "H5: away, while a node still vouches");
    if (this.#words.size === 0 && this.#lapsed.length > 0) {
      const graceMs = (next.control.graceUntil ?? 0) - at;
      assert.ok(this.#lapsed.includes(graceMs), "H5: not the grace time of a word that ran out");
      return graceMs;
    }
    assert.ok(command.type === "controller.left" && command.controller === holder(view), "H5: who left?");
    return command.graceMs;
  }
}
