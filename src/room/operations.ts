/**
 * The calls of the handoff and control API, as the socket and HTTP offer them: check the right, commit, wait until the
 * change is in force, answer. A call that is answered is durable (H6).
 */
import { nanoid } from "nanoid";
import type {
  PassControlParams,
  ReleaseControlParams,
  SetPrivacyParams,
  TakeControlParams,
} from "../../protocol/control.ts";
import { BatonError } from "../../protocol/errors.ts";
import type {
  AcceptHandoffParams,
  CancelHandoffParams,
  CompleteHandoffParams,
  Handoff,
  HandoffOrigin,
  RequestHandoffParams,
} from "../../protocol/handoff.ts";
import type { HandoffResult, Role, Sandbox } from "../../protocol/sandbox.ts";
import { actedFor, type Door } from "../auth/door.ts";
import { allowed, authorize, authorizeName, countedAs, type Caller, type Operation } from "../core/access.ts";
import type { Command } from "../core/commands.ts";
import { publicView } from "../core/state.ts";
import { requestOf } from "./dispatch.ts";
import { handoffResult } from "./result.ts";
import type { Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";

/** How a call goes on after its commit; the next call of the same client need not wait for it. */
export interface Committed {
  readonly settled: Promise<HandoffResult>;
}

/** Of any change: its key, and whom it names. */
interface Params {
  readonly idempotencyKey?: string;
  readonly controller?: string;
  readonly by?: string;
}

export class Operations {
  readonly #rooms: Rooms;
  readonly #door: Door;

  constructor(rooms: Rooms, door: Door) {
    this.#rooms = rooms;
    this.#door = door;
  }

  async get(sandboxId: string, caller: Caller): Promise<HandoffResult> {
    this.#permit(caller, "handoff.get", sandboxId);
    const { room, release } = await this.#rooms.acquire(sandboxId);
    try {
      return this.#answer(room.sandbox, room.sandbox.handoff);
    } finally {
      release();
    }
  }

  /** Long poll: answers when the handoff has ended and control has arrived, or when the time is over, whatever then is. */
  async waitForEnd(
    sandboxId: string,
    caller: Caller,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<HandoffResult> {
    this.#permit(caller, "handoff.get", sandboxId);
    const { room, release } = await this.#rooms.acquire(sandboxId);
    try {
      const ended = ({ handoff, control }: Sandbox): boolean =>
        handoff?.status !== "pending" && handoff?.status !== "accepted" && control.phase === "active";
      const sandbox = await room.until(ended, waitMs, signal).catch((error: unknown) => {
        if (error instanceof BatonError && error.code === "timeout") return room.sandbox;
        throw error;
      });
      return this.#answer(sandbox, sandbox.handoff);
    } finally {
      release();
    }
  }

  async request(sandboxId: string, caller: Caller, params: RequestHandoffParams): Promise<Committed> {
    this.#permit(caller, "handoff.request", sandboxId);
    const origin = originOf(caller.role);
    const { requestedBy = origin } = params;
    // People decide by it whom they help: an agent's request must not look like a colleague's.
    if (requestedBy !== origin && !caller.grant.actFor) {
      throw new BatonError(
        "forbidden",
        `A request with the role ${caller.role} is requestedBy ${origin}. Leave it out, or use a token with act_for.`,
        { requestedBy: origin },
      );
    }
    this.#door.limits.kind(countedAs(caller), "handoff.request");
    return this.#change(sandboxId, caller, "handoff.request", params, {
      type: "handoff.request",
      requestId: nanoid(),
      reason: params.reason,
      message: params.message,
      requestedBy,
      ...(params.resumePrompt !== undefined && { resumePrompt: params.resumePrompt }),
      ...(params.privacy !== undefined && { privacy: params.privacy }),
      expiresInMs: params.expiresInMs ?? this.#rooms.context.settings.handoffTtlMs,
    });
  }

  async accept(sandboxId: string, caller: Caller, params: AcceptHandoffParams): Promise<Committed> {
    this.#permit(caller, "handoff.accept", sandboxId, params.controller);
    const { controller, requestId, privacy } = params;
    const command: Command = {
      type: "handoff.accept",
      controller,
      ...(requestId !== undefined && { requestId }),
      ...(privacy !== undefined && { privacy }),
    };
    return this.#change(sandboxId, caller, "handoff.accept", params, command, controller);
  }

  async complete(sandboxId: string, caller: Caller, params: CompleteHandoffParams): Promise<Committed> {
    this.#permit(caller, "handoff.complete", sandboxId, params.controller);
    const { settings } = this.#rooms.context;
    const command: Command = {
      type: "handoff.complete",
      controller: params.controller,
      ...(params.requestId !== undefined && { requestId: params.requestId }),
      returnControlTo: params.returnControlTo ?? "ai",
      runResumePrompt: params.runResumePrompt ?? false,
      ...(params.note !== undefined && { note: params.note }),
      override: allowed(caller, "handoff.override"),
    };
    return this.#change(
      sandboxId,
      caller,
      "handoff.complete",
      params,
      command,
      undefined,
      async (room, handoff) => {
        if (!params.runResumePrompt || handoff?.resumePrompt === undefined) return undefined;
        // It is delivered when the person gives the browser back: nobody can say when that is.
        if (params.returnControlTo === "human") return { ok: true };
        return resumeOutcome(room, handoff.requestId, params.resumeWaitMs ?? settings.resumeWaitMs);
      },
    );
  }

  async cancel(sandboxId: string, caller: Caller, params: CancelHandoffParams): Promise<Committed> {
    const { requestId, note, by } = params;
    this.#permit(caller, "handoff.cancel", sandboxId, by);
    const command: Command = {
      type: "handoff.cancel",
      ...(requestId !== undefined && { requestId }),
      ...(note !== undefined && { note }),
    };
    return this.#change(sandboxId, caller, "handoff.cancel", params, command);
  }

  async take(sandboxId: string, caller: Caller, params: TakeControlParams): Promise<Committed> {
    this.#permit(caller, "control.take", sandboxId, params.controller);
    if (params.force) this.#permit(caller, "control.force", sandboxId);
    const command: Command = {
      type: "control.take",
      controller: params.controller,
      force: params.force ?? false,
      ...(params.privacy !== undefined && { privacy: params.privacy }),
    };
    return this.#change(sandboxId, caller, "control.take", params, command, params.controller);
  }

  async release(sandboxId: string, caller: Caller, params: ReleaseControlParams): Promise<Committed> {
    this.#permit(caller, "control.release", sandboxId, params.controller);
    return this.#change(sandboxId, caller, "control.release", params, {
      type: "control.release",
      controller: params.controller,
    });
  }

  async pass(sandboxId: string, caller: Caller, params: PassControlParams): Promise<Committed> {
    this.#permit(caller, "control.pass", sandboxId, params.controller);
    const { controller, to } = params;
    return this.#change(sandboxId, caller, "control.pass", params, {
      type: "control.pass",
      controller,
      to,
      // Whoever is passed the browser and is nowhere has the grace time to come (H5).
      graceMs: this.#rooms.context.settings.graceMs,
    });
  }

  async setPrivacy(sandboxId: string, caller: Caller, params: SetPrivacyParams): Promise<Committed> {
    this.#permit(caller, "control.privacy", sandboxId, params.controller);
    const { controller, privacy } = params;
    const command: Command = { type: "control.privacy", controller, privacy };
    return this.#change(sandboxId, caller, "control.privacy", params, command, controller);
  }

  /** @param named whom the call names @throws BatonError `forbidden` */
  #permit(caller: Caller, operation: Operation, sandboxId: string, named?: string): void {
    try {
      authorize(caller, operation, sandboxId);
      authorizeName(caller, named);
    } catch (error) {
      this.#door.refused(caller, operation, error, { sandboxId });
      throw error;
    }
  }

  /**
   * @param claimant the person who must hold the browser when this answers (C2)
   * @param after what the answer waits for once control has arrived
   */
  async #change(
    sandboxId: string,
    caller: Caller,
    operation: Operation,
    params: Params,
    command: Command,
    claimant?: string,
    after?: (room: Room, handoff: Handoff | null) => Promise<HandoffResult["resume"]>,
  ): Promise<Committed> {
    const { room, release } = await this.#rooms.acquire(sandboxId);
    try {
      const { idempotencyKey, ...rest } = params;
      // Where everybody is who they say, a name keeps nobody apart.
      const owner = caller.tokenId ? caller.name : undefined;
      const request = requestOf(operation, idempotencyKey, rest, owner);
      const receiver = receiverOf(command);
      const seen = receiver === undefined ? undefined : room.attendance.sightingOf(receiver);
      const by = { name: params.by ?? caller.name, role: caller.role };
      const outcome = await room.dispatch({ ...command, by, ...(seen && { seen }) }, request);
      // What changes nothing can be asked for without end, and would push out of the record what others did.
      const recorded =
        outcome.changed &&
        this.#door.did(caller, {
          action: operation,
          sandboxId,
          epoch: outcome.state.epoch,
          ...(outcome.handoff && { requestId: outcome.handoff.requestId }),
          ...actedFor(caller, params.controller ?? params.by),
        });
      // A repeated claim is answered as the first time, whoever drives by now (H6).
      const mustHold = outcome.repeated ? undefined : claimant;
      const committed = publicView(outcome.state);
      // What is answered is on record too; writing it takes no longer than the drain.
      const settled = Promise.all([this.#settle(room, committed, outcome.handoff, mustHold, after), recorded])
        .then(([result]) => result)
        .finally(release);
      // Somebody awaits it; until then a rejection is not an unhandled one.
      settled.catch(() => {});
      return { settled };
    } catch (error) {
      release();
      this.#door.refused(caller, operation, error, { sandboxId, epoch: room.sandbox.epoch });
      throw error;
    }
  }

  async #settle(
    room: Room,
    committed: Sandbox,
    handoff: Handoff | null,
    claimant: string | undefined,
    after: ((room: Room, handoff: Handoff | null) => Promise<HandoffResult["resume"]>) | undefined,
  ): Promise<HandoffResult> {
    const { drainWaitMs } = this.#rooms.context.settings;
    const arrived = (now: Sandbox): boolean =>
      now.seq >= committed.seq && (now.epoch > committed.epoch || now.control.phase === "active");
    const sandbox = await room.until(arrived, drainWaitMs).catch((error: unknown) => {
      if (!(error instanceof BatonError && error.code === "timeout")) throw error;
      const text =
        "The change is recorded, but the page has not finished what it was doing. Wait for control.active, or repeat the call to wait on.";
      throw new BatonError("timeout", text, { epoch: committed.epoch });
    });
    if (claimant !== undefined && sandbox.control.controller !== claimant) {
      throw new BatonError(
        "not_controller",
        "Control moved on before it arrived. Read the sandbox to see who drives.",
        {
          ...(sandbox.control.controller !== undefined && { controller: sandbox.control.controller }),
          epoch: sandbox.epoch,
        },
      );
    }
    const resume = await after?.(room, handoff);
    return this.#answer(room.sandbox, handoff, resume);
  }

  #answer(sandbox: Sandbox, handoff: Handoff | null, resume?: HandoffResult["resume"]): HandoffResult {
    return handoffResult(sandbox, handoff, this.#rooms.context.settings.publicUrl(), resume);
  }
}

/** Waits for the agent's answer. Without one in time the prompt still stands: it is stored, and will be delivered. */
async function resumeOutcome(
  room: Room,
  requestId: string,
  waitMs: number,
): Promise<NonNullable<HandoffResult["resume"]>> {
  const answered = ({ resume }: Sandbox): boolean =>
    resume?.requestId !== requestId || resume.status === "answered" || resume.status === "failed";
  const sandbox = await room.until(answered, waitMs).catch((error: unknown) => {
    if (error instanceof BatonError && error.code === "timeout") return room.sandbox;
    throw error;
  });
  const { resume } = sandbox;
  if (resume?.requestId !== requestId) return { ok: true };
  return {
    ok: resume.status !== "failed",
    ...(resume.sessionId !== undefined && { sessionId: resume.sessionId }),
    ...(resume.response !== undefined && { response: resume.response }),
  };
}

/** The person who holds the browser after this, and may be connected here. */
function receiverOf(command: Command): string | undefined {
  const { type } = command;
  if (type === "handoff.accept" || type === "control.take") return command.controller;
  return type === "control.pass" && command.to !== "ai" ? command.to : undefined;
}

function originOf(role: Role): HandoffOrigin {
  switch (role) {
    case "agent":
    case "worker":
    case "sdk":
      return role;
    case "operator":
    case "viewer":
    case "admin":
      return "dashboard";
  }
}
