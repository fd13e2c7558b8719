/**
 * One sandbox as this node knows it: a replica of its public state, the members that follow it here, and, while it is
 * needed, the attached browser with its gate and preview. It decides nothing: changes go through `dispatch`, and come
 * back as events.
 */
import { encodeDown } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Position } from "../../protocol/ids.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import {
  applyEvent,
  type Member as PresentMember,
  type Sandbox,
  type SandboxEvent,
} from "../../protocol/sandbox.ts";
import type { Command } from "../core/commands.ts";
import { deliverable } from "../core/resume.ts";
import type { Resume, SandboxState } from "../core/state.ts";
import type { Catchup, Unsubscribe } from "../store/store.ts";
import { Attachment } from "./attachment.ts";
import { dispatch, sandboxNotFound, type Outcome, type Request } from "./dispatch.ts";
import { standsFor, type Client, type JoinOptions, type Member } from "./member.ts";
import type { RoomContext } from "./context.ts";
import { untilStored } from "./until-stored.ts";

interface Waiter {
  readonly check: (sandbox: Sandbox) => boolean;
  readonly resolve: (sandbox: Sandbox) => void;
  readonly reject: (error: Error) => void;
}

export class Room {
  readonly sandboxId: string;
  readonly attachment: Attachment;
  readonly #context: RoomContext;
  readonly #members = new Map<string, Member>();
  readonly #waiters = new Set<Waiter>();
  #sandbox: Sandbox;
  #unsubscribe: Unsubscribe = () => {};
  #holds = 0;
  #removed = false;
  #closed = false;
  #refilling = false;
  /** What the room reports of its members goes to the store in order: a late `away` must not follow its `back`. */
  #reports: Promise<void> = Promise.resolve();
  #presenceQueued = false;

  private constructor(sandbox: Sandbox, context: RoomContext) {
    this.sandboxId = sandbox.sandboxId;
    this.#sandbox = sandbox;
    this.#context = context;
    this.attachment = new Attachment(this.sandboxId, context, {
      dispatch: (command) => this.dispatch(command),
      broadcast: (message) => this.#broadcast(message),
      send: (connectionId, message) => this.#members.get(connectionId)?.client.send(message),
      current: () => this.#sandbox,
    });
  }

  /**
   * Subscribes first, then reads, then merges by number: no event falls between the two (E2).
   * @throws BatonError `sandbox_not_found`, `unavailable`
   */
  static async open(sandboxId: string, context: RoomContext): Promise<Room> {
    const early: SandboxEvent[] = [];
    let room: Room | null = null;
    let removedEarly = false;
    const unsubscribe = await context.store.subscribe(sandboxId, {
      event: (event) => (room ? room.#receive(event) : early.push(event)),
      removed: () => {
        removedEarly = true;
        if (room) room.#remove();
      },
    });
    try {
      const read = await context.store.read(sandboxId, null);
      if (read?.kind !== "snapshot" || removedEarly) throw sandboxNotFound(sandboxId);
      room = new Room(read.snapshot, context);
      room.#unsubscribe = unsubscribe;
      for (const event of early) room.#receive(event);
      return room;
    } catch (error) {
      unsubscribe();
      throw error;
    }
  }

  get sandbox(): Sandbox {
    return this.#sandbox;
  }

  get presence(): PresentMember[] {
    const seen = [...this.#members.values()].filter(({ passive }) => !passive);
    return seen.map(({ client }) => ({
      connectionId: client.connectionId,
      name: client.name,
      role: client.role,
      watching: this.attachment.preview.watches(client.connectionId),
    }));
  }

  get idle(): boolean {
    return this.#members.size === 0 && this.#holds === 0;
  }

  /** Keeps the room open; the returned function lets go of it. */
  hold(): () => void {
    this.#holds += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      if (this.idle) this.#context.unused(this.sandboxId);
    };
  }

  dispatch(command: Command, request?: Request): Promise<Outcome> {
    return dispatch(this.#context.store, this.sandboxId, command, request);
  }

  /** Adds a client and sends it `sandbox.joined`, then every event after it, none twice. */
  async join(client: Client, options: JoinOptions): Promise<void> {
    const { id, since = null, resume = false, passive = false } = options;
    const member: Member = { client, resume, passive, seq: 0, backlog: [] };
    this.#members.set(client.connectionId, member);
    let past: Catchup | null;
    try {
      past = await this.#context.store.read(this.sandboxId, since);
    } catch (error) {
      this.#depart(member);
      throw error;
    }
    if (!past || this.#removed) {
      this.#depart(member);
      throw sandboxNotFound(this.sandboxId);
    }
    // It may have left, or joined again, while the store was read.
    if (this.#members.get(client.connectionId) !== member) return;
    this.#greet(member, id, since, past);
    if (passive) return;
    this.attachment.need();
    this.#queuePresence();
    if (standsFor(client, this.#sandbox.control.controller)) this.#controllerBack(client.name);
    if (resume) this.#deliverResume(member);
  }

  leave(connectionId: string): void {
    const member = this.#members.get(connectionId);
    if (member) this.#depart(member);
  }

  /** Starts the grace time if `name` drives and has no connection here any more (H5). */
  checkAway(name: string): void {
    if (this.#sandbox.control.controller !== name) return;
    const { graceMs } = this.#context.settings;
    this.#report(() => (this.#isHere(name) ? null : { type: "controller.away", controller: name, graceMs }));
  }

  watch(client: Client, options: PreviewOptions): void {
    this.attachment.preview.start(client.connectionId, client, options);
    this.#queuePresence();
  }

  unwatch(connectionId: string): void {
    this.attachment.preview.stop(connectionId);
    this.#queuePresence();
  }

  /**
   * Resolves with the first state, now or later, that satisfies `check`.
   * @throws BatonError `timeout`, `sandbox_not_found` when it is removed, `unavailable` when the gateway shuts down;
   *   the signal's reason when aborted
   */
  async until(
    check: (sandbox: Sandbox) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Sandbox> {
    signal?.throwIfAborted();
    if (check(this.#sandbox)) return this.#sandbox;
    if (this.#removed) throw sandboxNotFound(this.sandboxId);
    if (this.#closed) throw shuttingDown();
    const release = this.hold();
    const cleanups: (() => void)[] = [release];
    try {
      return await new Promise<Sandbox>((resolve, reject) => {
        const waiter: Waiter = { check, resolve, reject };
        this.#waiters.add(waiter);
        const timer = setTimeout(
          () => reject(new BatonError("timeout", "The time given ran out. Ask again to wait on.")),
          timeoutMs,
        );
        const abort = (): void =>
          reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
        signal?.addEventListener("abort", abort, { once: true });
        cleanups.push(
          () => this.#waiters.delete(waiter),
          () => clearTimeout(timer),
          () => signal?.removeEventListener("abort", abort),
        );
      });
    } finally {
      for (const cleanup of cleanups) cleanup();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    for (const waiter of this.#waiters) waiter.reject(shuttingDown());
    await Promise.all([this.attachment.close(), this.#reports]);
  }

  #greet(member: Member, id: string, since: Position | null, past: Catchup): void {
    const { client } = member;
    const events = past.kind === "events" ? past.events : [];
    const last = events.at(-1);
    const position: Position =
      past.kind === "snapshot"
        ? { epoch: past.snapshot.epoch, seq: past.snapshot.seq }
        : last
          ? { epoch: last.epoch, seq: last.seq }
          : (since ?? { epoch: 0, seq: 0 });
    client.send({
      type: "sandbox.joined",
      id,
      sandboxId: this.sandboxId,
      ...(past.kind === "snapshot" && { snapshot: past.snapshot }),
      position,
      members: this.presence,
      tabs: this.attachment.tabs,
      dialog: this.attachment.dialog,
      serverTime: Date.now(),
    });
    for (const event of events) client.send({ type: "event", event });
    member.seq = position.seq;
    const backlog = member.backlog ?? [];
    member.backlog = null;
    for (const { event, text } of backlog) this.#give(member, event, text);
  }

  #receive(event: SandboxEvent): void {
    if (event.seq <= this.#sandbox.seq) return;
    if (event.seq > this.#sandbox.seq + 1) return void this.#refill();
    this.#sandbox = applyEvent(this.#sandbox, event);
    this.#context.metrics.events.inc({ type: event.type });
    // The gate first: whoever lost control is shut out before anybody hears of it.
    this.attachment.update(this.#sandbox);
    const text = encodeDown({ type: "event", event });
    for (const member of this.#members.values()) this.#give(member, event, text);
    for (const waiter of this.#waiters) if (waiter.check(this.#sandbox)) waiter.resolve(this.#sandbox);
    if (event.changes.control || event.changes.resume) this.#deliverResume();
  }

  #give(member: Member, event: SandboxEvent, text: string): void {
    if (member.backlog) {
      member.backlog.push({ event, text });
    } else if (event.seq > member.seq) {
      member.seq = event.seq;
      member.client.sendText(text);
    }
  }

  /** The subscription lost events: read them from the log; what the log no longer has costs members a reconnect. */
  async #refill(): Promise<void> {
    if (this.#refilling) return;
    this.#refilling = true;
    try {
      const { epoch, seq } = this.#sandbox;
      const read = await this.#context.store.read(this.sandboxId, { epoch, seq });
      if (!read) return this.#remove();
      if (read.kind === "snapshot") {
        this.#sandbox = read.snapshot;
        this.attachment.update(this.#sandbox);
        for (const { client } of this.#members.values()) client.lost();
      } else {
        for (const event of read.events) this.#receive(event);
      }
    } catch (error) {
      this.#context.log.error(
        { err: error, sandboxId: this.sandboxId },
        "could not read missed events; members must reconnect",
      );
      for (const { client } of this.#members.values()) client.lost();
    } finally {
      this.#refilling = false;
    }
  }

  #remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    const gone = sandboxNotFound(this.sandboxId);
    for (const waiter of this.#waiters) waiter.reject(gone);
    this.#broadcast({ type: "sandbox.left", sandboxId: this.sandboxId, reason: "removed" });
    const members = [...this.#members.values()];
    this.#members.clear();
    for (const { client } of members) client.removed(this.sandboxId);
    this.#context.unused(this.sandboxId);
  }

  /** Left, or was never quite here: others may have seen who is being joined, and waited for its leaving. */
  #depart(member: Member): void {
    const { client, passive, resume } = member;
    this.#forget(member);
    if (passive) return;
    this.attachment.preview.stop(client.connectionId);
    this.#queuePresence();
    this.checkAway(client.name);
    if (resume) this.#resumeAway(client.clientId);
  }

  #forget(member: Member): void {
    if (this.#members.get(member.client.connectionId) === member)
      this.#members.delete(member.client.connectionId);
    if (this.idle) this.#context.unused(this.sandboxId);
  }

  #broadcast(message: DownMessage): void {
    if (this.#members.size === 0) return;
    const text = encodeDown(message);
    for (const { client, backlog } of this.#members.values()) if (!backlog) client.sendText(text);
  }

  /** One list for all who came and went in this turn of the event loop. */
  #queuePresence(): void {
    if (this.#presenceQueued) return;
    this.#presenceQueued = true;
    setImmediate(() => {
      this.#presenceQueued = false;
      this.#broadcast({ type: "presence", sandboxId: this.sandboxId, members: this.presence });
    });
  }

  #isHere(controller: string): boolean {
    return [...this.#members.values()].some(
      ({ client, passive }) => !passive && standsFor(client, controller),
    );
  }

  #controllerBack(controller: string): void {
    this.#report(() => (this.#isHere(controller) ? { type: "controller.back", controller } : null));
  }

  #resumeAway(clientId: string): void {
    if (this.#sandbox.resume === null) return;
    const { graceMs } = this.#context.settings;
    this.#report(() =>
      [...this.#members.values()].some(({ client, resume }) => resume && client.clientId === clientId)
        ? null
        : { type: "resume.away", clientId, graceMs },
    );
  }

  /**
   * R1: whoever takes prompts here is offered the one that waits; claims decide who gets it.
   * @param joined offers to this one only, also what its client claimed on a connection that may be gone unnoticed
   */
  #deliverResume(joined?: Member): void {
    const takers = (joined ? [joined] : [...this.#members.values()]).filter(
      ({ resume, backlog }) => resume && !backlog,
    );
    if (takers.length === 0) return;
    // After what is still to be reported: a claim that is being given up is offered again.
    void this.#reports
      .then(() =>
        untilStored(
          () => this.#context.store.load(this.sandboxId),
          () => !this.#closed,
        ),
      )
      .then(
        (loaded) => {
          if (!loaded) return;
          const { state } = loaded;
          const resume = deliverable(state) ?? (joined && claimedBefore(state, joined.client));
          if (!resume) return;
          const { requestId, prompt, handoff } = resume;
          for (const member of takers) {
            const { client } = member;
            if (this.#members.get(client.connectionId) !== member) continue;
            client.send({
              type: "resume.prompt",
              sandboxId: this.sandboxId,
              requestId,
              epoch: state.epoch,
              prompt,
              handoff,
            });
          }
        },
        (error: unknown) =>
          this.#context.log.error(
            { err: error, sandboxId: this.sandboxId },
            "could not read the resume prompt",
          ),
      );
  }

  /**
   * For what nobody waits for: a refusal means that the matter settled itself.
   * @param what what is to be said when its turn comes; `null`: nothing any more
   */
  #report(what: () => Command | null): void {
    const release = this.hold();
    this.#reports = this.#reports
      .then(async () => {
        const step = async (): Promise<true> => {
          const command = this.#removed ? null : what();
          if (command) await this.dispatch(command);
          return true;
        };
        if (!(await untilStored(step, () => !this.#closed))) throw shuttingDown();
      })
      .catch((error: unknown) => {
        if (error instanceof BatonError && !error.retryable) return;
        this.#context.log.error({ err: error, sandboxId: this.sandboxId }, "a background change failed");
      })
      .finally(release);
  }
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

function shuttingDown(): BatonError {
  return new BatonError("unavailable", "The gateway is shutting down. Connect again and repeat the call.");
}
