/**
 * What this node tells the store of who is connected to it: the controller's connections (H5), and those that took
 * resume prompts (R1). Its word has an end, so that a node that dies takes it along; it is given again in time.
 */
import { BatonError } from "../../protocol/errors.ts";
import type { Command, Seen } from "../core/commands.ts";
import type { RoomContext } from "./context.ts";
import { standsFor, type Client } from "./member.ts";
import type { Members } from "./members.ts";
import type { Presence } from "./presence.ts";
import { untilStored } from "./until-stored.ts";

export interface AttendanceHooks {
  readonly sandboxId: string;
  readonly members: Members;
  readonly presence: Presence;
  readonly controller: () => string | undefined;
  readonly dispatch: (command: Command) => Promise<unknown>;
  /** Keeps the room open until the returned function is called. */
  readonly hold: () => () => void;
  readonly removed: () => boolean;
  readonly closed: () => boolean;
}

/** A socket that claimed the browser, and what became of that. */
export interface Attending {
  /** The claim is stored, or may be. */
  readonly committed: () => void;
  readonly refused: () => void;
  /** The socket is gone: the grace time begins, if its person drives and has no other connection. */
  readonly leave: () => void;
}

interface Claimant {
  readonly client: Client;
  committed: boolean;
  /** Counts it no more; false when it was not counted any more before. */
  readonly end: () => boolean;
}

export class Attendance {
  readonly #context: RoomContext;
  readonly #hooks: AttendanceHooks;
  /** Connections over which a resume prompt was claimed. */
  readonly #claimers = new Set<string>();
  /** Sockets that claimed the browser. */
  readonly #claimants = new Set<Claimant>();
  /** Reports go to the store in order: a late `left` must not follow its `here`. */
  #reports: Promise<void> = Promise.resolve();
  #vouching = false;

  constructor(context: RoomContext, hooks: AttendanceHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** Resolves when what was reported until now is stored, or given up. Never rejects. */
  get reported(): Promise<void> {
    return this.#reports;
  }

  isHere(controller: string): boolean {
    for (const { client } of this.#hooks.members.acting) if (standsFor(client, controller)) return true;
    for (const { client } of this.#claimants) if (standsFor(client, controller)) return true;
    return false;
  }

  /**
   * Counts a socket that claims the browser as a connection of its person; keeps the room open meanwhile.
   * @param ended called once when it is counted no more
   */
  attend(client: Client, ended: () => void): Attending {
    const release = this.#hooks.hold();
    const claimant: Claimant = {
      client,
      committed: false,
      end: () => {
        if (!this.#claimants.delete(claimant)) return false;
        release();
        ended();
        return true;
      },
    };
    this.#claimants.add(claimant);
    return {
      committed: () => {
        claimant.committed = true;
        // It closed while the claim was on its way: what it said then was too early.
        if (!this.#claimants.has(claimant)) this.away(client.name);
      },
      refused: () => void claimant.end(),
      leave: () => {
        if (claimant.end()) this.away(client.name);
      },
    };
  }

  /** Who no longer drives needs no counting; nor does anybody where there is nothing to drive. */
  controlChanged(removed = false): void {
    const controller = this.#hooks.controller();
    for (const { client, committed, end } of Array.from(this.#claimants))
      if (removed || (committed && !standsFor(client, controller))) end();
  }

  /** Where a person is connected, as far as this node knows: goes with the command that gives them the browser. */
  sightingOf(name: string): Seen | undefined {
    const nodeId = this.isHere(name) ? this.#context.nodeId : this.#hooks.presence.nodeOf(name);
    return nodeId === undefined ? undefined : this.#sighting(nodeId);
  }

  /** Says that the controller is here, if that is so when its turn comes. */
  controllerHere(): void {
    this.report(() => {
      const controller = this.#hooks.controller();
      if (controller === undefined || !this.isHere(controller)) return null;
      return { type: "controller.here", controller, ...this.#sighting(this.#context.nodeId) };
    });
  }

  /** Starts the grace time if `name` drives and has no connection any more, here or on another node (H5). */
  away(name: string): void {
    const { nodeId, settings } = this.#context;
    this.report(() =>
      this.isHere(name)
        ? null
        : { type: "controller.left", controller: name, nodeId, graceMs: settings.graceMs },
    );
  }

  /** @throws BatonError `resume_not_found`, `resume_taken`, and those of `dispatch` */
  async claimResume({ clientId, connectionId, name, role }: Client, requestId: string): Promise<void> {
    await this.#hooks.dispatch({
      type: "resume.claim",
      requestId,
      clientId,
      sessionId: connectionId,
      leaseMs: this.#context.settings.sightingMs,
      by: { name, role },
    });
    this.#claimers.add(connectionId);
    // It may have left while the claim was stored.
    if (!this.#hooks.members.all.has(connectionId)) this.left(connectionId);
  }

  /** A connection that may have claimed prompts is gone. */
  left(sessionId: string): void {
    if (!this.#claimers.delete(sessionId)) return;
    const { graceMs } = this.#context.settings;
    this.report(() => ({ type: "resume.away", sessionId, graceMs }));
  }

  /** To be called well within `settings.sightingMs`: gives this node's word again. */
  vouch(): void {
    // While the store is away one turn waits for it, not one for each call.
    if (this.#vouching) return;
    this.#vouching = true;
    const { sightingMs } = this.#context.settings;
    const controller = this.#hooks.controller();
    if (controller !== undefined && this.isHere(controller)) this.controllerHere();
    for (const sessionId of this.#claimers) {
      this.report(() =>
        this.#claimers.has(sessionId) ? { type: "resume.held", sessionId, leaseMs: sightingMs } : null,
      );
    }
    void this.#reports.finally(() => (this.#vouching = false));
  }

  /**
   * For what nobody waits for: a refusal means that the matter settled itself.
   * @param what what is to be said when its turn comes; `null`: nothing any more
   */
  report(what: () => Command | null): void {
    const { sandboxId, dispatch, hold, removed, closed } = this.#hooks;
    const release = hold();
    const step = async (): Promise<true> => {
      const command = removed() ? null : what();
      if (command) await dispatch(command);
      return true;
    };
    this.#reports = this.#reports
      .then(async () => {
        if (!(await untilStored(step, () => !closed()))) throw new Error("the gateway is shutting down");
      })
      .catch((error: unknown) => {
        if (error instanceof BatonError && !error.retryable) return;
        this.#context.log.error({ err: error, sandboxId }, "a background change failed");
      })
      .finally(release);
  }

  #sighting(nodeId: string): Seen {
    const { graceMs, sightingMs } = this.#context.settings;
    return { nodeId, leaseMs: sightingMs, graceMs };
  }
}
