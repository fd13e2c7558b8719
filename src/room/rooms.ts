/** All rooms of this node: opened when somebody needs one, closed a while after the last has gone. */
import type { AgentPolicy } from "../../protocol/agent.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { BrowserSource } from "../../protocol/http.ts";
import type { EventActor, EventType, Sandbox } from "../../protocol/sandbox.ts";
import { initialState, nextDeadline, publicView, type SandboxState } from "../core/state.ts";
import { announce } from "../core/step.ts";
import { dispatch, sandboxNotFound } from "./dispatch.ts";
import type { RoomContext } from "./context.ts";
import { Room } from "./room.ts";

export type RoomsContext = Omit<RoomContext, "stream" | "previous" | "gone" | "unused">;

/** After a deadline could not be looked at. */
const POSTPONE_MS = 2_000;

/** How long one look waits for the deadlines that it found. */
const PATIENCE_MS = 250;

/** Endings that nobody asked for, and that are on record all the same (H4, H5). */
const BY_TIME: ReadonlySet<EventType> = new Set(["handoff.expired", "handoff.returned", "control.released"]);

interface Entry {
  readonly opening: Promise<Room>;
  /** Once it is open. */
  room: Room | null;
  linger: NodeJS.Timeout | undefined;
}

export class Rooms {
  readonly context: RoomsContext;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new Map<string, Promise<void>>();
  /** Sandboxes whose deadline could not be looked at, each with when to try again. Those that are due bound it. */
  readonly #postponed = new Map<string, number>();
  /** Those whose deadline is being looked at. */
  readonly #settling = new Set<string>();
  #streams = 0;
  #closed = false;

  constructor(context: RoomsContext) {
    this.context = context;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The room, held open until `release` is called.
   * @throws BatonError `sandbox_not_found`, `unavailable`
   */
  async acquire(sandboxId: string): Promise<{ room: Room; release: () => void }> {
    if (this.#closed)
      throw new BatonError("unavailable", "The gateway is shutting down. Connect again in a moment.");
    const entry = this.#entries.get(sandboxId) ?? this.#open(sandboxId);
    const room = await entry.opening;
    clearTimeout(entry.linger);
    return { room, release: room.hold() };
  }

  /**
   * Creates a sandbox, and starts or checks its browser first: an answered call has a browser that works.
   * Creating the same sandbox with the same browser again answers the one that is there.
   * @param agentPolicy undefined: `hold` for a new sandbox, whatever it is for one that is there
   * @throws BatonError `sandbox_exists`; BrowserError when there is no such browser
   */
  async create(
    sandboxId: string,
    source: BrowserSource | null,
    by: EventActor,
    signal: AbortSignal,
    agentPolicy?: AgentPolicy,
  ): Promise<Sandbox> {
    const { store, browsers } = this.context;
    const existing = await store.load(sandboxId);
    if (existing) return sameAsAsked(existing.state, source, agentPolicy);
    if (!source || !("launch" in source)) {
      if (source) await browsers.check(source, signal);
      return this.#store(sandboxId, source, by, undefined, agentPolicy);
    }
    const { endpoint, abandon } = await browsers.launch(sandboxId, source.url, signal);
    try {
      return await this.#store(sandboxId, source, by, endpoint, agentPolicy);
    } catch (error) {
      // Without an answer it may be in: the same call again finds out, and a browser that nobody has is reaped.
      if (!(error instanceof BatonError && error.retryable)) await abandon();
      throw error;
    }
  }

  /** @throws BatonError `sandbox_not_found` */
  async remove(sandboxId: string): Promise<void> {
    if (!(await this.context.store.remove(sandboxId))) throw sandboxNotFound(sandboxId);
    const endBrowser = this.context.browsers.take(sandboxId);
    const entry = this.#entries.get(sandboxId);
    // The store's own message may come later than the room is closed.
    entry?.room?.removed();
    if (entry) await this.#close(entry).catch(() => {});
    await endBrowser();
  }

  /**
   * Looks at sandboxes whose deadline has passed; any number of nodes may do the same at once. Resolves to how many
   * were settled: one that fails keeps no other waiting.
   * @throws BatonError `unavailable`
   */
  async tick(limit: number): Promise<number> {
    const now = performance.now();
    for (const [sandboxId, until] of this.#postponed) if (until <= now) this.#postponed.delete(sandboxId);
    // One shard that takes no writes must not hold up the deadlines of the others, nor fill the batch.
    const busy = this.#postponed.size + this.#settling.size;
    const due = await this.context.store.due(limit + busy);
    const ready = due.filter(
      (sandboxId) => !this.#postponed.has(sandboxId) && !this.#settling.has(sandboxId),
    );
    let settled = 0;
    const all = ready.map(async (sandboxId) => {
      if (await this.#settleDeadline(sandboxId)) settled += 1;
    });
    // Nor may one that is slow: it goes on beside the next look.
    let patience: NodeJS.Timeout | undefined;
    const impatient = new Promise((resolve) => (patience = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([Promise.all(all), impatient]);
    clearTimeout(patience);
    return settled;
  }

  /** Says again who is connected to this node, for whoever relies on it. */
  vouch(): void {
    this.#each((room) => room.vouch());
  }

  /** The others have forgotten this node. */
  reannounce(): void {
    this.#each((room) => room.reannounce());
  }

  /** A node has fallen silent: who was there, and what it saw, counts no more. */
  nodeGone(nodeId: string): void {
    this.#each((room) => room.nodeGone(nodeId));
  }

  async close(): Promise<void> {
    this.#closed = true;
    // A room that failed to open is not there to be closed.
    await Promise.allSettled([...this.#entries.values()].map((entry) => this.#close(entry)));
    await Promise.all(this.#closing.values());
  }

  async #settleDeadline(sandboxId: string): Promise<boolean> {
    this.#settling.add(sandboxId);
    try {
      const { events } = await dispatch(this.context.store, sandboxId, { type: "tick" });
      for (const { type, epoch, changes } of events) {
        if (!BY_TIME.has(type)) continue;
        const requestId = changes.handoff?.requestId;
        void this.context.audit.record({
          action: type,
          outcome: "ok",
          sandboxId,
          epoch,
          ...(requestId !== undefined && { requestId }),
        });
      }
      return true;
    } catch (error) {
      if (error instanceof BatonError && error.code === "sandbox_not_found") return false;
      this.#postponed.set(sandboxId, performance.now() + POSTPONE_MS);
      if (!(error instanceof BatonError && error.retryable))
        this.context.log.error({ err: error, sandboxId }, "looking at a deadline failed; trying again");
      return false;
    } finally {
      this.#settling.delete(sandboxId);
    }
  }

  #each(call: (room: Room) => void): void {
    // One that is still being opened reads what is true by itself.
    for (const { room } of this.#entries.values()) if (room) call(room);
  }

  async #store(
    sandboxId: string,
    source: BrowserSource | null,
    by: EventActor,
    endpoint: string | undefined,
    agentPolicy: AgentPolicy | undefined,
  ): Promise<Sandbox> {
    const { store } = this.context;
    const now = await store.now();
    const empty = initialState(sandboxId, source, now, endpoint, agentPolicy);
    const { state, events } = announce(empty, empty, "sandbox.created", now, by);
    if (await store.create(state, events, nextDeadline(state))) return publicView(state);
    // Somebody else created it meanwhile.
    const winner = await store.load(sandboxId);
    if (!winner) throw sandboxNotFound(sandboxId);
    return sameAsAsked(winner.state, source, agentPolicy);
  }

  #open(sandboxId: string): Entry {
    this.#streams += 1;
    const context: RoomContext = {
      ...this.context,
      stream: this.#streams,
      previous: this.#closing.get(sandboxId) ?? Promise.resolve(),
      gone: () => this.#gone(sandboxId, entry),
      unused: () => this.#unused(sandboxId, entry),
    };
    const entry: Entry = { opening: Room.open(sandboxId, context), room: null, linger: undefined };
    this.#entries.set(sandboxId, entry);
    entry.opening.then(
      (room) => {
        entry.room = room;
      },
      () => {
        if (this.#entries.get(sandboxId) === entry) this.#entries.delete(sandboxId);
      },
    );
    return entry;
  }

  #gone(sandboxId: string, entry: Entry): void {
    if (this.#entries.get(sandboxId) !== entry) return;
    this.#entries.delete(sandboxId);
    void this.#close(entry).catch(() => {});
  }

  #unused(sandboxId: string, entry: Entry): void {
    // Closed already: what it waited for has come to its end.
    if (this.#entries.get(sandboxId) !== entry) return;
    clearTimeout(entry.linger);
    entry.linger = setTimeout(() => {
      void entry.opening.then((room) => (room.idle ? this.#close(entry) : undefined)).catch(() => {});
    }, this.context.settings.lingerMs);
  }

  async #close(entry: Entry): Promise<void> {
    clearTimeout(entry.linger);
    const room = await entry.opening;
    // A room that is closing already may have a successor under the same id.
    if (this.#entries.get(room.sandboxId) === entry) this.#entries.delete(room.sandboxId);
    const closing = room.close().catch((error: unknown) => {
      this.context.log.error({ err: error, sandboxId: room.sandboxId }, "closing a room failed");
    });
    // A successor that closes meanwhile has waited for this one.
    this.#closing.set(room.sandboxId, closing);
    await closing;
    if (this.#closing.get(room.sandboxId) === closing) this.#closing.delete(room.sandboxId);
  }
}

/** @throws BatonError `sandbox_exists` */
function sameAsAsked(
  state: SandboxState,
  source: BrowserSource | null,
  agentPolicy: AgentPolicy | undefined,
): Sandbox {
  const { sandboxId, browser } = state;
  const otherBrowser = source !== null && JSON.stringify(browser?.source) !== JSON.stringify(source);
  const otherPolicy = agentPolicy !== undefined && agentPolicy !== (state.agentPolicy ?? "hold");
  if (!otherBrowser && !otherPolicy) return publicView(state);
  throw new BatonError(
    "sandbox_exists",
    `Sandbox ${sandboxId} exists with another ${otherBrowser ? "browser" : "agentPolicy"}. Remove it first, or choose another id.`,
    { sandboxId },
  );
}
