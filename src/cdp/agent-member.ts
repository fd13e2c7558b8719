/** An agent's CDP connection as a member of its room: people see it, and it takes resume prompts (R1). */
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { Logger } from "../ops/log.ts";
import type { Client } from "../room/member.ts";
import type { Room } from "../room/room.ts";
import { untilStored } from "../room/until-stored.ts";

export interface AgentMemberOptions {
  readonly connectionId: string;
  readonly name: string;
  readonly policy: AgentPolicy;
  readonly room: Room;
  readonly log: Logger;
  readonly prompt: (prompt: { requestId: string; prompt: string; handoff: Handoff }) => void;
}

/** How often a changing number of waiting commands is told to the room. */
const TELL_MS = 250;

export class AgentMember implements Client {
  readonly connectionId: string;
  readonly clientId: string;
  readonly name: string;
  readonly role = "agent";
  readonly #options: AgentMemberOptions;
  #held = 0;
  #told = 0;
  #telling: NodeJS.Timeout | undefined;
  #resume = false;
  #left = false;

  constructor(options: AgentMemberOptions) {
    this.#options = options;
    this.connectionId = options.connectionId;
    this.clientId = options.connectionId;
    this.name = options.name;
  }

  get cdp(): { policy: AgentPolicy; held: number } {
    return { policy: this.#options.policy, held: this.#told };
  }

  /** For as long as it takes to reach the store. */
  join(): void {
    const { room, log } = this.#options;
    const join = (): Promise<void> => room.join(this, { id: this.connectionId, resume: this.#resume });
    untilStored(join, () => !this.#left).then(
      () => {
        // It left while the store was asked.
        if (this.#left) room.leave(this.connectionId);
      },
      (error: unknown) =>
        log.debug({ err: error, sandboxId: room.sandboxId }, "an agent could not join its room"),
    );
  }

  leave(): void {
    this.#left = true;
    clearTimeout(this.#telling);
    this.#options.room.leave(this.connectionId);
  }

  waiting(count: number): void {
    this.#held = count;
    if (this.#left || this.#telling || this.#told === count) return;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      if (this.#told === this.#held) return;
      this.#told = this.#held;
      this.#options.room.memberChanged(this);
    }, TELL_MS);
  }

  /** From here on it is asked to handle resume prompts. */
  takePrompts(): void {
    if (this.#resume || this.#left) return;
    this.#resume = true;
    this.join();
  }

  /** @throws BatonError `resume_not_found`, and those of a commit */
  async answer(answer: { requestId: string; ok: boolean; response?: string }): Promise<void> {
    await this.#options.room.dispatch({
      type: "resume.answer",
      ...answer,
      clientId: this.clientId,
      by: { name: this.name, role: this.role },
    });
  }

  send(message: DownMessage): void {
    if (message.type !== "resume.prompt" || this.#left) return;
    const { requestId, prompt, handoff } = message;
    // Whoever is given it has taken it: it is not given to another agent as well.
    this.#options.room.attendance.claimResume(this, requestId).then(
      () => this.#options.prompt({ requestId, prompt, handoff }),
      // Somebody else took it, or it was answered.
      () => {},
    );
  }

  sendText(): void {}

  sendBinary(): void {}

  lost(): void {
    // It needs no past: it comes back at once.
    if (!this.#left) this.join();
  }

  removed(): void {}
}
