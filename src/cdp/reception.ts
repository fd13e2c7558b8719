/** What becomes of each command of an agent's: it passes, waits, is refused, or is answered here (G1, G2). */
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { CloseReason } from "../../protocol/errors.ts";
import { mayDrive } from "../core/access.ts";
import { classify, verdict, type CdpParams, type Verdict } from "../core/cdp-policy.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Gate } from "../room/gate.ts";
import { Commands, type Command } from "./commands.ts";
import { contextOf, isScript } from "./contexts.ts";
import { HitChecks } from "./hit-checks.ts";
import {
  errorMessage,
  INVALID_PARAMS,
  INVALID_REQUEST,
  NO_SUCH_SESSION,
  notDriving,
  resultMessage,
  SERVER_ERROR,
  type Refusal,
} from "./messages.ts";
import { withoutSideEffects } from "./observe.ts";
import { parsed } from "./scan.ts";
import type { Sessions, Withheld } from "./sessions.ts";
import type { SessionState } from "./session-state.ts";
import type { Upstream } from "./upstream.ts";

export interface ReceptionHooks {
  readonly gate: Gate;
  readonly policy: AgentPolicy;
  readonly sessions: Sessions;
  readonly upstream: Upstream;
  readonly view: Withheld & { readonly curtained: boolean };
  readonly metrics: Metrics;
  readonly show: (bytes: Buffer) => void;
  readonly close: (reason: CloseReason, detail: string) => void;
  /** Takes a command of the `Baton` domain. */
  readonly baton: (command: Command, params: unknown) => void;
  /** The number of waiting commands changed. */
  readonly waiting: (count: number) => void;
  /** A command that drives has left, or was refused because somebody else drives. */
  readonly acted: (outcome: "ok" | "refused") => void;
  /** Resolves when nothing that this session sent is under way. */
  readonly quiet: (session: SessionState) => Promise<void>;
  /** A command waits that is meant for the page as it is now. */
  readonly mark: (session: SessionState) => void;
  /** Something waits for the store's word, or for control. */
  readonly settle: () => void;
}

/** Commands of one session that are under way at a time. */
const MAX_OUTSTANDING = 10_000;

export class Reception {
  readonly commands: Commands;
  readonly #hooks: ReceptionHooks;
  /** Waiting commands, as the metrics know them. */
  #counted = 0;

  constructor(hooks: ReceptionHooks) {
    this.#hooks = hooks;
    this.commands = new Commands({
      fits: (command) => this.#verdict(command) === "pass" && this.#mayLeave(command),
      send: (command) => this.#send(command),
      refuse: (command, refusal) => this.#refuse(command, refusal),
      changed: (count) => {
        hooks.metrics.cdpWaiting.inc(count - this.#counted);
        this.#counted = count;
        hooks.waiting(count);
      },
    });
  }

  get agentDrives(): boolean {
    const control = this.#hooks.gate.known?.control;
    return control !== undefined && mayDrive(control, { kind: "agent" });
  }

  receive(command: Command): void {
    const { session, method, envelope, params, id } = command;
    if (method.startsWith("Baton.")) return this.#hooks.baton(command, params ?? {});
    if (session.outstanding.has(id) || this.commands.has(session, id)) {
      const message = `The id ${id} is of a command that has no answer yet. Use another one.`;
      return this.#refuse(command, { code: INVALID_REQUEST, message });
    }
    if (session.outstanding.size >= MAX_OUTSTANDING) {
      const message = `${MAX_OUTSTANDING} commands of this session have no answer yet. Wait for some.`;
      return this.#refuse(command, { code: SERVER_ERROR, message, data: { code: "too_many" } });
    }
    const settled = this.#hooks.sessions.answerFor(command, this.#hooks.view);
    if (settled === "done") return this.#done(command);
    if (settled) return this.#refuse(command, settled);
    const decision = this.#verdict(command);
    this.#hooks.metrics.cdpCommands.inc({ outcome: decision });
    switch (decision) {
      case "pass":
        // In order behind what waits; while a person drives, what passes overtakes what waits for the agent's turn.
        if (this.agentDrives && (session.waiting > 0 || !this.#mayLeave(command))) return this.#wait(command);
        if (!this.agentDrives && !this.#mayRead(command)) return this.#afterProof(command);
        return this.#afterQuiet(command);
      case "hold":
        return this.#wait(command);
      case "reject":
        if (isScript(method)) session.contexts.spoil(contextOf(scriptOf(command)));
        if (command.drives) this.#hooks.acted("refused");
        return this.#refuse(command, notDriving(method, this.#hooks.gate.known));
      case "inspect": {
        const script = scriptOf(command);
        const harmless = withoutSideEffects(envelope, script);
        if (typeof harmless === "string") {
          session.contexts.spoil(contextOf(script));
          return this.#refuse(command, { code: INVALID_PARAMS, message: harmless });
        }
        return this.#send({ ...command, bytes: harmless, drives: false }, contextOf(script));
      }
      case "deny":
        return this.#deny(command);
    }
  }

  /** Those that may not go on waiting are refused. */
  sort(): void {
    if (this.agentDrives) return;
    this.commands.sort((command) =>
      this.#verdict(command) === "reject" ? notDriving(command.method, this.#hooks.gate.known) : null,
    );
  }

  sessionEnded(session: SessionState): void {
    this.commands.refuseSession(session, NO_SUCH_SESSION);
  }

  #verdict({ method, params, session }: Command): Verdict {
    const { gate, policy, view } = this.#hooks;
    const situation = {
      mayDrive: this.agentDrives && !view.curtained,
      private: gate.known?.control.privacy === "private" || view.curtained,
      // What is only on its way back to the agent is not refused to it.
      policy: this.agentDrives ? "hold" : policy,
      starting: session.starting,
    } as const;
    return verdict(method, situation, params);
  }

  /** The last question before a command leaves (C6). */
  #mayLeave(command: Command): boolean {
    return command.drives ? this.#hooks.gate.agentMayDrive : this.#mayRead(command);
  }

  /** What reads may be answered with what is private by then (G3): it leaves only while that is known not to be so. */
  #mayRead({ method, params }: Command): boolean {
    return this.#hooks.gate.current || classify(method, params) !== "observe";
  }

  #afterProof(command: Command): void {
    this.#hooks.gate.prove().then(
      () => this.receive(command),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : "The gateway cannot tell who drives.";
        this.#refuse(command, { code: SERVER_ERROR, message, data: { code: "unavailable" } });
      },
    );
  }

  /** Chromium carries out what a session sent also when the session is gone; then nobody could wait for it (C2). */
  #afterQuiet(command: Command): void {
    const ending = this.#hooks.sessions.endedBy(command);
    if (ending.length === 0) return this.#send(command);
    void Promise.all(ending.map(this.#hooks.quiet)).then(() => this.#send(command));
  }

  #wait(command: Command): void {
    const refusal = this.commands.add(command);
    if (refusal) return this.#refuse(command, refusal);
    const { method, session } = command;
    if (method.startsWith("Input.") && !this.agentDrives) this.#hooks.mark(session);
    this.#hooks.settle();
  }

  /** @param context of a script that may be refused by the page */
  #send(command: Command, context?: number): void {
    const { session, id, method, drives, bytes } = command;
    session.outstanding.set(id, {
      id,
      method,
      drives,
      done: false,
      ...(context !== undefined && { context }),
      ...(HitChecks.arms(method, bytes) && { arms: true }),
    });
    const first = session.pressed.enterAgain(method, command.params);
    if (first) this.#hooks.upstream.post(first.method, first.params, session.id);
    const { sessions, upstream } = this.#hooks;
    sessions.sent(command);
    upstream.send(bytes);
    if (drives) this.#hooks.acted("ok");
    // A page that stops, be it for a moment, loses what a person does in it.
    if (method === "Debugger.enable" && !this.agentDrives)
      for (const step of session.suspended.suspend()) upstream.post(step.method, step.params, session.id);
  }

  #done({ id, session }: Command): void {
    this.#hooks.show(resultMessage({ id, ...(session.id !== undefined && { sessionId: session.id }) }, {}));
  }

  #refuse({ id, session }: Command, refusal: Refusal): void {
    const address = { id, ...(session.id !== undefined && { sessionId: session.id }) };
    this.#hooks.show(errorMessage(address, refusal));
  }

  /** The browser is the sandbox's: what would end it ends this connection. */
  #deny(command: Command): void {
    const { method, params } = command;
    if (method === "Browser.close") {
      this.#done(command);
      return this.#hooks.close("normal", "the agent closed its connection; the sandbox's browser goes on");
    }
    const flat = method.startsWith("Target.") && params !== undefined ? " Send flatten: true." : "";
    this.#refuse(command, {
      code: SERVER_ERROR,
      message: `${method} is not available through the gateway in this form: it would get around control of the browser, or end it.${flat}`,
      data: { code: "forbidden" },
    });
  }
}

/** Large ones are read only where it matters what they carry. */
function scriptOf({ bytes, envelope }: Command): CdpParams {
  return ((envelope.params && parsed(bytes, envelope.params)) ?? {}) as CdpParams;
}
