/**
 * One agent's CDP connection. Bytes pass as they are while the agent may drive; while it may not, what would act on the
 * page waits or is refused (G1), and goes on in order when control returns (G2). It is a channel of the gate: a change
 * of control waits until nothing that came through here is under way.
 */
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { CloseReason } from "../../protocol/errors.ts";
import { GATE_PROOF_MS } from "../core/commands.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Channel } from "../room/channel.ts";
import type { Gate, Known } from "../room/gate.ts";
import type { Pipe, PipeHandler } from "../transport/transport.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import type { Command } from "./commands.ts";
import { Destinations } from "./destinations.ts";
import { Drain } from "./drain.ts";
import { markFocus } from "./focus-mark.ts";
import { readCommand } from "./intake.ts";
import { errorMessage, notDriving } from "./messages.ts";
import { Reception } from "./reception.ts";
import { Returning } from "./returning.ts";
import { peek } from "./scan.ts";
import { Sessions } from "./sessions.ts";
import type { SessionState } from "./session-state.ts";
import { OWN_IDS_FROM, type Upstream } from "./upstream.ts";
import { View } from "./view.ts";

export interface AgentConnectionOptions {
  readonly upstream: Upstream;
  readonly gate: Gate;
  readonly policy: AgentPolicy;
  /** Where its commands may lead the browser. */
  readonly navigation: TargetPolicy;
  /** What the socket itself leads to. */
  readonly root: { readonly type: "browser" | "page"; readonly targetId?: string };
  readonly metrics: Metrics;
  /** Takes a command of the `Baton` domain. */
  readonly baton: (command: Command, params: unknown) => void;
  /** The number of waiting commands changed. */
  readonly waiting: (count: number) => void;
  /** A command that drives has left, or was refused because somebody else drives. */
  readonly acted: (outcome: "ok" | "refused") => void;
  /** Whether a dialog is open in this page. */
  readonly isBlocked: (targetId: string) => boolean;
  /** What the gate knows has changed. */
  readonly known: (known: Known) => void;
  readonly sessionEnded: (sessionId: string) => void;
  /** It ends because of this; for the log. */
  readonly failed: (error: unknown) => void;
  /** The client is gone, or will be told nothing more. Called once. */
  readonly left: () => void;
  /** Nothing of it is under way: it may be forgotten. Called once, after `left`. */
  readonly ended: () => void;
}

/** Unsent bytes beyond which the other side is not read. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** Unsent bytes beyond which a client that does not read loses its connection, where reading must go on for a drain. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
/** How long the end waits for a page that does not answer. */
const END_MS = 3_000;
/** After the store could not be asked. */
const RETRY_MS = 250;

export class AgentConnection implements Channel, PipeHandler {
  readonly #options: AgentConnectionOptions;
  readonly #upstream: Upstream;
  readonly #gate: Gate;
  readonly #sessions: Sessions;
  readonly #destinations: Destinations;
  readonly #reception: Reception;
  readonly #view: View;
  readonly #drain: Drain;
  readonly #returning: Returning;
  readonly #leaveGate: () => void;
  #pipe: Pipe | null = null;
  /** What came from the browser while it was not certain that the agent may see it. */
  #unseen: Buffer[] = [];
  /** How often the gate was passed over, as far as this connection has heard. */
  #passedOver = 0;
  #drainingSince = -Infinity;
  /** The drain of this epoch is over: from then on only what the store confirmed counts. */
  #drainedEpoch = 0;
  #settling = false;
  #settleAgain = false;
  #retry: NodeJS.Timeout | undefined;
  #gone = false;
  /** The client is gone, and a person drives. */
  #lingers = false;
  #ended = false;

  constructor(options: AgentConnectionOptions) {
    this.#options = options;
    const { upstream, gate, root } = options;
    this.#upstream = upstream;
    this.#gate = gate;
    this.#sessions = new Sessions(root.type, root.targetId);
    this.#view = new View({
      upstream,
      sessions: this.#sessions,
      notDriving: (method) => (this.#reception.agentDrives ? null : notDriving(method, gate.known)),
      secrets: () => gate.secrets,
      wasPrivate: () => gate.wasPrivate,
      agentDrives: () => this.#reception.agentDrives,
      show: (bytes) => this.#show(bytes),
      answered: (session, id) => this.#answered(session, id),
      sessionEnded: (session) => this.#sessionEnded(session),
      progress: () => this.#drain.progress(),
    });
    this.#reception = new Reception({
      gate,
      policy: options.policy,
      sessions: this.#sessions,
      upstream,
      view: this.#view,
      metrics: options.metrics,
      show: (bytes) => this.#show(bytes),
      close: (reason, detail) => this.close(reason, detail),
      baton: options.baton,
      waiting: options.waiting,
      acted: options.acted,
      mark: (session) => void this.#mark(session),
      quiet: (session) => this.#drain.quietOne(session),
      settle: () => this.#settle(),
    });
    this.#destinations = new Destinations({
      policy: options.navigation,
      read: (bytes) => {
        const command = readCommand(bytes, this.#sessions);
        if (!Buffer.isBuffer(command)) return command;
        this.#show(command);
        return undefined;
      },
      pass: (command) => this.#reception.receive(command),
      refuse: ({ id, session }, refusal) => {
        options.metrics.cdpCommands.inc({ outcome: "deny" });
        this.#show(errorMessage({ id, ...(session.id !== undefined && { sessionId: session.id }) }, refusal));
      },
      pause: () => this.#pipe?.pause(),
      resume: () => {
        if (upstream.bufferedBytes <= HIGH_WATER_BYTES) this.#pipe?.resume();
      },
      guard: (step) => this.#guard(step),
    });
    this.#drain = new Drain(upstream, this.#sessions, () => {
      this.close("resync", "a command of yours had no end while control changed; connect again");
      upstream.terminate();
    });
    this.#returning = new Returning({
      upstream,
      sessions: this.#sessions,
      commands: this.#reception.commands,
      show: (bytes) => this.#show(bytes),
    });
    this.#leaveGate = gate.join(this);
  }

  /** From here on both sides are read. */
  start(pipe: Pipe): this {
    this.#pipe = pipe;
    // A drain that is under way already may be the end of a private time.
    const control = this.#gate.known?.control;
    if (!control || control.privacy || control.phase === "draining") this.#view.draw();
    this.#passedOver = this.#gate.passedOver;
    this.#upstream.start({
      message: (bytes) => this.#guard(() => this.#fromBrowser(bytes)),
      drained: () => this.#pipe?.resume(),
      closed: () => this.#browserGone(),
    });
    this.changed();
    return this;
  }

  // --- the client's side

  message(bytes: Buffer): void {
    this.#guard(() => this.#destinations.receive(bytes));
    if (this.#upstream.bufferedBytes > HIGH_WATER_BYTES) this.#pipe?.pause();
  }

  drained(): void {
    this.#upstream.resume();
  }

  closed(): void {
    this.#pipe = null;
    this.#left();
    // What it sent may still be under way: whoever takes over waits for it.
    void this.#quit();
  }

  // --- the gate's side

  changed(): void {
    const { known } = this.#gate;
    // Without a drain only where others did not wait for this gate.
    if (known?.control.privacy && known.control.phase === "active") this.#view.draw();
    // A client that hears that it drives again must find contexts that work.
    if (this.#reception.agentDrives && !this.#view.curtained) this.#returning.renew();
    if (known) this.#options.known(known);
    if (this.#lingers && this.#reception.agentDrives) return this.#finish();
    // What waited for the store's word only, and may not go on now: refused, or it waits for control.
    this.#reception.sort();
    this.#settle();
  }

  async drain(known: Known): Promise<void> {
    this.#drainingSince = performance.now();
    // What it is not certain of may be older than this drain, which it may have missed.
    if (this.#unseen.length > 0 && !this.#gate.current) this.#view.draw();
    this.#takeUnseen();
    // Answers must be read, whatever the client does.
    this.#upstream.resume();
    this.#view.watchPaused();
    await this.#quiet(known.control.privacy === "private");
    if (known.control.privacy === "private") this.#view.draw();
    this.#drainedEpoch = known.epoch;
  }

  async end(): Promise<void> {
    if (this.#unseen.length > 0) this.#view.draw();
    this.#takeUnseen();
    this.#upstream.resume();
    // A hung page must not keep a shutdown waiting for ever.
    const hung = setTimeout(() => this.#abandonSessions(), END_MS);
    await this.#quiet(false);
    clearTimeout(hung);
    this.close("browser_gone");
    this.#finish();
  }

  #quiet(reads: boolean): Promise<void> {
    // A dialog may be older than the session that it blocks.
    this.pagesChanged();
    return this.#drain.quiet(reads);
  }

  /** Nothing that waits is done any more, however long the client takes to go. */
  close(reason: CloseReason, detail?: string): void {
    this.#destinations.end();
    this.#reception.commands.drop();
    this.#pipe?.close(reason, detail);
  }

  // --- what is asked of it

  /** Sends a message of the gate's own to the client. */
  show(bytes: Buffer): void {
    this.#show(bytes);
  }

  /** A dialog opened or closed in a page, as somebody else saw it. */
  pagesChanged(): void {
    for (const session of this.#sessions.all()) {
      const { targetId } = session;
      session.blocked = targetId !== undefined && this.#options.isBlocked(targetId);
      if (session.blocked) session.excuse();
    }
    this.#drain.progress();
  }

  /** Ends at once, whatever is under way: the browser is not waited for any longer. */
  cut(): void {
    this.#upstream.terminate();
  }

  #answered(session: SessionState, id: number): void {
    const entry = session.outstanding.get(id);
    if (!entry) return;
    entry.done = true;
    session.outstanding.delete(id);
    this.#drain.progress();
  }

  #sessionEnded(session: SessionState): void {
    this.#upstream.lose(session.id, "the session ended");
    this.#reception.sessionEnded(session);
    if (session.id !== undefined) this.#options.sessionEnded(session.id);
    this.#drain.progress();
  }

  // --- the browser's side

  #fromBrowser(bytes: Buffer): void {
    const head = peek(bytes);
    if (head.id !== undefined && head.id <= OWN_IDS_FROM) return this.#upstream.settle(head.id, bytes);
    if (this.#unseen.length > 0 || !this.#maySee) {
      this.#unseen.push(bytes);
      this.#upstream.pause();
      return this.#settle();
    }
    this.#view.take(head, bytes);
  }

  /** What does not do what it should ends this connection, and nothing else. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#options.failed(error);
      this.close("internal");
      this.#upstream.terminate();
    }
  }

  /** G3: a gate that cannot prove that it is current does not know whether a person drives in private. */
  get #maySee(): boolean {
    if (this.#view.curtained) return true;
    const { known } = this.#gate;
    if (this.#gate.current) return true;
    if (known?.control.phase !== "draining" || known.epoch === this.#drainedEpoch) return false;
    // Nobody waits for this drain longer than for a gate's lease: by then another drives, perhaps in private.
    if (performance.now() - this.#drainingSince >= GATE_PROOF_MS) this.#view.draw();
    return true;
  }

  /** Takes what came in uncertain times; if others did not wait for this gate in them, they may have been private. */
  #takeUnseen(): void {
    if (this.#gate.passedOver !== this.#passedOver) this.#view.draw();
    this.#passedOver = this.#gate.passedOver;
    for (const bytes of this.#unseen.splice(0)) this.#guard(() => this.#view.take(peek(bytes), bytes));
    if ((this.#pipe?.bufferedBytes ?? 0) <= HIGH_WATER_BYTES) this.#upstream.resume();
  }

  #show(bytes: Buffer): void {
    const pipe = this.#pipe;
    if (!pipe) return;
    pipe.send(bytes);
    const unsent = pipe.bufferedBytes;
    if (unsent <= HIGH_WATER_BYTES) return;
    // A person's page must not wait for a client that does not read.
    if (this.#reception.agentDrives && !this.#drain.waits) this.#upstream.pause();
    else if (unsent > MAX_UNSENT_BYTES) pipe.terminate();
  }

  // --- what happens when control, or the store's word on it, changes

  /** Brings the connection to what the gate knows, once the store has confirmed that. One at a time. */
  #settle(): void {
    this.#settleAgain = true;
    if (this.#settling || this.#ended || this.#lingers) return;
    this.#settling = true;
    clearTimeout(this.#retry);
    this.#settleAll()
      .catch((error: unknown) =>
        this.#guard(() => {
          throw error;
        }),
      )
      .finally(() => (this.#settling = false));
  }

  async #settleAll(): Promise<void> {
    while (this.#settleAgain && !this.#ended) {
      this.#settleAgain = false;
      const { known } = this.#gate;
      if (!known || known.control.phase === "draining") continue;
      if (this.#idle) continue;
      try {
        await this.#gate.prove();
      } catch {
        this.#retry = setTimeout(() => this.#settle(), RETRY_MS);
        return;
      }
      this.#takeUnseen();
      await this.#goOn();
    }
  }

  /** Nothing waits for the store's word. */
  get #idle(): boolean {
    if (this.#unseen.length > 0) return false;
    if (this.#view.curtained && this.#gate.known?.control.privacy === undefined) return false;
    return !this.#reception.agentDrives || (!this.#returning.isDue && this.#reception.commands.count === 0);
  }

  async #goOn(): Promise<void> {
    const isOpen = (): boolean => this.#gate.current && this.#gate.known?.control.privacy === undefined;
    if (this.#view.curtained && isOpen() && this.#gate.known?.control.phase === "active") {
      if (!(await this.#view.lift(isOpen)))
        return this.close("resync", "too much changed while a person drove in private; connect again");
    }
    if (!this.#gate.agentMayDrive || this.#view.curtained) return;
    await this.#returning.run(() => this.#gate.agentMayDrive);
    this.#view.tellDialogs();
    this.#reception.commands.flush();
    if (this.#reception.commands.count > 0 && this.#reception.agentDrives) this.#settleAgain = true;
  }

  /** A page that opened since the agent was stopped was not marked then. */
  async #mark(session: SessionState): Promise<void> {
    if (session.mark !== undefined || session.marking || !session.isPage || session.gone) return;
    session.marking = true;
    const mark = await markFocus(this.#upstream, session.id);
    session.marking = false;
    if (session.waiting > 0 && !this.#reception.agentDrives) session.mark ??= mark;
  }

  // --- the end

  /** Nothing of them will be answered. */
  #abandonSessions(): void {
    for (const session of this.#sessions.all()) session.end();
    this.#drain.progress();
  }

  #browserGone(): void {
    this.#abandonSessions();
    this.close("browser_gone");
    this.#finish();
  }

  /**
   * The client is gone. Its connection to the browser ends with it, but not under a person: Chromium closes the tabs of
   * its contexts then, and takes back what it emulates.
   */
  async #quit(): Promise<void> {
    this.#upstream.resume();
    await this.#quiet(false);
    if (this.#reception.agentDrives || !this.#gate.known) return this.#finish();
    this.#view.draw();
    this.#view.letGo();
    this.#lingers = true;
    this.changed();
  }

  #left(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#destinations.end();
    this.#reception.commands.drop();
    this.#options.left();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retry);
    for (const session of this.#sessions.all()) session.end();
    this.#left();
    this.#leaveGate();
    this.#upstream.terminate();
    this.#options.metrics.cdpConnections.dec();
    this.#options.ended();
  }
}
