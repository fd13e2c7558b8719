/** What an agent gets to see: everything as it is, or, while a person drives in private, nothing (G3). */
import { PASSES_IN_PRIVATE } from "../core/cdp-policy.ts";
import { isScript } from "./contexts.ts";
import { beginning, Curtain } from "./curtain.ts";
import { BEGINNINGS, requestOf, ShownRequests } from "./shown-requests.ts";
import type { TargetInfo } from "./kept-events.ts";
import { errorMessage, SERVER_ERROR, type Refusal } from "./messages.ts";
import { mayTellCookies, redact, withoutPast } from "./redact.ts";
import type { Peek } from "./scan.ts";
import type { Sessions } from "./sessions.ts";
import type { Paused, SessionState } from "./session-state.ts";
import type { Upstream } from "./upstream.ts";

export interface ViewHooks {
  readonly upstream: Upstream;
  readonly sessions: Sessions;
  readonly agentDrives: () => boolean;
  /** Why a script may not act now; null when the agent drives. */
  readonly notDriving: (method: string) => Refusal | null;
  /** Cookie values of private times. */
  readonly secrets: () => readonly string[];
  /** There was a private time. */
  readonly wasPrivate: () => boolean;
  readonly show: (bytes: Buffer) => void;
  readonly answered: (session: SessionState, id: number) => void;
  readonly sessionEnded: (session: SessionState) => void;
  /** Something that a drain waits for may be over. */
  readonly progress: () => void;
}

/** How long a request of the person's waits for the agent's client to let it go on. */
const INTERCEPTED_MS = 5_000;
/** How long a target of the person's waits for the agent's client to let it begin. Clients take some ms. */
const STARTING_MS = 2_000;
/** How long a page may take to have said everything that it had to say. */
const SETTLE_MS = 1_000;
/** A browser with more is no sandbox's: the connection ends. */
const MAX_SESSIONS = 10_000;

export class View {
  readonly #hooks: ViewHooks;
  #curtain: Curtain | null = null;
  /** Requests of private times: nothing of them is shown later. */
  #requests = new Set<string>();
  /** Requests whose beginning the client was told of. */
  readonly #shown = new ShownRequests();

  constructor(hooks: ViewHooks) {
    this.#hooks = hooks;
  }

  get curtained(): boolean {
    return this.#curtain !== null;
  }

  get requests(): ReadonlySet<string> {
    return this.#requests;
  }

  get wasPrivate(): boolean {
    return this.#hooks.wasPrivate();
  }

  draw(): void {
    if (this.#curtain) return;
    for (const id of this.#shown.unfinished()) this.#requests.add(id);
    this.#curtain = new Curtain(this.#requests, this.#shown);
    for (const session of this.#hooks.sessions.all()) {
      if (!session.intercepts) continue;
      // Otherwise what was asked in private would come to the agent when it is answered.
      for (const requestId of session.paused.keys()) {
        session.unpause(requestId);
        session.noteContinued(requestId);
      }
      this.#hooks.upstream.post("Fetch.disable", {}, session.id);
    }
  }

  /**
   * Tells the client what it must know of the private time, once everything of that time has arrived.
   * @param may asked at the end: control may have moved on
   * @returns false when it missed too much
   */
  async lift(may: () => boolean): Promise<boolean> {
    const curtain = this.#curtain;
    if (!curtain) return true;
    const { upstream, sessions } = this.#hooks;
    const scripted = sessions.all().filter(({ hasScripts, gone }) => hasScripts && !gone);
    const settled = scripted.map(async ({ id }) => {
      // What the console remembers is told again to whoever enables it.
      upstream.post("Log.clear", {}, id);
      upstream.post("Runtime.discardConsoleEntries", {}, id);
      await upstream.command("Runtime.evaluate", { expression: "0", silent: true }, id).catch(() => {});
    });
    await late(Promise.all(settled), SETTLE_MS);
    const targets = await late(
      upstream.command("Target.getTargets", { filter: [{}] }).catch(() => undefined),
      SETTLE_MS,
    );
    if (!may() || this.#curtain !== curtain) return true;
    if (curtain.overflowed) return false;
    const { targetInfos = [] } = (targets ?? {}) as { targetInfos?: TargetInfo[] };
    this.#curtain = null;
    this.#requests = curtain.requests;
    for (const { id, intercepts } of sessions.all())
      if (intercepts) upstream.post("Fetch.enable", intercepts, id);
    for (const bytes of curtain.lift(targetInfos)) this.#hooks.show(bytes);
    return true;
  }

  /** Dialogs that opened in the person's time and are still open are the agent's now. */
  tellDialogs(): void {
    for (const session of this.#hooks.sessions.all()) {
      const untold = session.dialog?.untold;
      if (!untold) continue;
      session.dialog = { untold: null };
      this.#hooks.show(untold);
    }
  }

  /** A person drives: requests and targets wait for the agent's client only so long. */
  watchPaused(): void {
    for (const session of this.#hooks.sessions.all()) {
      this.#beginSoon(session);
      for (const [requestId, paused] of session.paused)
        if (!paused.timer) paused.timer = this.#patience(session, requestId, paused);
    }
  }

  /** The client is gone: whatever waits for it goes on. */
  letGo(): void {
    const { upstream, sessions } = this.#hooks;
    for (const session of sessions.all()) {
      for (const [requestId, { method, params }] of session.paused) {
        session.unpause(requestId);
        upstream.post(method, params, session.id);
      }
      this.#begin(session);
    }
  }

  /** Takes one message of the browser's. */
  take({ id, method, sessionId }: Peek, bytes: Buffer): void {
    const session = this.#hooks.sessions.get(sessionId);
    if (id !== undefined) return this.#response(session, id, bytes);
    if (method === undefined) return this.#curtain ? undefined : this.#hooks.show(bytes);
    if (this.#curtain) return this.#behind(this.#curtain, method, sessionId, session, bytes);
    const tracked =
      TRACKED.has(method) && session ? this.#track(method, paramsOf(bytes), session, bytes) : true;
    if (!tracked || this.#isOfPrivateTime(method, bytes)) return;
    this.#hooks.show(this.#redacted(method, bytes));
  }

  #response(session: SessionState | undefined, id: number, bytes: Buffer): void {
    const entry = session?.outstanding.get(id);
    if (entry?.arms) session?.hitChecks.answered(bytes);
    if (session) this.#hooks.answered(session, id);
    if (entry?.context !== undefined && (this.#curtain || (!entry.drives && bytes.includes(EXCEPTION))))
      session?.contexts.spoil(entry.context);
    if (entry && !entry.drives && isScript(entry.method) && bytes.includes(SIDE_EFFECT)) {
      const refusal = this.#hooks.notDriving(entry.method);
      const address = { id, ...(session?.id !== undefined && { sessionId: session.id }) };
      if (refusal) return this.#hooks.show(errorMessage(address, refusal));
    }
    if (!this.#curtain || (entry && PASSES_IN_PRIVATE.has(entry.method)))
      return this.#hooks.show(entry ? this.#redacted(entry.method, bytes) : bytes);
    if (!entry) return;
    const address = { id, ...(session?.id !== undefined && { sessionId: session.id }) };
    this.#hooks.show(errorMessage(address, withheld(entry.method)));
  }

  #behind(
    curtain: Curtain,
    method: string,
    sessionId: string | undefined,
    session: SessionState | undefined,
    bytes: Buffer,
  ): void {
    const params = paramsOf(bytes);
    if (session && TRACKED.has(method) && !method.startsWith("Fetch."))
      this.#track(method, params, session, bytes);
    const answers = curtain.take(method, params, sessionId);
    for (const { method, params, session } of answers)
      this.#hooks.upstream.post(method, params, session ?? sessionId);
  }

  /** Follows what the gate must know. @returns whether the client may be told */
  #track(method: string, params: Record<string, unknown>, session: SessionState, bytes: Buffer): boolean {
    const { sessions } = this.#hooks;
    switch (method) {
      case "Target.attachedToTarget": {
        const { sessionId, targetInfo, waitingForDebugger } = params as {
          sessionId: string;
          targetInfo: { type: string; targetId: string };
          waitingForDebugger?: boolean;
        };
        const starting = waitingForDebugger === true && !this.#curtain;
        if (sessions.size <= MAX_SESSIONS)
          sessions.add(sessionId, targetInfo.type, targetInfo.targetId, starting);
        const added = sessions.get(sessionId);
        if (added && !this.#hooks.agentDrives()) this.#beginSoon(added);
        return true;
      }
      case "Target.detachedFromTarget": {
        const ended = sessions.remove(String(params.sessionId));
        if (ended) this.#hooks.sessionEnded(ended);
        return true;
      }
      case "Inspector.targetCrashed":
        session.excuse();
        this.#hooks.upstream.lose(session.id, "the page crashed");
        this.#hooks.progress();
        return true;
      case "Page.javascriptDialogOpening":
        return this.#dialogOpened(session, String(params.frameId), bytes);
      case "Page.javascriptDialogClosed": {
        const untold = session.dialog?.untold;
        session.dialog = null;
        return !untold;
      }
      case "Fetch.requestPaused":
        this.#paused(session, "Fetch.continueRequest", { requestId: params.requestId });
        return true;
      case "Fetch.authRequired": {
        const authChallengeResponse = { response: "Default" };
        this.#paused(session, "Fetch.continueWithAuth", {
          requestId: params.requestId,
          authChallengeResponse,
        });
        return true;
      }
      case "Runtime.executionContextCreated":
        session.contexts.created(params);
        return true;
      case "Runtime.executionContextDestroyed":
        session.contexts.destroyed(params);
        return true;
      case "Runtime.executionContextsCleared":
        session.contexts.cleared();
        return true;
      case "Debugger.paused":
      case "Debugger.resumed":
        session.suspended.paused(method === "Debugger.paused");
        // It may have stopped just before it was told not to, or for a client that connected under the person.
        if (method === "Debugger.paused" && !this.#curtain && !this.#hooks.agentDrives())
          this.#hooks.upstream.post("Debugger.resume", {}, session.id);
        return true;
      case "Input.dragIntercepted":
        session.pressed.intercepted(params.data);
        return true;
      case "Page.fileChooserOpened":
        // The person's: the agent's handler would choose for them.
        return this.#hooks.agentDrives();
      default:
        return true;
    }
  }

  #dialogOpened(session: SessionState, frameId: string, bytes: Buffer): boolean {
    const { agentDrives, sessions, progress } = this.#hooks;
    const tell = agentDrives() && !this.#curtain;
    session.dialogs += 1;
    session.dialog = { untold: tell ? null : bytes };
    // Its frame may have a process, and sessions, of its own. They answer nothing until it is closed.
    for (const blocked of [session, ...sessions.ofTarget(session.targetId), ...sessions.ofTarget(frameId)]) {
      blocked.behind = session;
      blocked.excuse();
    }
    progress();
    return tell;
  }

  #paused(session: SessionState, method: string, params: Readonly<Record<string, unknown>>): void {
    const requestId = String(params.requestId);
    const paused: Paused = { method, params };
    session.pause(requestId, paused);
    if (!this.#hooks.agentDrives()) paused.timer = this.#patience(session, requestId, paused);
  }

  /** The agent's handler may itself be waiting for control: the person's page must not wait for it. */
  #patience(session: SessionState, requestId: string, { method, params }: Paused): NodeJS.Timeout {
    return setTimeout(() => {
      if (!session.unpause(requestId)) return;
      session.noteContinued(requestId);
      this.#hooks.upstream.post(method, params, session.id);
    }, INTERCEPTED_MS);
  }

  #redacted(method: string, bytes: Buffer): Buffer {
    if (method === "Page.getNavigationHistory" && this.#hooks.wasPrivate()) return withoutPast(bytes);
    const secrets = this.#hooks.secrets();
    return secrets.length > 0 && mayTellCookies(method) ? redact(bytes, secrets) : bytes;
  }

  /** Without it what the person opened stays blank, and what they opened it from stands still. */
  #beginSoon(session: SessionState): void {
    if (!session.starting) return;
    session.patience ??= setTimeout(() => {
      session.patience = undefined;
      if (!this.#hooks.agentDrives()) this.#begin(session);
    }, STARTING_MS);
  }

  #begin(session: SessionState): void {
    const { id, type } = session;
    if (!session.starting || id === undefined) return;
    session.starting = false;
    const event = { sessionId: id, targetInfo: { type }, waitingForDebugger: true };
    for (const { method, params } of beginning(event)) this.#hooks.upstream.post(method, params, id);
  }

  /** Of a request, or a download, that was begun behind a curtain; perhaps behind one that this client never met. */
  #isOfPrivateTime(method: string, bytes: Buffer): boolean {
    if (method.endsWith(".downloadProgress")) {
      return this.#requests.size > 0 && this.#requests.has(String(paramsOf(bytes).guid));
    }
    if (!method.startsWith("Network.")) return false;
    const id = requestOf(bytes);
    if (id === undefined) return false;
    if (this.#requests.has(id) && !this.#shown.has(id)) return true;
    if (this.#hooks.wasPrivate() && !this.#shown.has(id)) {
      if (!BEGINNINGS.has(method) || bytes.includes(REDIRECTED)) return true;
    }
    this.#shown.note(method, id);
    return false;
  }
}

const REDIRECTED = Buffer.from('"redirectResponse":');
const EXCEPTION = Buffer.from('"exceptionDetails":');
/** How Chromium ends a script that was only to look. */
const SIDE_EFFECT = Buffer.from("EvalError: Possible side-effect in debug-evaluate");

const TRACKED: ReadonlySet<string> = new Set([
  "Target.attachedToTarget",
  "Target.detachedFromTarget",
  "Inspector.targetCrashed",
  "Page.javascriptDialogOpening",
  "Page.javascriptDialogClosed",
  "Page.fileChooserOpened",
  "Input.dragIntercepted",
  "Debugger.paused",
  "Debugger.resumed",
  "Runtime.executionContextCreated",
  "Runtime.executionContextDestroyed",
  "Runtime.executionContextsCleared",
  "Fetch.authRequired",
  "Fetch.requestPaused",
]);

/** Clients take this ending for a page that went away, and ask again when there is one. */
function withheld(method: string): Refusal {
  const script = method.startsWith("Runtime.");
  const message = `${method} was answered while a person drove in private, and the answer is withheld. `;
  return {
    code: SERVER_ERROR,
    message: message + (script ? "Execution context was destroyed" : "Ask again."),
    data: { code: "private" },
  };
}

function paramsOf(bytes: Buffer): Record<string, unknown> {
  const { params } = JSON.parse(bytes.toString("utf8")) as { params?: Record<string, unknown> };
  return params ?? {};
}

async function late<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
