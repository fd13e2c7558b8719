/** The agent: types all the time, asks for a person now and then, and handles what the person sends back. */
import { Actor, type World } from "./actor.ts";

export class Agent {
  readonly actor: Actor;

  constructor(world: World, home: number) {
    this.actor = new Actor(world, { name: "agent", role: "agent", home });
    this.actor.sandbox.onResume(async ({ requestId }) => {
      world.history.add({ kind: "handled", actor: "agent", requestId });
      // Long enough for a fault to fall between the claim and the answer.
      await this.actor.rest(0, 400);
      return `handled ${requestId}`;
    });
  }

  /** Asks for people until the faults are over. */
  async work(): Promise<void> {
    const { actor } = this;
    const { finishing } = actor.world;
    const { random, sandbox } = actor;
    while (!finishing.aborted) {
      await actor.rest(200, 2_500);
      const open = sandbox.current?.sandbox.handoff?.status;
      if (finishing.aborted || open === "pending" || open === "accepted") continue;
      const expires = random.chance(0.15) ? { expiresInMs: random.between(2_000, 6_000) } : {};
      const resumePrompt = random.chance(0.8) ? { resumePrompt: "go on" } : {};
      await actor.call({ op: "request" }, (key, signal) =>
        sandbox.requestHumanHandoff({
          reason: "approval",
          message: key,
          idempotencyKey: key,
          ...resumePrompt,
          ...expires,
          signal,
        }),
      );
    }
  }

  /** Withdraws a request that nobody has accepted by now. */
  async withdraw(): Promise<void> {
    const { actor } = this;
    const handoff = actor.sandbox.current?.sandbox.handoff;
    if (handoff?.status !== "pending") return;
    const { requestId } = handoff;
    await actor.call({ op: "cancel" }, (key, signal) =>
      actor.sandbox.cancelHumanHandoff({ requestId, note: key, idempotencyKey: key, signal }),
    );
  }
}
