/** Opens agents' CDP connections: finds the sandbox and its browser, and puts the gate between them. */
import { nanoid } from "nanoid";
import { z } from "zod";
import { AgentPolicy } from "../../protocol/agent.ts";
import { invalidMessage } from "../../protocol/codec.ts";
import { BatonError } from "../../protocol/errors.ts";
import { Name, SandboxId } from "../../protocol/ids.ts";
import type { Logger } from "../ops/log.ts";
import type { Entrance } from "../room/attachment.ts";
import type { Operations } from "../room/operations.ts";
import type { Room } from "../room/room.ts";
import type { Rooms } from "../room/rooms.ts";
import type { Opening, Pipe, PipeRequest } from "../transport/transport.ts";
import { AgentConnection } from "./agent-connection.ts";
import { AgentMember } from "./agent-member.ts";
import { BatonDomain } from "./baton-domain.ts";
import { Upstream } from "./upstream.ts";

export interface AgentsOptions {
  readonly rooms: Rooms;
  readonly operations: Operations;
  readonly log: Logger;
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
  /** What people see in the list of who is here. */
  name: Name.default("agent"),
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
  async open(request: PipeRequest, signal: AbortSignal): Promise<Opening | null> {
    const [, id, kind, targetId] = PATH.exec(request.path) ?? [];
    if (id === undefined) return null;
    const sandboxId = SandboxId.safeParse(id);
    if (!sandboxId.success) throw invalidMessage(sandboxId.error, "The sandbox's id");
    const query = Query.safeParse(Object.fromEntries(request.query));
    if (!query.success) throw invalidMessage(query.error, "The query");
    const release = this.#count(sandboxId.data);
    try {
      const acquired = await this.#options.rooms.acquire(sandboxId.data);
      const releaseAll = (): void => {
        acquired.release();
        release();
      };
      try {
        const page = kind === "page" ? targetId : undefined;
        return await this.#prepare(acquired.room, query.data, page, releaseAll, signal);
      } catch (error) {
        acquired.release();
        throw error;
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  async #prepare(
    room: Room,
    { policy, name }: z.infer<typeof Query>,
    page: string | undefined,
    release: () => void,
    signal: AbortSignal,
  ): Promise<Opening> {
    const entrance = await room.attachment.entrance();
    const upstream = await this.#connect(addressOf(entrance, page), signal);
    return {
      accept: (pipe) => this.#accept(pipe, room, entrance, upstream, { policy, name, page, release }),
      abandon: () => {
        upstream.terminate();
        release();
      },
    };
  }

  async #connect(url: string, signal: AbortSignal): Promise<Upstream> {
    try {
      const late = AbortSignal.timeout(CONNECT_MS);
      return await Upstream.connect(url, MAX_CDP_MESSAGE_BYTES, AbortSignal.any([signal, late]));
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
    given: { policy?: AgentPolicy | undefined; name: string; page: string | undefined; release: () => void },
  ): AgentConnection {
    const { operations, rooms, log } = this.#options;
    const { sandboxId } = room;
    const policy = given.policy ?? room.sandbox.agentPolicy ?? "hold";
    const caller = { name: given.name, role: "agent" } as const;
    const connectionId = `cdp_${nanoid(12)}`;
    const { metrics } = rooms.context;
    const member = new AgentMember({
      connectionId,
      name: given.name,
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
      },
    });
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
      root: given.page === undefined ? { type: "browser" } : { type: "page", targetId: given.page },
      metrics,
      baton: (command, params) => domain.command(command, params),
      failed: (error) =>
        log.warn({ sandboxId, at: placeOf(error) }, "an agent's connection failed, and was ended"),
      sessionEnded: (sessionId) => domain.forget(sessionId),
      waiting: (count) => member.waiting(count),
      isBlocked: (targetId) => link.blocked.has(targetId),
      known: (known) => domain.changed(known),
      left: () => {
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
    return connection.start(pipe);
  }

  /** @throws BatonError `too_many` */
  #count(sandboxId: string): () => void {
    const count = this.#counts.get(sandboxId) ?? 0;
    if (count >= MAX_CONNECTIONS) {
      throw new BatonError(
        "too_many",
        `${count} CDP connections to sandbox ${sandboxId} are open here. Close some, then connect again.`,
        { limit: "cdp_connections" },
      );
    }
    this.#counts.set(sandboxId, count + 1);
    let counted = true;
    return () => {
      if (!counted) return;
      counted = false;
      const left = (this.#counts.get(sandboxId) ?? 1) - 1;
      if (left === 0) this.#counts.delete(sandboxId);
      else this.#counts.set(sandboxId, left);
    };
  }
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
