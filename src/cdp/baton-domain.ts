/**
 * The `Baton` domain: the handoff from inside CDP, for agents that have only this socket. Any session may use it; one
 * that has used it gets its events, until `Baton.disable`.
 */
import { z } from "zod";
import { Token } from "../../protocol/auth.ts";
import { BatonError } from "../../protocol/errors.ts";
import { CancelHandoffParams, RequestHandoffParams, type Handoff } from "../../protocol/handoff.ts";
import { RequestId } from "../../protocol/ids.ts";
import type { HandoffResult, Sandbox } from "../../protocol/sandbox.ts";
import type { Known } from "../room/gate.ts";
import type { Command } from "./commands.ts";
import {
  errorMessage,
  eventMessage,
  INVALID_PARAMS,
  resultMessage,
  SERVER_ERROR,
  type Refusal,
} from "./messages.ts";

/** What the commands do; the answers are those of the HTTP API. */
export interface BatonCalls {
  readonly get: () => Promise<HandoffResult>;
  readonly waitForEnd: (waitMs: number, signal: AbortSignal) => Promise<HandoffResult>;
  readonly request: (params: z.infer<typeof RequestHandoffParams>) => Promise<HandoffResult>;
  readonly cancel: (params: z.infer<typeof CancelHandoffParams>) => Promise<HandoffResult>;
  readonly answerResume: (params: z.infer<typeof AnswerParams>) => Promise<void>;
  /** A first session uses the domain: from here on it takes resume prompts. */
  readonly takesPrompts: () => void;
  /** Resolves to when the newer token ends, epoch milliseconds. */
  readonly refreshToken: (token: string) => Promise<number>;
}

export interface BatonDomainOptions {
  readonly calls: BatonCalls;
  readonly show: (bytes: Buffer) => void;
  readonly sandboxId: string;
}

/** Longest that `Baton.getHandoff` waits. */
const MAX_WAIT_MS = 60 * 60 * 1_000;
/** Commands of this domain that are under way at a time. */
const MAX_CALLS = 64;
/** Sessions that get its events; for those beyond it, the commands work and the events don't come. */
const MAX_LISTENERS = 1_000;

const NoParams = z.object({});
const GetParams = z.strictObject({ waitMs: z.number().int().min(0).max(MAX_WAIT_MS).exactOptional() });
const RefreshParams = z.strictObject({ token: Token });
const AnswerParams = z.strictObject({
  requestId: RequestId,
  ok: z.boolean().default(true),
  response: z
    .string()
    .max(64 * 1024)
    .exactOptional(),
});

export class BatonDomain {
  readonly #options: BatonDomainOptions;
  /** Sessions that get events; undefined is the socket itself. */
  readonly #listeners = new Set<string | undefined>();
  readonly #closing = new AbortController();
  #handoff: Handoff | null | undefined;
  #control: Sandbox["control"] | undefined;
  #calls = 0;

  constructor(options: BatonDomainOptions) {
    this.#options = options;
  }

  command(command: Command, params: unknown): void {
    const { id, session, method } = command;
    const address = { id, ...(session.id !== undefined && { sessionId: session.id }) };
    if (this.#calls >= MAX_CALLS) {
      const message = `${MAX_CALLS} commands of the Baton domain are under way. Wait for their answers.`;
      return this.#options.show(
        errorMessage(address, { code: SERVER_ERROR, message, data: { code: "too_many" } }),
      );
    }
    this.#listen(session.id, method);
    this.#calls += 1;
    void this.#run(method, params)
      .then(
        (result) => this.#options.show(resultMessage(address, result)),
        (error: unknown) => this.#options.show(errorMessage(address, refusalOf(error))),
      )
      .finally(() => (this.#calls -= 1));
  }

  /** Tells what is new in the state. */
  changed({ control, handoff, epoch }: Known): void {
    const first = this.#control === undefined;
    const before = this.#control;
    const newHandoff = handoff !== undefined && handoff !== this.#handoff && !first;
    this.#handoff = handoff;
    this.#control = control;
    if (newHandoff && handoff) this.#tell("Baton.handoffUpdated", { handoff });
    if (
      before &&
      (before.mode !== control.mode || before.phase !== control.phase || before.since !== control.since)
    )
      this.#tell("Baton.controlChanged", { ...controlOf(control), epoch });
  }

  prompt(params: { requestId: string; prompt: string; handoff: Handoff }): void {
    this.#tell("Baton.resumePrompt", params);
  }

  /** A session is gone, or the whole connection. */
  forget(sessionId: string): void {
    this.#listeners.delete(sessionId);
  }

  close(): void {
    this.#listeners.clear();
    this.#closing.abort(new BatonError("unavailable", "The connection was closed."));
  }

  #listen(sessionId: string | undefined, method: string): void {
    if (method === "Baton.disable") return void this.#listeners.delete(sessionId);
    if (this.#listeners.size >= MAX_LISTENERS) return;
    const first = this.#listeners.size === 0;
    this.#listeners.add(sessionId);
    if (first) this.#options.calls.takesPrompts();
  }

  async #run(method: string, params: unknown): Promise<object> {
    const { calls, sandboxId } = this.#options;
    switch (method) {
      case "Baton.enable":
        NoParams.parse(params);
        return { sandboxId, ...plain(await calls.get()) };
      case "Baton.disable":
        return {};
      case "Baton.requestHandoff":
        return plain(await calls.request(RequestHandoffParams.parse(params)));
      case "Baton.getHandoff": {
        const { waitMs = 0 } = GetParams.parse(params);
        return plain(waitMs > 0 ? await calls.waitForEnd(waitMs, this.#closing.signal) : await calls.get());
      }
      case "Baton.cancelHandoff":
        return plain(await calls.cancel(CancelHandoffParams.parse(params)));
      case "Baton.answerResumePrompt":
        await calls.answerResume(AnswerParams.parse(params));
        return {};
      case "Baton.refreshToken":
        return { expiresAt: await calls.refreshToken(RefreshParams.parse(params).token) };
      default:
        throw new UnknownCommand(method);
    }
  }

  #tell(method: string, params: object): void {
    for (const sessionId of this.#listeners) this.#options.show(eventMessage(method, params, sessionId));
  }
}

class UnknownCommand extends Error {}

/** Without what only people need: a link that drives the browser is no agent's to read. */
function plain({ handoff, preview, resume }: HandoffResult): object {
  return {
    handoff,
    ...(preview?.controlMode !== undefined && { controlMode: preview.controlMode }),
    ...(preview?.controller !== undefined && { controller: preview.controller }),
    ...(resume && { resume }),
  };
}

function controlOf({ mode, phase, controller, privacy }: Sandbox["control"]): object {
  return {
    controlMode: mode,
    phase,
    ...(controller !== undefined && { controller }),
    ...(privacy && { privacy }),
  };
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof UnknownCommand) {
    const known =
      "enable, disable, requestHandoff, getHandoff, cancelHandoff, answerResumePrompt, refreshToken";
    return { code: -32_601, message: `'${error.message}' wasn't found. The Baton domain has ${known}.` };
  }
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    const where = issue && issue.path.length > 0 ? ` at ${issue.path.join(".")}` : "";
    return { code: INVALID_PARAMS, message: `Invalid parameters${where}: ${issue?.message ?? "check them"}` };
  }
  if (error instanceof BatonError) {
    const { code, message, retryable, details } = error;
    return { code: SERVER_ERROR, message, data: { code, retryable, ...details } };
  }
  return {
    code: SERVER_ERROR,
    message: "The gateway failed to do this. Try again.",
    data: { code: "internal" },
  };
}
