import type { ControlMode } from "../../protocol/control.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { WaitOptions } from "./api.ts";
import type { Follower } from "./follower.ts";
import { waiting } from "./waiting.ts";

function isOver(handoff: Handoff): boolean {
  return handoff.status !== "pending" && handoff.status !== "accepted";
}

/** Resolves once `find` returns something for a settled state. */
function waitForState<T>(
  follower: Follower,
  what: string,
  options: WaitOptions,
  find: (sandbox: Sandbox) => T | undefined,
): Promise<T> {
  return waiting(what, options, (resolve, reject) => {
    const look = () => {
      const sandbox = follower.settled ? follower.current?.sandbox : undefined;
      const found = sandbox && find(sandbox);
      if (found !== undefined) resolve(found);
    };
    const stop = follower.listen({ settled: look, ended: ({ error }) => reject(error) });
    follower.follow();
    look();
    return stop;
  });
}

export function waitForControl(
  follower: Follower,
  options: WaitOptions,
  mayDrive: (sandbox: Sandbox) => boolean,
): Promise<ControlMode> {
  return waitForState(follower, "Waiting for control", options, (sandbox) =>
    mayDrive(sandbox) ? sandbox.control.mode : undefined,
  );
}

/** Asks the gateway for the sandbox's last handoff; makes the follower wait until its state shows it. */
type FetchLast = (signal: AbortSignal | undefined) => Promise<Handoff | null>;

/** Waits for the end of one handoff: the named one, else the open one, else the last one. */
export async function waitForHandoff(
  follower: Follower,
  fetchLast: FetchLast,
  options: WaitOptions & { readonly requestId?: string },
): Promise<Handoff> {
  return waiting("Waiting for the handoff", options, (resolve, reject) => {
    const wait = new HandoffWait(options.requestId, resolve, reject);
    const stopFetch = new AbortController();
    let asked = false;
    const look = () => {
      const sandbox = follower.settled ? follower.current?.sandbox : undefined;
      if (!sandbox || wait.decide(sandbox) || asked) return;
      // A handoff that was asked for elsewhere may be newer than this client's state.
      asked = true;
      fetchLast(stopFetch.signal).then((last) => {
        wait.fetched(last);
        look();
      }, reject);
    };
    const stop = follower.listen({
      update: ({ sandbox }) => wait.observe(sandbox),
      settled: look,
      ended: ({ error }) => reject(error),
    });
    follower.follow();
    look();
    return () => {
      stopFetch.abort();
      stop();
    };
  });
}

class HandoffWait {
  #requestId: string | undefined;
  readonly #resolve: (handoff: Handoff) => void;
  readonly #reject: (error: BatonError) => void;
  #known: Handoff | undefined;
  /** The state held it, so another one in its place is a later one. */
  #shown = false;

  constructor(
    requestId: string | undefined,
    resolve: (handoff: Handoff) => void,
    reject: (error: BatonError) => void,
  ) {
    this.#requestId = requestId;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Every state in between counts: a quick one may have ended and been replaced within what was missed. */
  observe({ handoff }: Sandbox): void {
    if (!handoff || handoff.requestId !== this.#requestId) return;
    this.#known = handoff;
    this.#shown = true;
  }

  fetched(last: Handoff | null): void {
    if (this.#known) return;
    if (last && last.requestId === this.#requestId) {
      this.#known = last;
    } else {
      const now = last ? `the last one is ${last.requestId}` : "there was none yet";
      this.#reject(
        noOpenHandoff(`Handoff ${this.#requestId} is not the sandbox's last handoff: ${now}.`, last),
      );
    }
  }

  /** Looks at a settled state. Returns false when it says nothing about the awaited handoff. */
  decide(sandbox: Sandbox): boolean {
    const { handoff, control } = sandbox;
    if (this.#requestId === undefined) {
      if (!handoff) {
        this.#reject(
          noOpenHandoff("The sandbox has no handoff to wait for. Call requestHumanHandoff first.", null),
        );
        return true;
      }
      this.#requestId = handoff.requestId;
    }
    this.observe(sandbox);
    const known = this.#known;
    if (!known) return false;
    if (handoff?.requestId === known.requestId) {
      if (isOver(handoff) && control.phase === "active") this.#resolve(handoff);
      return true;
    }
    const replaced = this.#shown || (handoff !== null && handoff.requestedAt > known.requestedAt);
    if (replaced && isOver(known)) {
      this.#resolve(known);
    } else if (replaced) {
      const message = `Handoff ${known.requestId} was replaced by ${handoff?.requestId ?? "nothing"} before its end was seen.`;
      this.#reject(noOpenHandoff(`${message} Read its end from the sandbox's events.`, handoff));
    }
    return true;
  }
}

function noOpenHandoff(message: string, handoff: Handoff | null): BatonError {
  return new BatonError("no_open_handoff", message, handoff ? { requestId: handoff.requestId } : undefined);
}
