import { nanoid } from "nanoid";
import type {
  ControlMode,
  PassControlParams,
  ReleaseControlParams,
  SetPrivacyParams,
  TakeControlParams,
} from "../../protocol/control.ts";
import type { CreateLinkBody, Link } from "../../protocol/auth.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type {
  AcceptHandoffParams,
  CancelHandoffParams,
  CompleteHandoffParams,
  Handoff,
  RequestHandoffParams,
} from "../../protocol/handoff.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import type { HandoffResult, Role, Sandbox } from "../../protocol/sandbox.ts";
import type {
  CallOptions,
  PreviewFrame,
  ResumeHandler,
  SandboxHandle,
  SandboxUpdate,
  WaitOptions,
} from "./api.ts";
import type { Connection } from "./connection.ts";
import type { Ending } from "./ending.ts";
import { type Predicate, showsHandoff } from "./fences.ts";
import { Follower } from "./follower.ts";
import { type Caller, createLink, revokeLink } from "./http.ts";
import { Input } from "./input.ts";
import { notify } from "./listeners.ts";
import type { CallMessage } from "./pending.ts";
import { PreviewHub, type Streams } from "./preview.ts";
import { ResumeRunner } from "./resume.ts";
import { waitForControl, waitForHandoff } from "./waits.ts";
import { watch } from "./watch.ts";

/** Roles that drive as the agent's side; the others are persons. */
const PROGRAMS: ReadonlySet<Role> = new Set(["agent", "worker", "sdk"]);

export interface HandleContext {
  readonly connection: Connection;
  readonly streams: Streams;
  readonly clientId: string;
  /** Who this client is; `known` once the gateway said so, or need not. */
  readonly me: { readonly name: string; readonly role: Role; readonly known: boolean };
  /** Resolves at the first welcome. */
  ready(signal: AbortSignal | undefined): Promise<void>;
  caller(): Caller;
  /** Called when this client becomes, or is no longer, the sandbox's controller. */
  holds(now: boolean): void;
  /** Called once, by `close`. */
  forget(handle: Handle): void;
}

/** What the gateway says about one sandbox. */
type SandboxMessage = Extract<
  DownMessage,
  {
    type:
      | "error"
      | "sandbox.left"
      | "event"
      | "presence"
      | "browser.tabs"
      | "browser.dialog"
      | "preview.alive"
      | "resume.prompt";
  }
>;

export class Handle implements SandboxHandle {
  readonly sandboxId: string;
  readonly input: Input;
  readonly #context: HandleContext;
  readonly #follower: Follower;
  readonly #preview: PreviewHub;
  readonly #resume: ResumeRunner;
  /** The person whom this handle's calls last made the controller. */
  #hand: string | undefined;
  #holds = false;

  constructor(context: HandleContext, sandboxId: string) {
    const { connection, streams, clientId } = context;
    this.sandboxId = sandboxId;
    this.#context = context;
    this.#follower = new Follower(connection, sandboxId);
    this.#preview = new PreviewHub(connection, this.#follower, sandboxId, streams);
    this.#resume = new ResumeRunner(connection, this.#follower, clientId);
    this.#follower.listen({
      update: ({ sandbox }) => this.#lookWhoHolds(sandbox),
      ended: () => this.#lookWhoHolds(undefined),
    });
    this.input = new Input(connection, this.#follower, sandboxId, () => this.#hand);
  }

  get current(): SandboxUpdate | undefined {
    return this.#follower.current;
  }

  requestHumanHandoff({ signal, ...params }: RequestHandoffParams & CallOptions): Promise<HandoffResult> {
    return this.#handoffCall({ type: "handoff.request", ...this.#target(), ...keyed(params) }, signal);
  }

  acceptHumanHandoff({ signal, ...params }: AcceptHandoffParams & CallOptions): Promise<HandoffResult> {
    return this.#asSomebody(params.controller, signal, async (controller) => {
      const message = { type: "handoff.accept", ...this.#target(), ...keyed(params), controller } as const;
      const result = await this.#handoffCall(message, signal);
      this.#claimed(controller);
      return result;
    });
  }

  completeHumanHandoff({ signal, ...params }: CompleteHandoffParams & CallOptions): Promise<HandoffResult> {
    return this.#handoffCall({ type: "handoff.complete", ...this.#target(), ...keyed(params) }, signal);
  }

  cancelHumanHandoff({ signal, ...params }: CancelHandoffParams & CallOptions = {}): Promise<HandoffResult> {
    return this.#handoffCall({ type: "handoff.cancel", ...this.#target(), ...keyed(params) }, signal);
  }

  getHandoff({ signal }: CallOptions = {}): Promise<HandoffResult> {
    return this.#handoffCall({ type: "handoff.get", ...this.#target() }, signal);
  }

  waitForHandoff(options: WaitOptions & { readonly requestId?: string } = {}): Promise<Handoff> {
    const fetchLast = async (signal: AbortSignal | undefined) => {
      const { handoff } = await this.#handoffCall({ type: "handoff.get", ...this.#target() }, signal);
      return handoff;
    };
    return waitForHandoff(this.#follower, fetchLast, options);
  }

  waitForControl(options: WaitOptions = {}): Promise<ControlMode> {
    return waitForControl(this.#follower, options, (sandbox) => this.#mayDrive(sandbox));
  }

  onResume(handler: ResumeHandler): () => void {
    return this.#resume.onResume(handler);
  }

  takeControl({ signal, ...params }: Partial<TakeControlParams> & CallOptions = {}): Promise<HandoffResult> {
    return this.#asSomebody(params.controller, signal, async (controller) => {
      const message = { type: "control.take", ...this.#target(), ...keyed(params), controller } as const;
      const result = await this.#controlCall(
        message,
        signal,
        ({ control }) => control.controller === controller,
      );
      this.#claimed(controller);
      return result;
    });
  }

  releaseControl({
    signal,
    ...params
  }: Partial<ReleaseControlParams> & CallOptions = {}): Promise<HandoffResult> {
    return this.#asSomebody(params.controller ?? this.#ownHand(), signal, (controller) => {
      const message = { type: "control.release", ...this.#target(), ...keyed(params), controller } as const;
      return this.#controlCall(message, signal, ({ control }) => control.controller !== controller);
    });
  }

  passControl({
    signal,
    ...params
  }: Omit<PassControlParams, "controller"> & { controller?: string } & CallOptions): Promise<HandoffResult> {
    const { to } = params;
    return this.#asSomebody(params.controller ?? this.#ownHand(), signal, (controller) => {
      const message = { type: "control.pass", ...this.#target(), ...keyed(params), controller } as const;
      return this.#controlCall(message, signal, ({ control }) =>
        to === "ai" ? control.mode === "ai" : control.controller === to,
      );
    });
  }

  setPrivacy({
    signal,
    ...params
  }: Omit<SetPrivacyParams, "controller"> & { controller?: string } & CallOptions): Promise<HandoffResult> {
    const { privacy } = params;
    return this.#asSomebody(params.controller ?? this.#ownHand(), signal, (controller) => {
      const message = { type: "control.privacy", ...this.#target(), ...keyed(params), controller } as const;
      return this.#controlCall(message, signal, ({ control }) => (control.privacy ?? "open") === privacy);
    });
  }

  createLink({ signal, ...body }: CreateLinkBody & CallOptions): Promise<{ link: Link; url: string }> {
    return createLink(this.#context.caller(), this.sandboxId, body, signal);
  }

  revokeLink(linkId: string, { signal }: CallOptions = {}): Promise<void> {
    return revokeLink(this.#context.caller(), this.sandboxId, linkId, signal);
  }

  watch({ signal }: CallOptions = {}): AsyncIterableIterator<SandboxUpdate> {
    return watch(this.#follower, signal);
  }

  subscribe(listener: (update: SandboxUpdate) => void, ended?: (error: Error) => void): () => void {
    const stop = this.#follower.listen({
      update: (update) => notify(() => listener(update)),
      ended: ({ error }) => notify(() => ended?.(error)),
    });
    const { current } = this.#follower;
    if (current) notify(() => listener(current));
    this.#follower.follow();
    return stop;
  }

  frames(options: PreviewOptions & CallOptions = {}): AsyncIterableIterator<PreviewFrame> {
    return this.#preview.frames(options);
  }

  preview(options: PreviewOptions, listener: Parameters<SandboxHandle["preview"]>[1]): () => void {
    return this.#preview.preview(options, listener);
  }

  close(): void {
    this.#context.forget(this);
    const message = `This handle of sandbox ${this.sandboxId} was closed. Get a new one with client.sandbox().`;
    this.#follower.leave({ error: new BatonError("unavailable", message), clean: true });
    this.#resume.removeHandler();
  }

  opened(): void {
    this.#follower.opened();
  }

  dropped(): void {
    this.#follower.dropped();
  }

  clientClosed(ending: Ending): void {
    this.#follower.closed(ending);
    this.#resume.closed();
  }

  /** An event could not be read: what it changed is read as a whole. */
  unreadable(): void {
    this.#follower.unreadable();
  }

  message(message: SandboxMessage): void {
    switch (message.type) {
      case "event":
        return this.#follower.event(message.event);
      case "presence":
        return this.#follower.presence(message);
      case "browser.tabs":
        return this.#follower.tabs(message.tabs);
      case "browser.dialog":
        return this.#follower.dialog(message.dialog);
      case "sandbox.left":
        return this.#follower.left(message.reason);
      case "preview.alive":
        return this.#preview.alive(message.alive, message.seq);
      case "resume.prompt":
        return this.#resume.prompt(message);
      case "error":
        return this.input.refused(new BatonError(message.code, message.message, message.details));
    }
  }

  #target(): { sandboxId: string } {
    return { sandboxId: this.sandboxId };
  }

  /** As whom this handle drives, when that is not simply this client. */
  #ownHand(): string | undefined {
    const controller = this.current?.sandbox.control.controller;
    return controller === undefined || controller !== this.#hand ? undefined : this.#hand;
  }

  /** Calls as `controller`, by default as this client: once it knows whom its token names. */
  #asSomebody<T>(
    controller: string | undefined,
    signal: AbortSignal | undefined,
    call: (controller: string) => Promise<T>,
  ): Promise<T> {
    const { me } = this.#context;
    if (controller !== undefined) return call(controller);
    if (me.known) return call(me.name);
    return this.#context.ready(signal).then(() => call(me.name));
  }

  #mayDrive({ control }: Sandbox): boolean {
    if (control.phase !== "active") return false;
    if (control.controller !== undefined && control.controller === this.#hand) return true;
    if (PROGRAMS.has(this.#context.me.role)) return control.mode === "ai";
    return control.controller === this.#context.me.name;
  }

  #lookWhoHolds(sandbox: Sandbox | undefined): void {
    const now = sandbox?.control.controller === this.#context.me.name;
    if (now === this.#holds) return;
    this.#holds = now;
    this.#context.holds(now);
  }

  /** This handle's calls made `controller` the one who drives. Who drives as themselves is there from now on (H5). */
  #claimed(controller: string): void {
    this.#hand = controller;
    if (controller === this.#context.me.name) this.#follower.follow();
  }

  async #handoffCall(message: CallMessage, signal: AbortSignal | undefined): Promise<HandoffResult> {
    const result = await this.#call(message, signal);
    if (result.handoff) this.#follower.expect(showsHandoff(result.handoff));
    return result;
  }

  /** `shown` says that a state has what the call asked for; so may any state of a later epoch. */
  async #controlCall(
    message: CallMessage,
    signal: AbortSignal | undefined,
    shown: Predicate,
  ): Promise<HandoffResult> {
    const epoch = this.current?.sandbox.epoch ?? -1;
    const result = await this.#call(message, signal);
    this.#follower.expect((sandbox) => sandbox.epoch > epoch || shown(sandbox));
    return result;
  }

  async #call(message: CallMessage, signal: AbortSignal | undefined): Promise<HandoffResult> {
    const answer = await this.#context.connection.call(message, signal);
    if (answer.type === "result") return answer.result;
    throw new BatonError(
      "internal",
      `The gateway answered \`${message.type}\` with \`${answer.type}\`. Update the SDK.`,
    );
  }
}

/** Every change has a key, so that sending it again after a reconnect changes nothing twice (H6). */
function keyed<T extends object>(params: T & { idempotencyKey?: string }): T & { idempotencyKey: string } {
  return { ...params, idempotencyKey: params.idempotencyKey ?? nanoid() };
}
