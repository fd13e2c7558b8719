/** A person: accepts, takes, types, and gives control away in every way there is. */
import type { Sandbox } from "../../protocol/sandbox.ts";
import { Actor, type World } from "./actor.ts";

export class Person {
  readonly actor: Actor;
  readonly #others: readonly string[];

  constructor(world: World, name: string, others: readonly string[], home: number) {
    this.actor = new Actor(world, { name, role: "operator", home });
    this.#others = others;
  }

  async work(): Promise<void> {
    const { actor } = this;
    while (!actor.world.finishing.aborted) {
      await actor.rest(50, 300);
      const sandbox = actor.sandbox.current?.sandbox;
      if (sandbox && !actor.world.finishing.aborted) await this.#act(sandbox);
    }
  }

  /** Gives back what is held. */
  async finish(): Promise<void> {
    const sandbox = this.actor.sandbox.current?.sandbox;
    if (sandbox?.control.controller !== this.actor.name) return;
    await (sandbox.handoff?.status === "accepted" ? this.#complete(sandbox, "ai") : this.#release());
  }

  async #act(sandbox: Sandbox): Promise<void> {
    const { actor } = this;
    const { control, handoff } = sandbox;
    if (control.controller === actor.name) {
      await actor.rest(200, 1_500);
      await this.#giveAway(sandbox);
    } else if (handoff?.status === "pending" && actor.random.chance(0.7)) {
      await this.#accept(handoff.requestId);
    } else if (control.controller === undefined ? actor.random.chance(0.1) : actor.random.chance(0.03)) {
      // From the agent now and then, from another person by force, seldom.
      await this.#take(control.controller !== undefined);
    }
  }

  async #giveAway(sandbox: Sandbox): Promise<void> {
    const { random } = this.actor;
    const open = sandbox.handoff?.status === "accepted";
    if (random.chance(0.15)) return this.#pass(random.pick(this.#others));
    if (random.chance(0.15)) return this.#release();
    if (!open) return random.chance(0.5) ? this.#release() : this.#pass("ai");
    await this.#complete(sandbox, random.chance(0.15) ? "human" : "ai");
  }

  async #accept(requestId: string): Promise<void> {
    const { actor } = this;
    await actor.call({ op: "accept" }, (key, signal) =>
      actor.sandbox.acceptHumanHandoff({ controller: actor.name, requestId, idempotencyKey: key, signal }),
    );
  }

  async #complete({ handoff }: Sandbox, returnControlTo: "ai" | "human"): Promise<void> {
    const { actor } = this;
    const requestId = handoff?.requestId;
    await actor.call(
      { op: "complete", to: returnControlTo, resumes: handoff?.resumePrompt !== undefined },
      (key, signal) =>
        actor.sandbox.completeHumanHandoff({
          controller: actor.name,
          ...(requestId !== undefined && { requestId }),
          returnControlTo,
          runResumePrompt: true,
          note: key,
          // The answer may have to wait for an agent whose node is dead: this person does not.
          resumeWaitMs: 50,
          idempotencyKey: key,
          signal,
        }),
    );
  }

  async #take(force: boolean): Promise<void> {
    const { actor } = this;
    await actor.call({ op: "take" }, (key, signal) =>
      actor.sandbox.takeControl({ ...(force && { force }), idempotencyKey: key, signal }),
    );
  }

  async #release(): Promise<void> {
    const { actor } = this;
    await actor.call({ op: "release" }, (key, signal) =>
      actor.sandbox.releaseControl({ controller: actor.name, idempotencyKey: key, signal }),
    );
  }

  async #pass(to: string): Promise<void> {
    const { actor } = this;
    await actor.call({ op: "pass", to }, (key, signal) =>
      actor.sandbox.passControl({ to, controller: actor.name, idempotencyKey: key, signal }),
    );
  }
}
