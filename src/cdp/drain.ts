/** Waits until nothing that an agent sent is under way in its pages, and lets go of what it holds there (C2, C5). */
import { mayLinger } from "../core/cdp-policy.ts";
import { markFocus } from "./focus-mark.ts";
import type { Sessions } from "./sessions.ts";
import type { Outstanding, SessionState } from "./session-state.ts";
import type { Upstream } from "./upstream.ts";

/** A server may keep a navigation waiting for ever; after this it is given up, so that the person need not wait. */
const NAVIGATION_MS = 5_000;
/** How long readings that are under way may take before a private takeover begins; later answers are withheld. */
const READS_MS = 1_000;

export class Drain {
  readonly #upstream: Upstream;
  readonly #sessions: Sessions;
  readonly #watchers = new Set<() => void>();

  constructor(upstream: Upstream, sessions: Sessions) {
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
    if (session.acted && session.isPage && !this.#isBlocked(session)) {
      session.acted = false;
      session.mark = await this.#unlessBlocked(session, markFocus(upstream, id));
    }
    if (!reads) return;
    // A trace records what the person does.
    if (session.tracing) upstream.post("Tracing.end", {}, id);
    session.tracing = false;
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
    const navigates = commands.some(({ method, done }) => method === "Page.navigate" && !done);
    const timer = navigates
      ? setTimeout(() => this.#upstream.post("Page.stopLoading", {}, session.id), NAVIGATION_MS)
      : undefined;
    await this.#until(() => commands.every(({ done }) => done));
    clearTimeout(timer);
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

  #isBlocked({ gone, dialog, blocked }: SessionState): boolean {
    return gone || blocked || dialog !== null;
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
