/** Waits until nothing that an agent sent is under way in its pages, and lets go of what it holds there (C2, C5). */
import { mayLinger } from "../core/cdp-policy.ts";
import { markFocus } from "./focus-mark.ts";
import type { Sessions } from "./sessions.ts";
import type { Outstanding, SessionState } from "./session-state.ts";
import type { Upstream } from "./upstream.ts";

/**
 * How long a command may take. A server may keep a navigation waiting for ever: after this it is stopped, so that the
 * person need not wait.
 */
const PATIENCE_MS = 5_000;
/** How long readings that are under way may take before a private takeover begins; later answers are withheld. */
const READS_MS = 1_000;

export class Drain {
  readonly #upstream: Upstream;
  readonly #sessions: Sessions;
  readonly #onEndless: () => void;
  readonly #watchers = new Set<() => void>();

  /** @param onEndless a command has no end: its connection must, which ends the command */
  constructor(upstream: Upstream, sessions: Sessions, onEndless: () => void) {
    this.#onEndless = onEndless;
    this.#upstream = upstream;
    this.#sessions = sessions;
  }

  /** Something is being waited for. */
  get waits(): boolean {
    return this.#watchers.size > 0;
  }

  /** A command was answered, or needs no answer any more. */
  progress(): void {
    for (const check of this.#watchers) check();
  }

  /** The same for one session, before it is given up: what it sent is under way without it too. */
  async quietOne(session: SessionState): Promise<void> {
    await this.#quiet(session, false);
  }

  /** @param reads wait a little for readings too */
  async quiet(reads: boolean): Promise<void> {
    await Promise.all(this.#sessions.all().map((session) => this.#quiet(session, reads)));
  }

  async #quiet(session: SessionState, reads: boolean): Promise<void> {
    const { id } = session;
    const upstream = this.#upstream;
    // First: a page that a debugger keeps paused answers nothing.
    for (const { method, params } of session.suspended.suspend()) upstream.post(method, params, id);
    const sent = [...session.outstanding.values()];
    const driving = sent.filter(({ drives }) => drives);
    await this.#answered(
      driving.filter(({ method }) => !mayLinger(method)),
      session,
    );
    // A script may wait in its page for ever. What it does at once is done when one that was sent later has run.
    if (driving.some(({ done }) => !done)) await this.#page(session, "Runtime.evaluate", { expression: "0" });
    for (const { method, params } of session.hitChecks.disarm()) await this.#page(session, method, params);
    for (const { method, params } of session.pressed.lift()) await this.#page(session, method, params);
    // Also where it has not acted yet: another session of the same agent may have, and it may send before it is stopped.
    if (session.isPage && session.mark === undefined && !this.#isBlocked(session)) {
      session.mark = await this.#unlessBlocked(session, markFocus(upstream, id));
    }
    if (!reads) return;
    // What is recorded would tell what the person does.
    for (const method of session.recorders.keys()) upstream.post(method, {}, id);
    session.recorders.clear();
    const readings = sent.filter(({ drives, method }) => !drives && !mayLinger(method));
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    timer = setTimeout(() => {
      over = true;
      this.progress();
    }, READS_MS);
    await this.#until(() => over || readings.every(({ done }) => done));
    clearTimeout(timer);
  }

  async #answered(commands: readonly Outstanding[], session: SessionState): Promise<void> {
    if (commands.every(({ done }) => done)) return;
    const navigates = commands.some(({ method, done }) => method === "Page.navigate" && !done);
    const patience = setTimeout(() => {
      if (navigates) this.#upstream.post("Page.stopLoading", {}, session.id);
      else void this.#endlessCommand(session, commands);
    }, PATIENCE_MS);
    await this.#until(() => commands.every(({ done }) => done));
    clearTimeout(patience);
  }

  /** A page that answers, but not to these, has been given work without end; a page that hangs is waited for. */
  async #endlessCommand(session: SessionState, commands: readonly Outstanding[]): Promise<void> {
    const probe = session.hasScripts
      ? this.#upstream.command("Runtime.evaluate", { expression: "0" }, session.id)
      : this.#upstream.command("Browser.getVersion", {});
    await probe.catch(() => {});
    if (commands.some(({ done }) => !done)) this.#onEndless();
  }

  async #page(session: SessionState, method: string, params: object): Promise<void> {
    // Behind a dialog it is carried out when that is answered; nobody waits for that.
    if (this.#isBlocked(session)) return this.#upstream.post(method, params, session.id);
    await this.#unlessBlocked(
      session,
      this.#upstream.command(method, params, session.id).catch(() => {}),
    );
  }

  /** Undefined when a dialog opens, or the page goes, before it is settled. */
  async #unlessBlocked<T>(session: SessionState, promise: Promise<T>): Promise<T | undefined> {
    let result: T | undefined;
    let settled = false;
    void promise.then((value) => {
      result = value;
      settled = true;
      this.progress();
    });
    await this.#until(() => settled || this.#isBlocked(session));
    return result;
  }

  #isBlocked({ gone, dialog, behind, blocked }: SessionState): boolean {
    return gone || blocked || dialog !== null || (behind !== null && behind.dialog !== null);
  }

  #until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
    });
  }
}
