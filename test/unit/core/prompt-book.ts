/** The oracle's own books of resume prompts: one is owed from its completion until its one handler answered (R1). */
import { strict as assert } from "node:assert";
import type { Command } from "../../../src/core/commands.ts";
import type { SandboxState } from "../../../src/core/state.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";

const MAX_PROMPTS = 8;
/** From the end of a hold to the release. */
const SILENCE_MS = 30_000;

interface Claim {
  status: "waiting" | "running" | "answered" | "failed";
  client?: string | undefined;
  session?: string | undefined;
  /** Until then the claim stands by itself. */
  heldUntil?: number | undefined;
  /** The connection is lost; at this time the prompt waits again. */
  releaseAt?: number | undefined;
}

const isOver = ({ status }: Claim): boolean => status === "answered" || status === "failed";

export class PromptBook {
  readonly #claims = new Map<string, Claim>();

  lapse(at: number): void {
    for (const claim of this.#claims.values()) {
      if ((claim.heldUntil ?? Infinity) > at) continue;
      claim.heldUntil = undefined;
      claim.releaseAt = at + SILENCE_MS;
    }
  }

  checkEvent(event: SandboxEvent, next: Sandbox, command: Command, at: number): void {
    if (event.type === "handoff.completed") {
      const wanted = command.type === "handoff.complete" && command.runResumePrompt;
      const { handoff } = next;
      if (!wanted || handoff?.resumePrompt === undefined) return;
      if (this.#claims.size === MAX_PROMPTS) this.#claims.delete(this.#leaving());
      this.#claims.set(handoff.requestId, { status: "waiting" });
    } else if (event.type === "resume.claimed") {
      assert.ok(command.type === "resume.claim");
      const { requestId, clientId: client, sessionId: session, leaseMs } = command;
      const claim = this.#claims.get(requestId);
      assert.ok(claim && !isOver(claim), "R1: claimed what nobody asked for, or what is done");
      if (claim.status === "running") assert.equal(claim.client, client, "R1: two programs handle it");
      this.#claims.set(requestId, { status: "running", client, session, heldUntil: at + leaseMs });
    } else if (event.type === "resume.answered" || event.type === "resume.failed") {
      assert.ok(command.type === "resume.answer");
      const claim = this.#claims.get(command.requestId);
      assert.ok(claim?.status === "running" && claim.client === command.clientId, "R1: answered by another");
      assert.equal(event.type === "resume.answered", command.ok);
      const { client, session } = claim;
      this.#claims.set(command.requestId, { status: command.ok ? "answered" : "failed", client, session });
    } else if (event.type === "resume.released") {
      const due = [...this.#claims].find(([, { releaseAt = Infinity }]) => releaseAt <= at);
      assert.ok(due, "R1: released before the grace time was over");
      this.#claims.set(due[0], { status: "waiting" });
    }
  }

  /** What the command itself does to the books, after the events it caused. */
  settle(command: Command, at: number): void {
    if (command.type !== "resume.held" && command.type !== "resume.away") return;
    for (const claim of this.#claims.values()) {
      if (claim.status !== "running" || claim.session !== command.sessionId) continue;
      if (command.type === "resume.held") {
        claim.releaseAt = undefined;
        claim.heldUntil = at + command.leaseMs;
      } else {
        claim.heldUntil = undefined;
        claim.releaseAt ??= at + command.graceMs;
      }
    }
  }

  checkState({ resumes }: SandboxState, at: number): void {
    assert.deepStrictEqual(
      resumes.map((it) => [it.requestId, it.status, it.clientId, it.sessionId, it.heldUntil, it.releaseAt]),
      [...this.#claims].map(([id, it]) => [id, it.status, it.client, it.session, it.heldUntil, it.releaseAt]),
      "R1: the prompts, who has them, and until when",
    );
    for (const { status, heldUntil, releaseAt } of resumes) {
      assert.equal(
        heldUntil !== undefined || releaseAt !== undefined,
        status === "running",
        "R1: who waits for whom",
      );
      assert.ok((heldUntil ?? releaseAt ?? Infinity) > at, "R1: a time that is over still counts");
    }
  }

  #leaving(): string {
    const entries = [...this.#claims];
    return (entries.find(([, claim]) => isOver(claim)) ?? entries[0])?.[0] ?? "";
  }
}
