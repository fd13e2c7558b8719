/** Brings a room's waiting resume prompt to its members that take prompts (R1). */
import { deliverable } from "../core/resume.ts";
import type { Resume, SandboxState } from "../core/state.ts";
import type { RoomContext } from "./context.ts";
import type { Client, Member } from "./member.ts";
import { untilStored } from "./until-stored.ts";

export interface ResumeDeliveryHooks {
  readonly sandboxId: string;
  readonly members: ReadonlyMap<string, Member>;
  /** Resolves when what was to be reported until now is stored. */
  readonly reported: () => Promise<void>;
  readonly open: () => boolean;
}

export class ResumeDelivery {
  readonly #context: RoomContext;
  readonly #hooks: ResumeDeliveryHooks;

  constructor(context: RoomContext, hooks: ResumeDeliveryHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /**
   * Whoever takes prompts here is offered the one that waits; claims decide who gets it.
   * @param joined offers to this one only, also what its client claimed on a connection that may be gone unnoticed
   */
  deliver(joined?: Member): void {
    const { sandboxId, members, reported, open } = this.#hooks;
    const takers = (joined ? [joined] : [...members.values()]).filter(
      ({ resume, backlog }) => resume && !backlog,
    );
    if (takers.length === 0) return;
    // After what is still to be reported: a claim that is being given up is offered again.
    void reported()
      .then(() => untilStored(() => this.#context.store.load(sandboxId), open))
      .then(
        (loaded) => {
          if (!loaded) return;
          const { state } = loaded;
          const resume = deliverable(state) ?? (joined && claimedBefore(state, joined.client));
          if (!resume) return;
          for (const { client } of takers) {
            if (members.get(client.connectionId)?.client === client) offer(client, state, resume);
          }
        },
        (error: unknown) =>
          this.#context.log.error({ err: error, sandboxId }, "could not read the resume prompt"),
      );
  }
}

function offer(client: Client, { sandboxId, epoch }: SandboxState, resume: Resume): void {
  const { requestId, prompt, handoff } = resume;
  client.send({ type: "resume.prompt", sandboxId, requestId, epoch, prompt, handoff });
}

/** What this client took on another connection than this one; its agent may drive. */
function claimedBefore(
  { control, resumes }: SandboxState,
  { clientId, connectionId }: Client,
): Resume | undefined {
  if (control.mode !== "ai" || control.phase !== "active") return undefined;
  return resumes.find(
    (resume) =>
      resume.status === "running" && resume.clientId === clientId && resume.sessionId !== connectionId,
  );
}
