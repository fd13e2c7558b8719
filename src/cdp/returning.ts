/** What happens in the agent's pages before its waiting commands go on: each finds the place it was meant for, or fails. */
import type { Command, Commands } from "./commands.ts";
import { returnTo } from "./focus-mark.ts";
import { SERVER_ERROR, type Refusal } from "./messages.ts";
import type { Sessions } from "./sessions.ts";
import type { SessionState } from "./session-state.ts";
import type { Upstream } from "./upstream.ts";

export interface ReturningOptions {
  readonly upstream: Upstream;
  readonly sessions: Sessions;
  readonly commands: Commands;
  readonly show: (bytes: Buffer) => void;
}

export class Returning {
  readonly #options: ReturningOptions;

  constructor(options: ReturningOptions) {
    this.#options = options;
  }

  get isDue(): boolean {
    return this.#options.sessions
      .all()
      .some(({ mark, suspended, contexts }) => mark !== undefined || suspended.isDue || contexts.needRenewal);
  }

  /** Script contexts that the client takes for broken are new to it. */
  renew(): void {
    const { sessions, show } = this.#options;
    for (const { id, contexts } of sessions.all()) for (const bytes of contexts.renew(id)) show(bytes);
  }

  /** @param may asked before each step: control may have moved on */
  async run(may: () => boolean): Promise<void> {
    this.renew();
    const sessions = this.#options.sessions.all().filter(({ gone }) => !gone);
    await Promise.all(sessions.map((session) => this.#return(session, may)));
  }

  async #return(session: SessionState, may: () => boolean): Promise<void> {
    const { upstream, commands } = this.#options;
    for (const { method, params } of session.suspended.restore()) upstream.post(method, params, session.id);
    const { mark } = session;
    if (mark === undefined) return;
    const waiting = commands.of(session);
    const inputs = waiting.filter(isInput);
    const [first] = waiting;
    const types = first !== undefined && isTyped(first);
    session.checking = true;
    const place = inputs.length > 0 ? await returnTo(upstream, session.id, mark, types) : undefined;
    session.checking = false;
    if (!may()) return;
    session.mark = undefined;
    if (place === undefined)
      upstream.post("Runtime.releaseObjectGroup", { objectGroup: "baton" }, session.id);
    if (place === "gone") refuse(commands, inputs, OTHER_DOCUMENT);
    if (place === "no-element" && types) refuse(commands, leading(waiting, isTyped), NO_ELEMENT);
  }
}

function refuse(commands: Commands, which: readonly Command[], refusal: Refusal): void {
  const refused = new Set(which);
  commands.sort((command) => (refused.has(command) ? refusal : null));
}

function leading(commands: readonly Command[], are: (command: Command) => boolean): Command[] {
  const end = commands.findIndex((command) => !are(command));
  return commands.slice(0, end === -1 ? undefined : end);
}

function isInput({ method }: Command): boolean {
  return method.startsWith("Input.");
}

/** It goes to whatever has the focus. */
function isTyped({ method }: Command): boolean {
  return (
    method === "Input.dispatchKeyEvent" ||
    method === "Input.insertText" ||
    method === "Input.imeSetComposition"
  );
}

const OTHER_DOCUMENT: Refusal = {
  code: SERVER_ERROR,
  message:
    "The page that this input was meant for is gone: a person left it for another one. Look at the page, then send it again.",
  data: { code: "stale" },
};

const NO_ELEMENT: Refusal = {
  code: SERVER_ERROR,
  message:
    "The element that had the focus is gone since a person drove. Look at the page, focus an element, then send it again.",
  data: { code: "stale" },
};
