/**
 * What must hold over any history of one sandbox, checked from outside: from the commands given and the events that
 * came out, with its own books of gates, leases and prompts. It shares no code with the machine it judges.
 */
import { strict as assert } from "node:assert";
import { mayDrive, type Driver } from "../../../src/core/access.ts";
import type { Command } from "../../../src/core/commands.ts";
import { nextDeadline, publicView, type SandboxState } from "../../../src/core/state.ts";
import { transition, type transition as Transition } from "../../../src/core/transition.ts";
import { applyEvent, Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";

const LEASE_MS = 5_000;
const MAX_PROMPTS = 8;
const PEOPLE = ["ann", "ben", "cleo"];

interface Claim {
  status: "waiting" | "running" | "ended";
  client?: string;
  releaseAt?: number;
}

const isOpen = (view: Sandbox): boolean =>
  view.handoff?.status === "pending" || view.handoff?.status === "accepted";
/** Whoever holds the browser, whether or not the drain is over. */
const holder = ({ control }: Sandbox): string =>
  control.mode === "ai" ? "the agent" : (control.controller ?? "nobody");
const drivers: readonly (readonly [string, Driver])[] = [
  ["the agent", { kind: "agent" }],
  ...PEOPLE.map((name) => [name, { kind: "person", name }] as const),
];

export class Oracle {
  readonly seen = new Set<string>();
  readonly #run: typeof Transition;
  /** Gates that can reach the browser. */
  readonly #gates = new Set<string>();
  /** Gates that owe an acknowledgement of the present epoch, and when their lease runs out. */
  #owed = new Map<string, number>();
  readonly #drove = new Map<number, string>();
  readonly #claims = new Map<string, Claim>();
  #state: SandboxState;

  constructor(state: SandboxState, run: typeof Transition = transition) {
    this.#state = state;
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
    this.#settleBooks(command, at, step.kind === "changed" ? step.events : []);
    this.#checkState(at);
    this.#checkDeadline(at);
  }

  #checkEvent(view: Sandbox, event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    this.seen.add(event.type);
    assert.deepStrictEqual(SandboxEvent.parse(event), event, "the event is not of the protocol");
    assert.equal(event.seq, view.seq + 1, "E1: seq has a gap");
    assert.equal(event.at, at, "an event is not of its transition's time");
    assert.equal(
      next.epoch > view.epoch,
      holder(next) !== holder(view),
      "the epoch moves with the holder, and only with them",
    );
    assert.ok(next.epoch >= view.epoch, "the epoch went back");
    this.#checkHandoff(view, event, next, command, at);
    this.#checkGrant(view, next, command, at);
    this.#checkResume(event, next, command, at);
    if (command.type === "browser.attach" && event.type === "browser.changed") {
      assert.notEqual(
        next.browser?.attachedAt,
        view.browser?.attachedAt,
        "another browser looks like the old one",
      );
    }
    if (event.type === "control.away") {
      assert.equal(command.type, "controller.away");
      const graceMs = command.type === "controller.away" ? command.graceMs : 0;
      assert.equal(next.control.graceUntil, at + graceMs, "H5: the grace time is not the one asked for");
    }
    const byItself = event.type === "handoff.returned" || event.type === "control.released";
    if (byItself && command.type !== "control.release") {
      assert.ok((view.control.graceUntil ?? Infinity) <= at, "H5: taken away before the grace time was over");
    }
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
      case "control.active":
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

  /** C2: who becomes active, and which gates had to agree first. */
  #checkGrant(view: Sandbox, next: Sandbox, command: Command, at: number): void {
    if (next.epoch !== view.epoch) {
      const nobodyDrove = holder(view) === "nobody" && view.control.phase === "active";
      this.#owed = new Map(nobodyDrove ? [] : [...this.#gates].map((gate) => [gate, at + LEASE_MS]));
      assert.equal(
        next.control.phase,
        this.#owed.size === 0 ? "active" : "draining",
        "C2: a change of control must drain every gate, and waits for nothing else",
      );
      assert.equal(next.control.graceUntil, undefined, "H5: a new holder began with the old one's countdown");
    } else if (view.control.phase === "draining" && next.control.phase === "active") {
      const silent = [...this.#owed].filter(([gate, lease]) => lease > at && !settles(command, gate, next));
      assert.deepStrictEqual(silent, [], "C2: granted before every gate had drained");
      this.#owed.clear();
    } else {
      assert.equal(next.control.phase, view.control.phase, "the phase moved without a reason");
    }
  }

  /** R1: a prompt is owed from its completion until its one handler has answered. */
  #checkResume(event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    if (event.type === "handoff.completed") {
      const wanted = command.type === "handoff.complete" && command.runResumePrompt;
      const { handoff } = next;
      if (!wanted || handoff?.resumePrompt === undefined) return;
      if (this.#claims.size === MAX_PROMPTS) this.#claims.delete(this.#leaving());
      this.#claims.set(handoff.requestId, { status: "waiting" });
    } else if (event.type === "resume.claimed" && command.type === "resume.claim") {
      const claim = this.#claims.get(command.requestId);
      assert.ok(claim && claim.status !== "ended", "R1: claimed what nobody asked for, or what is done");
      if (claim.status === "running")
        assert.equal(claim.client, command.clientId, "R1: two programs handle it");
      this.#claims.set(command.requestId, { status: "running", client: command.clientId });
    } else if (event.type === "resume.answered" || event.type === "resume.failed") {
      assert.ok(command.type === "resume.answer");
      const claim = this.#claims.get(command.requestId);
      assert.ok(claim?.status === "running" && claim.client === command.clientId, "R1: answered by another");
      assert.equal(event.type === "resume.answered", command.ok);
      this.#claims.set(command.requestId, { status: "ended" });
    } else if (event.type === "resume.released") {
      const due = [...this.#claims].find(([, { releaseAt = Infinity }]) => releaseAt <= at);
      assert.ok(due, "R1: released before the grace time was over");
      this.#claims.set(due[0], { status: "waiting" });
    }
  }

  #leaving(): string {
    const entries = [...this.#claims];
    return (entries.find(([, { status }]) => status === "ended") ?? entries[0])?.[0] ?? "";
  }

  /** What the command itself does to the books, after the events it caused. */
  #settleBooks(command: Command, at: number, events: readonly SandboxEvent[]): void {
    for (const [gate, lease] of this.#owed) {
      if (lease <= at || settles(command, gate, this.#state)) this.#owed.delete(gate);
    }
    if (command.type === "gate.open") this.#gates.add(command.gateId);
    if (command.type === "gate.close") this.#gates.delete(command.gateId);
    if (command.type === "gate.renew" && command.epoch === this.#state.epoch) {
      if (this.#owed.has(command.gateId)) this.#owed.set(command.gateId, at + command.leaseMs);
    }
    if (command.type === "resume.away") {
      for (const claim of this.#claims.values()) {
        if (claim.status === "running" && claim.client === command.clientId) {
          claim.releaseAt ??= at + command.graceMs;
        }
      }
    }
    if (command.type === "controller.away" && holder(publicView(this.#state)) === command.controller) {
      assert.notEqual(this.#state.control.graceUntil, undefined, "H5: nobody counts down for who went away");
    }
    if (command.type === "controller.back" && holder(publicView(this.#state)) === command.controller) {
      assert.equal(this.#state.control.graceUntil, undefined, "H5: the countdown goes on for who came back");
    }
    if (command.type === "tick" && events.length === 0) assert.notEqual(nextDeadline(this.#state), at);
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
    assert.deepStrictEqual(new Set(this.#state.gates), this.#gates);
    assert.deepStrictEqual(
      { ...this.#state.draining },
      Object.fromEntries(this.#owed),
      "C2: the gates that still drain, with their leases",
    );
    assert.equal(control.phase, this.#owed.size > 0 ? "draining" : "active", "C2: phase");
    const driving = drivers.filter(([, driver]) => mayDrive(control, driver)).map(([name]) => name);
    const expected = control.phase === "active" && holder(view) !== "nobody" ? [holder(view)] : [];
    assert.deepStrictEqual(driving, expected, "C1/C4: the holder drives, nobody else, and only when active");
    const [drives] = driving;
    if (drives !== undefined) {
      assert.equal(this.#drove.get(view.epoch) ?? drives, drives, "C1: two parties drove in one epoch");
      this.#drove.set(view.epoch, drives);
    }
    assert.deepStrictEqual(
      new Map(this.#state.resumes.map((r) => [r.requestId, [r.status, r.clientId, r.releaseAt]])),
      new Map(
        [...this.#claims].map(([id, { status, client, releaseAt }]) => {
          const resume = this.#state.resumes.find(({ requestId }) => requestId === id);
          const ended = resume?.status === "answered" || resume?.status === "failed";
          return [
            id,
            status === "ended" && ended
              ? [resume.status, resume.clientId, undefined]
              : [status, client, releaseAt],
          ];
        }),
      ),
      "R1: the prompts, who has them, and until when",
    );
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

/** Whether the command proves that nothing older is under way behind this gate. */
function settles(command: Command, gateId: string, { epoch }: { epoch: number }): boolean {
  if (command.type === "gate.close") return command.gateId === gateId;
  return command.type === "gate.drained" && command.gateId === gateId && command.epoch === epoch;
}
