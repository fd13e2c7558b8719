/** Opens agents' CDP connections: finds the sandbox and its browser, and puts the gate between them. */
import type { LookupFunction } from "node:net";
import { nanoid } from "nanoid";
import { z } from "zod";
import { AgentPolicy } from "../../protocol/agent.ts";
import { invalidMessage } from "../../protocol/codec.ts";
import { BatonError } from "../../protocol/errors.ts";
import { Name, SandboxId } from "../../protocol/ids.ts";
import { callerOf } from "../auth/auth.ts";
import { refuseTokenInAddress, tokenOf } from "../auth/bearer.ts";
import { actedFor, type Door } from "../auth/door.ts";
import { noTokens, type Identity } from "../auth/identity.ts";
import type { TokenEnd } from "../auth/revocations.ts";
import { authorize, authorizeName, OPEN_GRANT, type Caller } from "../core/access.ts";
import type { Logger } from "../ops/log.ts";
import type { Entrance } from "../room/attachment.ts";
import type { Operations } from "../room/operations.ts";
import type { Room } from "../room/room.ts";
import type { Rooms } from "../room/rooms.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import type { Handshake, Opening, Pipe } from "../transport/transport.ts";
import { AgentConnection } from "./agent-connection.ts";
import { AgentMember } from "./agent-member.ts";
import { BatonDomain } from "./baton-domain.ts";
import { Upstream } from "./upstream.ts";

export interface AgentsOptions {
  readonly rooms: Rooms;
  readonly operations: Operations;
  readonly log: Logger;
  readonly door: Door;
  /** Where their commands may lead browsers. */
  readonly navigation: TargetPolicy;
}

/** Who connects, and as what it is taken: over CDP everybody is the agent. */
interface Admitted {
  readonly caller: Caller;
  /** As their token says, for the record and the limits. */
  readonly bearer: Caller;
  readonly identity?: Identity;
}

interface Given extends Admitted {
  readonly policy: AgentPolicy | undefined;
  /** Of one page's own address. */
  readonly page: string | undefined;
  readonly release: () => void;
}

/** Largest message in either direction: an upload or a screenshot is one. */
export const MAX_CDP_MESSAGE_BYTES = 256 * 1024 * 1024;
/** Connections to one sandbox from one node, those that are only waited for included. */
const MAX_CONNECTIONS = 64;
/** How long Chromium may take to open its side. */
const CONNECT_MS = 10_000;

const PATH = /^\/v1\/sandboxes\/([^/]+)\/cdp(?:\/devtools\/(browser|page)\/([A-Za-z0-9-]{1,64}))?\/?$/;

const Query = z.object({
  /** Default: the sandbox's, which is `hold` by default. */
  policy: AgentPolicy.optional(),
  /** What people see in the list of who is here. Default: the token's subject, or `agent`. */
  name: Name.optional(),
});

export class Agents {
  readonly #options: AgentsOptions;
  readonly #counts = new Map<string, number>();

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  /**
   * @returns null: nothing at this path
   * @throws BatonError `invalid_message`, `sandbox_not_found`, `browser_unavailable`, `browser_attach_failed`,
   *   `too_many`, `unavailable`
   */
  async open(handshake: Handshake, signal: AbortSignal): Promise<Opening | null> {
    const [, id, kind, targetId] = PATH.exec(handshake.path) ?? [];
    if (id === undefined) return null;
    const sandboxId = SandboxId.safeParse(id);
    if (!sandboxId.success) throw invalidMessage(sandboxId.error, "The sandbox's id");
    refuseTokenInAddress(handshake.query);
    const query = Query.safeParse(Object.fromEntries(handshake.query));
    if (!query.success) throw invalidMessage(query.error, "The query");
    const admitted = await this.#admit(handshake, query.data.name, sandboxId.data);
    const release = this.#count(sandboxId.data, admitted.bearer);
    try {
      const acquired = await this.#options.rooms.acquire(sandboxId.data);
      const releaseAll = (): void => {
        acquired.release();
        release();
      };
      try {
        const page = kind === "page" ? targetId : undefined;
        return await this.#prepare(
          acquired.room,
          { ...admitted, policy: query.data.policy, page, release: releaseAll },
          signal,
        );
      } catch (error) {
        acquired.release();
        throw error;
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @throws BatonError `unauthorized`, `forbidden`, `unavailable` */
  async #admit(handshake: Handshake, name: string | undefined, sandboxId: string): Promise<Admitted> {
    const { door } = this.#options;
    const address = door.addressOf(handshake);
    if (!door.auth) {
      const caller: Caller = { name: name ?? "agent", role: "agent", grant: OPEN_GRANT, address };
      return { caller, bearer: caller };
    }
    const identity = await door.identify(door.auth, tokenOf(handshake), address);
    const bearer = callerOf(identity, address);
    try {
      authorize(bearer, "cdp.connect", sandboxId);
      authorizeName(bearer, name);
      door.limits.kind(bearer.name, "cdp.connect");
    } catch (error) {
      door.refused(bearer, "cdp.connect", error, { sandboxId });
      throw error;
    }
    return { caller: { ...bearer, role: "agent", name: name ?? bearer.name }, bearer, identity };
  }

  async #prepare(room: Room, given: Given, signal: AbortSignal): Promise<Opening> {
    const entrance = await room.attachment.entrance();
    const upstream = await this.#connect(addressOf(entrance, given.page), entrance.lookup, signal);
    return {
      accept: (pipe) => this.#accept(pipe, room, entrance, upstream, given),
      abandon: () => {
        upstream.terminate();
        given.release();
      },
    };
  }

  async #connect(url: string, lookup: LookupFunction | undefined, signal: AbortSignal): Promise<Upstream> {
    try {
      const late = AbortSignal.timeout(CONNECT_MS);
      return await Upstream.connect(url, MAX_CDP_MESSAGE_BYTES, AbortSignal.any([signal, late]), lookup);
    } catch (error) {
      throw new BatonError(
        "browser_unavailable",
        "The browser does not take another connection. Wait until the preview is live, then connect again.",
        undefined,
        { cause: error },
      );
    }
  }

  #accept(
    pipe: Pipe,
    room: Room,
    { gate, link }: Entrance,
    upstream: Upstream,
    given: Given,
  ): AgentConnection {
    const { operations, rooms, log } = this.#options;
    const { caller, bearer } = given;
    const { sandboxId } = room;
    const policy = given.policy ?? room.sandbox.agentPolicy ?? "hold";
    const connectionId = `cdp_${nanoid(12)}`;
    const { metrics } = rooms.context;
    const member = new AgentMember({
      connectionId,
      name: caller.name,
      policy,
      room,
      log,
      prompt: (prompt) => domain.prompt(prompt),
    });
    const domain = new BatonDomain({
      sandboxId,
      show: (bytes) => connection.show(bytes),
      calls: {
        get: () => operations.get(sandboxId, caller),
        waitForEnd: (waitMs, signal) => operations.waitForEnd(sandboxId, caller, waitMs, signal),
        request: async (params) => (await operations.request(sandboxId, caller, params)).settled,
        cancel: async (params) => (await operations.cancel(sandboxId, caller, params)).settled,
        answerResume: (params) => member.answer(params),
        takesPrompts: () => member.takePrompts(),
        refreshToken: (token) => life.refresh(token),
      },
    });
    const life = this.#watch(given, sandboxId, (how) => connection.close(how));
    const unsubscribe = link.subscribe({
      // Also a dialog of a page that the agent gets no events of.
      blocked: () => connection.pagesChanged(),
      // Nobody waits for the browser any longer.
      status: (status) => void (status === "gone" && connection.cut()),
    });
    const connection = new AgentConnection({
      upstream,
      gate,
      policy,
      navigation: this.#options.navigation,
      root: given.page === undefined ? { type: "browser" } : { type: "page", targetId: given.page },
      metrics,
      baton: (command, params) => domain.command(command, params),
      failed: (error) =>
        log.warn({ sandboxId, at: placeOf(error) }, "an agent's connection failed, and was ended"),
      sessionEnded: (sessionId) => domain.forget(sessionId),
      waiting: (count) => member.waiting(count),
      acted: this.#recorder(given, room),
      isBlocked: (targetId) => link.blocked.has(targetId),
      known: (known) => domain.changed(known),
      left: () => {
        life.stop();
        domain.close();
        member.leave();
      },
      ended: () => {
        unsubscribe();
        given.release();
      },
    });
    member.join();
    metrics.cdpConnections.inc();
    const { door } = this.#options;
    void door.did(bearer, {
      action: "cdp.connect",
      sandboxId,
      epoch: room.sandbox.epoch,
      detail: { policy, ...actedFor(bearer, caller.name).detail },
    });
    return connection.start(pipe);
  }

  /** Once an epoch: who drove, and who was refused to, not every command. */
  #recorder({ bearer }: Admitted, room: Room): (outcome: "ok" | "refused") => void {
    const { door } = this.#options;
    const recorded = { ok: 0, refused: 0 };
    return (outcome) => {
      const { epoch, sandboxId, control } = room.sandbox;
      if (recorded[outcome] === epoch) return;
      recorded[outcome] = epoch;
      if (outcome === "ok") return void door.did(bearer, { action: "cdp.command", sandboxId, epoch });
      const who = control.controller ?? "nobody";
      const refusal = new BatonError("not_controller", `Not the agent drives, but ${who}. Wait for control.`);
      door.refused(bearer, "cdp.command", refusal, { sandboxId, epoch });
    };
  }

  /** Ends the connection with its token, or with the newest that it was refreshed with. */
  #watch({ caller, identity }: Admitted, sandboxId: string, ended: (how: TokenEnd) => void): Life {
    const { door } = this.#options;
    const { auth } = door;
    if (!auth || !identity) return { refresh: () => Promise.reject(noTokens()), stop: () => {} };
    let present = identity;
    const watch = auth.watch(identity, ended);
    return {
      refresh: async (token) => {
        const newer = await door.refresh(auth, present, token, caller.address);
        authorize(callerOf(newer, caller.address), "cdp.connect", sandboxId);
        present = newer;
        watch.update(newer);
        return newer.expiresAt;
      },
      stop: () => watch.stop(),
    };
  }

  /** @throws BatonError `too_many` */
  #count(sandboxId: string, { address, name }: Caller): () => void {
    const count = this.#counts.get(sandboxId) ?? 0;
    if (count >= MAX_CONNECTIONS) {
      throw new BatonError(
        "too_many",
        `${count} CDP connections to sandbox ${sandboxId} are open here. Close some, then connect again.`,
        { limit: "cdp_connections" },
      );
    }
    const leave = this.#options.door.limits.socket(address, name);
    this.#counts.set(sandboxId, count + 1);
    let counted = true;
    return () => {
      if (!counted) return;
      counted = false;
      leave();
      const left = (this.#counts.get(sandboxId) ?? 1) - 1;
      if (left === 0) this.#counts.delete(sandboxId);
      else this.#counts.set(sandboxId, left);
    };
  }
}

/** How long a connection may stay. */
interface Life {
  /** Resolves to when the newer token ends, epoch milliseconds. */
  readonly refresh: (token: string) => Promise<number>;
  readonly stop: () => void;
}

/** One page's own address stands beside the browser's. */
function addressOf({ endpoint }: Entrance, page: string | undefined): string {
  if (page === undefined) return endpoint;
  const url = new URL(endpoint);
  url.pathname = url.pathname.replace(/\/devtools\/browser\/[^/]*$/, `/devtools/page/${page}`);
  return url.href;
}

/** Where it was thrown. Its message may quote what the page says, which no log may hold (G3). */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return (
    stack
      .split("\n")
      .find((line) => line.includes("/cdp/"))
      ?.trim() ?? "unknown"
  );
}
