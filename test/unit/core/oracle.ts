/**
 * What must hold over any history of one sandbox, checked from outside: from the commands given and the events that
 * came out, with its own books of gates, sightings and prompts. It shares no code with the machine it judges.
 */
import { strict as assert } from "node:assert";
import { mayDrive, type Driver } from "../../../src/core/access.ts";
import type { Command } from "../../../src/core/commands.ts";
import { nextDeadline, publicView, type SandboxState } from "../../../src/core/state.ts";
import { transition, type transition as Transition } from "../../../src/core/transition.ts";
import { applyEvent, Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import { GateBook } from "./gate-book.ts";
import { holder, isPerson } from "./holder.ts";
import { PromptBook } from "./prompt-book.ts";
import { SightingBook } from "./sighting-book.ts";

const PEOPLE = ["ann", "ben", "cleo"];

const isOpen = (view: Sandbox): boolean =>
  view.handoff?.status === "pending" || view.handoff?.status === "accepted";
const drivers: readonly (readonly [string, Driver])[] = [
  ["the agent", { kind: "agent" }],
  ...PEOPLE.map((name) => [name, { kind: "person", name }] as const),
];

const asksFor = (command: Command): boolean => "privacy" in command && command.privacy === "private";

export class Oracle {
  readonly seen = new Set<string>();
  readonly #run: typeof Transition;
  readonly #gates = new GateBook();
  readonly #sightings = new SightingBook();
  readonly #prompts = new PromptBook();
  /** Who drove in each epoch. */
  readonly #drove = new Map<number, string>();
  #endpoint: string | undefined;
  #state: SandboxState;

  constructor(state: SandboxState, run: typeof Transition = transition) {
    this.#state = state;
    this.#endpoint = state.browser?.endpoint;
    this.#run = run;
  }

  get state(): SandboxState {
    return this.#state;
  }

  /** Runs one command and checks everything that must hold after it. */
  step(command: Command, now: number): void {
    const before = this.#state;
    const at = Math.max(now, before.updatedAt);
    const text = JSON.stringify(before);
    const step = this.#run(before, command, now);
    assert.equal(JSON.stringify(before), text, "a transition changed the state it was given");
    if (step.kind === "refused") {
      this.seen.add(step.error.code);
      return;
    }
    for (const book of [this.#gates, this.#sightings, this.#prompts]) book.lapse(at);
    let view = publicView(before);
    if (step.kind === "changed") {
      for (const event of step.events) {
        const next = applyEvent(view, event);
        this.#checkEvent(view, event, next, command, at);
        view = next;
      }
      // Stores keep JSON; a machine that only works on the objects it made itself would pass here and fail there.
      const stored: SandboxState = JSON.parse(JSON.stringify(step.state)) as SandboxState;
      assert.deepStrictEqual(stored, step.state, "the state does not survive JSON");
      this.#state = stored;
    }
    assert.deepStrictEqual(publicView(this.#state), view, "E1: the events do not add up to the new snapshot");
    assert.deepStrictEqual(Sandbox.parse(view), view, "the snapshot is not of the protocol");
    this.#gates.settle(command, this.#state, at);
    this.#sightings.settle(command, this.#state, at);
    this.#prompts.settle(command, at);
    this.#checkCommand(command);
    this.#checkState(at);
    this.#checkDeadline(at);
  }

  #checkEvent(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    this.seen.add(event.type);
    assert.deepStrictEqual(SandboxEvent.parse(event), event, "the event is not of the protocol");
    assert.equal(event.seq, view.seq + 1, "E1: seq has a gap");
    assert.equal(event.at, at, "an event is not of its transition's time");
    this.#checkEpoch(view, event, next, command, at);
    this.#checkHandoff(view, event, next, command, at);
    this.#checkPrivacy(view, event, next, command);
    this.#gates.checkEvent(view, event, next, command, at);
    this.#sightings.checkEvent(view, event, next, command, at);
    this.#prompts.checkEvent(event, next, command, at);
    if (command.type === "browser.attach" && event.type === "browser.changed") {
      assert.notEqual(
        next.browser?.attachedAt,
        view.browser?.attachedAt,
        "another browser looks like the old one",
      );
    }
    const byItself = event.type === "handoff.returned" || event.type === "control.released";
    if (byItself && command.type !== "control.release") {
      assert.ok((view.control.graceUntil ?? Infinity) <= at, "H5: taken away before the grace time was over");
    }
  }

  /** C1, G3: the epoch moves with the holder or with who may see, and with nothing else but a fence; never to one that may have been before. */
  #checkEpoch(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    if (event.type === "control.fenced") {
      assert.ok(command.type === "control.fence" && view.epoch < command.epoch, "C1: nothing to fence off");
      assert.ok(next.epoch > command.epoch, "C1: fenced, but not newer than what was lost");
      const { phase: _, since: __, ...kept } = view.control;
      const { phase: ___, since, ...fresh } = next.control;
      assert.deepStrictEqual(fresh, kept, "C1: a fence changed who holds the browser");
      assert.equal(since, at);
    } else if (holder(next) === holder(view) && next.control.privacy === view.control.privacy) {
      assert.equal(next.epoch, view.epoch, "C1: another epoch for the same holder and privacy");
      assert.equal(next.control.since, view.control.since);
      return;
    }
    assert.ok(next.epoch > view.epoch, "C1: another holder or privacy in the same epoch");
    assert.ok(
      next.epoch >= at * 1_000,
      "C1: an epoch that a store which lost its last writes may have given out",
    );
    assert.equal(next.control.since, at);
  }

  /** G3: who hides the page, who shows it, and that it stays hidden in between. */
  #checkPrivacy(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command): void {
    const [was, is] = [view.control.privacy, next.control.privacy];
    const isNew = event.type === "handoff.requested";
    assert.ok(
      isNew || next.handoff?.privacy === view.handoff?.privacy,
      "G3: a handoff's privacy is what was asked for",
    );
    if (isNew && command.type === "handoff.request")
      assert.equal(next.handoff?.privacy, command.privacy === "private" ? "private" : undefined);
    if (holder(next) === "the agent") return assert.equal(is, undefined, "G3: the agent has no privacy");
    if (event.type === "control.privacy") {
      assert.equal(holder(next), holder(view), "G3: only the holder changes who sees the page");
      assert.ok("controller" in command && command.controller === holder(view));
      assert.notEqual(is, was, "G3: a change of privacy that changes nothing");
      if (is === undefined) assert.ok(command.type === "control.privacy", "G3: shown by a claim");
      return;
    }
    if (was === "private")
      return assert.equal(is, "private", "G3: shown, though the controller did not say so");
    const asked =
      (event.type === "handoff.accepted" && (next.handoff?.privacy === "private" || asksFor(command))) ||
      (event.type === "control.taken" && asksFor(command)) ||
      (isNew && isPerson(holder(next)) && asksFor(command));
    assert.equal(is, asked ? "private" : undefined, "G3: hidden exactly when somebody asked for it");
  }

  #checkHandoff(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    const old = view.handoff;
    const fresh = next.handoff;
    if (event.type === "handoff.requested") {
      assert.ok(!isOpen(view), "H1: requested while another was open");
      assert.ok(isOpen(next) && fresh?.requestId !== old?.requestId);
      return;
    }
    assert.equal(fresh?.requestId, old?.requestId, "a handoff was replaced without a request");
    if (!isOpen(view)) assert.deepStrictEqual(fresh, old, "H3: a closed handoff changed");
    switch (event.type) {
      case "handoff.accepted":
        assert.equal(old?.status, "pending", "H2: accepted twice");
        assert.equal(fresh?.status, "accepted");
        assert.equal(fresh?.controller, command.type === "handoff.accept" ? command.controller : undefined);
        break;
      case "handoff.completed":
        assert.equal(old?.status, "accepted", "H3: completed before it was accepted");
        assert.ok(
          command.type === "handoff.complete" && (command.override || command.controller === old?.controller),
          "H3: completed by somebody else",
        );
        assert.equal(next.control.mode, command.returnControlTo);
        assert.equal(fresh?.status, "completed");
        break;
      case "handoff.cancelled":
      case "handoff.expired":
        assert.equal(fresh?.status, event.type === "handoff.expired" ? "expired" : "cancelled");
        assert.equal(holder(next), "the agent", "H4: an ending gives control back to the agent");
        if (event.type === "handoff.expired") assert.ok((old?.expiresAt ?? Infinity) <= at, "H4: too early");
        break;
      case "handoff.returned":
        assert.equal(fresh?.status, "pending", "H5: returned, but not to the queue");
        assert.equal(fresh?.expiresAt, old?.expiresAt, "H4: returning to the queue moved the deadline");
        assert.equal(holder(next), "nobody");
        break;
      case "control.taken":
      case "control.passed":
        assert.equal(fresh?.status, old?.status);
        if (isOpen(next)) assert.equal(fresh?.controller, next.control.controller);
        break;
      case "sandbox.created":
        assert.fail(`${event.type} is not the machine's to say`);
        break;
      case "control.released":
      case "control.privacy":
      case "control.active":
      case "control.fenced":
      case "control.away":
      case "control.back":
      case "resume.claimed":
      case "resume.released":
      case "resume.answered":
      case "resume.failed":
      case "browser.changed":
        assert.deepStrictEqual(fresh, old, `${event.type} changed the handoff`);
    }
  }

  /** What a command that was not refused has brought about, with or without events. */
  #checkCommand(command: Command): void {
    const { control, epoch, browser } = this.#state;
    if (command.type === "handoff.accept" || command.type === "control.take") {
      assert.equal(control.controller, command.controller);
      if (asksFor(command)) assert.equal(control.privacy, "private", "G3: claimed privately, but open");
    } else if (command.type === "control.privacy") {
      assert.equal(control.controller, command.controller);
      assert.equal(control.privacy ?? "open", command.privacy);
    } else if (command.type === "control.fence") {
      assert.ok(epoch >= command.epoch, "C1: a lost epoch may be given out again");
    } else if (command.type === "browser.attach") {
      assert.deepStrictEqual(browser?.source, command.source);
      this.#endpoint = undefined;
    } else if (command.type === "browser.endpoint" && browser) {
      this.#endpoint = command.endpoint;
    }
    assert.equal(browser?.endpoint, this.#endpoint, "where the browser listens");
  }

  #checkState(at: number): void {
    const view = publicView(this.#state);
    const { control, handoff } = view;
    assert.equal(control.mode === "shared", isOpen(view), "shared means that a handoff is open");
    if (control.mode === "ai") assert.equal(control.controller, undefined);
    if (control.mode === "human") assert.notEqual(control.controller, undefined);
    if (isOpen(view)) {
      assert.equal(control.controller, handoff?.controller);
      assert.equal(handoff?.status === "accepted", handoff?.controller !== undefined);
      assert.equal(handoff?.status === "accepted", handoff?.acceptedAt !== undefined);
      assert.ok((handoff?.expiresAt ?? 0) > at, "H4: open past its deadline");
    }
    assert.ok((control.graceUntil ?? Infinity) > at, "H5: a countdown that is over still runs");
    this.#gates.checkState(this.#state);
    this.#sightings.checkState(this.#state, at);
    this.#prompts.checkState(this.#state, at);
    const driving = drivers.filter(([, driver]) => mayDrive(control, driver)).map(([name]) => name);
    const expected = control.phase === "active" && holder(view) !== "nobody" ? [holder(view)] : [];
    assert.deepStrictEqual(driving, expected, "C1/C4: the holder drives, nobody else, and only when active");
    const [drives] = driving;
    if (drives !== undefined) {
      assert.equal(this.#drove.get(view.epoch) ?? drives, drives, "C1: two parties drove in one epoch");
      this.#drove.set(view.epoch, drives);
    }
  }

  /** A tick does something at the next deadline and nothing before it. */
  #checkDeadline(at: number): void {
    const due = nextDeadline(this.#state);
    const quietUntil = due === null ? at + 365 * 86_400_000 : due - 1;
    if (quietUntil >= at) {
      assert.equal(
        this.#run(this.#state, { type: "tick" }, quietUntil).kind,
        "same",
        "a deadline was not named",
      );
    }
    if (due !== null) {
      assert.ok(due > at, "a deadline was left undone");
      const step = this.#run(this.#state, { type: "tick" }, due);
      assert.equal(step.kind, "changed", "nothing happened at the deadline named");
    }
  }
}
