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
import { applyEvent, type Sandbox, type SandboxEvent } from "../../protocol/sandbox.ts";
import type { Command } from "../core/commands.ts";
import { publicView } from "../core/state.ts";
import type { Catchup, SandboxListener, Unsubscribe } from "../store/store.ts";
import { SharedText } from "../transport/shared-text.ts";
import { Attachment } from "./attachment.ts";
import { dispatch, sandboxNotFound, type Outcome, type Request } from "./dispatch.ts";
import { Attendance } from "./attendance.ts";
import { Curtain } from "./curtain.ts";
import { Members, type Roster } from "./members.ts";
import { Presence } from "./presence.ts";
import { ResumeDelivery } from "./resume-delivery.ts";
import { standsFor, type Client, type JoinOptions, type Member } from "./member.ts";
import type { RoomContext } from "./context.ts";
import { isBehind } from "./gate.ts";
import { untilStored } from "./until-stored.ts";
import { Waiters } from "./waiters.ts";

/** Events kept while the past is being read; more are read again instead. */
const MAX_HELD = 1_000;

export class Room {
  readonly sandboxId: string;
  readonly attachment: Attachment;
  readonly attendance: Attendance;
  readonly #presence: Presence;
  readonly #resumes: ResumeDelivery;
  readonly #curtain: Curtain;
  readonly #context: RoomContext;
  readonly #members = new Members();
  readonly #waiters = new Waiters();
  #sandbox: Sandbox;
  #unsubscribe: Unsubscribe = () => {};
  #holds = 0;
  #removed = false;
  #closed = false;
  #refilling = false;
  #refillAgain = false;
  /** Events that came while the past was being read. */
  readonly #held: SandboxEvent[] = [];

  private constructor(sandbox: Sandbox, context: RoomContext) {
    this.sandboxId = sandbox.sandboxId;
    this.#sandbox = sandbox;
    this.#context = context;
    this.#curtain = new Curtain(sandbox, {
      sandboxId: this.sandboxId,
      members: this.#members.all,
      stage: () => this.attachment,
    });
    this.attachment = new Attachment(this.sandboxId, context, {
      dispatch: (command) => this.dispatch(command),
      show: (message) => this.#curtain.show(message),
      sees: (connectionId) => this.#curtain.isSeenBy(connectionId),
      send: (connectionIds, message) => {
        const text = new SharedText(encodeDown(message));
        for (const connectionId of connectionIds) this.#members.all.get(connectionId)?.client.sendText(text);
      },
      current: () => this.#sandbox,
      missed: () => void this.#refill(),
    });
    this.#presence = new Presence(context, {
      sandboxId: this.sandboxId,
      here: () => this.#here(),
      size: () => this.#members.shown,
      changed: () => this.#broadcast({ type: "presence", sandboxId: this.sandboxId, ...this.#presence.sent }),
    });
    this.attendance = new Attendance(context, {
      sandboxId: this.sandboxId,
      members: this.#members,
      presence: this.#presence,
      controller: () => this.#sandbox.control.controller,
      dispatch: (command) => this.dispatch(command),
      hold: () => this.hold(),
      removed: () => this.#removed,
      closed: () => this.#closed,
    });
    this.#resumes = new ResumeDelivery(context, {
      sandboxId: this.sandboxId,
      members: this.#members.all,
      reported: () => this.attendance.reported,
      open: () => !this.#closed,
    });
  }

  /**
   * Subscribes first, then reads, then merges by number: no event falls between the two (E2).
   * @throws BatonError `sandbox_not_found`, `unavailable`
   */
  static async open(sandboxId: string, context: RoomContext): Promise<Room> {
    const early: ((room: Room) => void)[] = [];
    let room: Room | null = null;
    let removedEarly = false;
    const tell = (what: (room: Room) => void): void => {
      if (room) what(room);
      else early.push(what);
    };
    const listener: SandboxListener = {
      event: (event) => tell((to) => to.#receive(event)),
      roster: (change) => tell((to) => to.#presence.heard(change)),
      lost: () => tell((to) => to.#reconnected()),
      removed: () => {
        removedEarly = true;
        if (room) room.#remove();
      },
    };
    const unsubscribe = await context.store.subscribe(sandboxId, listener);
    try {
      const read = await context.store.read(sandboxId, null);
      if (read?.kind !== "snapshot" || removedEarly) throw sandboxNotFound(sandboxId);
      const opened = new Room(read.snapshot, context);
      opened.#unsubscribe = unsubscribe;
      await opened.#presence.read();
      // From here on nothing is awaited: what came early is told before what comes now.
      room = opened;
      for (const what of early) what(opened);
      if (removedEarly) throw sandboxNotFound(sandboxId);
      return opened;
    } catch (error) {
      unsubscribe();
      throw error;
    }
  }

  get sandbox(): Sandbox {
    return this.#sandbox;
  }

  get idle(): boolean {
    return this.#members.all.size === 0 && this.#holds === 0;
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

  async dispatch(command: Command, request?: Request): Promise<Outcome> {
    const outcome = await dispatch(this.#context.store, this.sandboxId, command, request);
    this.#curtain.foresee(publicView(outcome.state), this.#sandbox);
    return outcome;
  }

  /** Adds a client and sends it `sandbox.joined`, then every event after it, none twice. */
  async join(client: Client, options: JoinOptions): Promise<void> {
    const { id, since = null, resume = false, passive = false } = options;
    const member: Member = { client, resume, passive, seq: 0, backlog: [] };
    this.#members.add(member);
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
    if (this.#members.all.get(client.connectionId) !== member) return;
    this.#curtain.foreseeIn(past, this.#sandbox);
    this.#greet(member, id, since, past);
    if (passive) return;
    this.attachment.need();
    this.#presence.queue(client);
    if (standsFor(client, this.#sandbox.control.controller)) this.attendance.controllerHere();
    if (resume) this.#resumes.deliver(member);
  }

  leave(connectionId: string): void {
    const member = this.#members.all.get(connectionId);
    if (member) this.#depart(member);
  }

  /** Says again who is connected here, for whoever relies on it. */
  vouch(): void {
    this.#presence.repeat();
    this.attendance.vouch();
  }

  /** What others see of a member here is no longer so. */
  memberChanged(client: Client): void {
    this.#presence.queue(client);
  }

  /** The other nodes have forgotten this one: it tells them anew. */
  reannounce(): void {
    this.#presence.announce();
    this.attachment.restate();
  }

  /** The sandbox was removed, as somebody here knows first. */
  removed(): void {
    this.#remove();
  }

  nodeGone(nodeId: string): void {
    this.#presence.nodeGone(nodeId);
    if (this.#sandbox.browser) this.attendance.report(() => ({ type: "node.gone", nodeId }));
  }

  watch(client: Client, options: PreviewOptions): void {
    this.attachment.preview.start(client.connectionId, client, options);
    this.#presence.queue(client);
  }

  unwatch(client: Client): void {
    this.attachment.preview.stop(client.connectionId);
    this.#presence.queue(client);
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
    try {
      return await this.#waiters.wait(check, timeoutMs, signal);
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#waiters.fail(shuttingDown());
    await Promise.all([this.attachment.close(), this.attendance.reported, this.#presence.close()]);
  }

  #here(): Roster {
    return this.#members.listed(({ client: { connectionId, name, role, cdp } }) => ({
      connectionId,
      name,
      role,
      watching: this.attachment.preview.watches(connectionId),
      ...(cdp && { cdp: { policy: cdp.policy, held: cdp.held } }),
    }));
  }

  /** The subscription broke off for a while: anything may have been missed, or lost. */
  #reconnected(): void {
    this.attachment.doubt();
    void this.#refill();
    this.#presence.refresh(() => !this.#closed && !this.#removed);
    this.#presence.announce();
    this.attendance.vouch();
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
      ...this.#presence.sent,
      ...this.#curtain.pageFor(client),
      serverTime: Date.now(),
    });
    for (const event of events) client.send({ type: "event", event });
    member.seq = position.seq;
    const backlog = member.backlog ?? [];
    member.backlog = null;
    for (const { event, text } of backlog) this.#give(member, event, text);
  }

  #receive(event: SandboxEvent): void {
    // What comes while the past is being read may be of a history that this replica is not of.
    if (this.#refilling) {
      this.#held.push(event);
      if (this.#held.length < MAX_HELD) return;
      this.#held.length = 0;
      this.#refillAgain = true;
      return;
    }
    if (event.seq <= this.#sandbox.seq) return;
    if (event.seq > this.#sandbox.seq + 1) return void this.#refill();
    const before = this.#sandbox.control.controller;
    this.#sandbox = applyEvent(this.#sandbox, event);
    this.#context.metrics.events.inc({ type: event.type });
    // The gate first: whoever lost control is shut out before anybody hears of it.
    this.attachment.update(this.#sandbox);
    this.#curtain.follow(this.#sandbox);
    const text = new SharedText(encodeDown({ type: "event", event }));
    for (const member of this.#members.all.values()) this.#give(member, event, text);
    this.#waiters.look(this.#sandbox);
    if (event.changes.control || event.changes.resume) this.#resumes.deliver();
    if (event.changes.control) this.attendance.controlChanged();
    const { controller } = this.#sandbox.control;
    if (controller === undefined || !this.attendance.isHere(controller)) return;
    // Taken for gone, or given the browser by somebody who may not have known where they are.
    const given = controller !== before && event.by?.name !== controller;
    if (given || event.type === "control.away") this.attendance.controllerHere();
  }

  #give(member: Member, event: SandboxEvent, text: SharedText): void {
    if (member.backlog) {
      member.backlog.push({ event, text });
    } else if (event.seq > member.seq) {
      member.seq = event.seq;
      member.client.sendText(text);
    }
  }

  /**
   * The subscription lost events: reads them from the log, for as long as it takes to reach the store. What the log no
   * longer has, or never had in this form, costs members a reconnect.
   */
  async #refill(): Promise<void> {
    this.#refillAgain = true;
    if (this.#refilling) return;
    this.#refilling = true;
    try {
      while (this.#refillAgain && !this.#removed && !this.#closed) {
        this.#refillAgain = false;
        const { epoch, seq } = this.#sandbox;
        const read = await untilStored(
          async () => ({ past: await this.#context.store.read(this.sandboxId, { epoch, seq }) }),
          () => !this.#closed && !this.#removed,
        );
        if (!read) return;
        if (!read.past) return this.#remove();
        this.#adopt(read.past);
      }
    } catch (error) {
      this.#context.log.error(
        { err: error, sandboxId: this.sandboxId },
        "could not read missed events; members must reconnect",
      );
      for (const { client } of this.#members.all.values()) client.lost();
    } finally {
      this.#refilling = false;
      for (const event of this.#held.splice(0)) this.#receive(event);
    }
  }

  #adopt(past: Catchup): void {
    if (past.kind === "events") {
      this.#refilling = false;
      for (const event of past.events) this.#receive(event);
      this.#refilling = true;
      this.#curtain.reached(this.#sandbox);
      return;
    }
    const before = this.#sandbox;
    this.#sandbox = past.snapshot;
    if (isBehind(past.snapshot, before)) this.attachment.reset(past.snapshot);
    else this.attachment.update(past.snapshot);
    this.#curtain.restart(past.snapshot);
    for (const { client } of this.#members.all.values()) client.lost();
    this.#waiters.look(this.#sandbox);
    this.#resumes.deliver();
    if (past.snapshot.epoch < before.epoch) {
      this.#context.log.warn(
        { sandboxId: this.sandboxId, lost: before.seq - past.snapshot.seq },
        "the store lost its last changes of this sandbox; control is settled anew from what is left",
      );
      this.attendance.report(() => ({ type: "control.fence", epoch: before.epoch }));
    }
  }

  #remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    const gone = sandboxNotFound(this.sandboxId);
    this.#waiters.fail(gone);
    this.#broadcast({ type: "sandbox.left", sandboxId: this.sandboxId, reason: "removed" });
    for (const { client } of this.#members.clear()) client.removed(this.sandboxId);
    this.attendance.controlChanged(true);
    this.#context.gone();
  }

  /** Left, or was never quite here: others may have seen who is being joined, and waited for its leaving. */
  #depart(member: Member): void {
    const { client, passive } = member;
    this.#forget(member);
    if (passive) return;
    this.attachment.preview.stop(client.connectionId);
    this.#presence.queue(client);
    if (this.#sandbox.control.controller === client.name) this.attendance.away(client.name);
    this.attendance.left(client.connectionId);
  }

  #forget(member: Member): void {
    this.#members.remove(member);
    if (this.idle) this.#context.unused(this.sandboxId);
  }

  #broadcast(message: DownMessage): void {
    if (this.#members.all.size === 0) return;
    const text = new SharedText(encodeDown(message));
    for (const { client, backlog } of this.#members.all.values()) if (!backlog) client.sendText(text);
  }
}

function shuttingDown(): BatonError {
  return new BatonError("unavailable", "The gateway is shutting down. Connect again and repeat the call.");
}
