/** A small browser that makes valid events at random, and a client that keeps what it was told. */
import * as fc from "fast-check";

export interface Told {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly sessionId?: string | undefined;
}

type Params = Record<string, unknown>;
interface Frame {
  readonly parent: string | undefined;
  url: string;
  /** In another process: a target of its own. */
  remote: boolean;
}
interface Session {
  readonly target: string;
  /** The session that it was attached through. */
  readonly through: string | undefined;
  readonly frames: Map<string, Frame>;
  readonly contexts: Set<number>;
}

/** What a client knows of the browser. Throws when it is told of something that it cannot know. */
export class Client {
  readonly targets = new Set<string>();
  readonly sessions = new Map<string, Session>();

  take({ method, params, sessionId }: Told): void {
    const session = sessionId === undefined ? undefined : this.sessions.get(sessionId);
    if (sessionId !== undefined && !session) throw new Error(`${method} of an unknown session`);
    const info = params.targetInfo as { targetId: string } | undefined;
    const { frameId: direct, frame: whole } = params as { frameId?: string; frame?: { id?: string } };
    const frameId = direct ?? whole?.id ?? "";
    switch (method) {
      case "Target.targetCreated":
        this.targets.add(info?.targetId ?? "");
        return;
      case "Target.targetInfoChanged":
        return known(this.targets.has(info?.targetId ?? ""), method);
      case "Target.targetCrashed":
        return known(this.targets.has(String(params.targetId)), method);
      case "Target.targetDestroyed":
        return known(this.targets.delete(String(params.targetId)), method);
      case "Target.attachedToTarget": {
        const target = info?.targetId ?? "";
        const frames = new Map([[target, { parent: undefined, url: "", remote: false }]]);
        this.sessions.set(String(params.sessionId), {
          target,
          through: sessionId,
          frames,
          contexts: new Set(),
        });
        return;
      }
      case "Target.detachedFromTarget":
        return known(this.#detach(String(params.sessionId)), method);
      case "Page.frameAttached": {
        const parent = String(params.parentFrameId);
        known(session?.frames.has(parent) === true, method);
        session?.frames.set(frameId, { parent, url: "", remote: false });
        return;
      }
      case "Page.frameDetached": {
        const frame = session?.frames.get(frameId);
        known(frame !== undefined, method);
        if (params.reason === "swap") {
          // Where it is now is told in a session of its own.
          if (frame) Object.assign(frame, { remote: true, url: "" });
        } else session?.frames.delete(frameId);
        return;
      }
      case "Page.frameNavigated": {
        const frame = session?.frames.get(frameId);
        known(frame !== undefined, method);
        if (frame) frame.url = (params.frame as { url: string }).url;
        // As clients do it: another document has none of the frames of the one before.
        for (const below of session ? belowOf(session, frameId) : []) session?.frames.delete(below);
        return;
      }
      case "Page.navigatedWithinDocument":
      case "Page.frameStartedLoading":
        return known(session?.frames.has(frameId) === true, method);
      case "Runtime.executionContextCreated":
        session?.contexts.add((params.context as { id: number }).id);
        return;
      case "Runtime.executionContextDestroyed":
        return known(session?.contexts.delete(Number(params.executionContextId)) === true, method);
      case "Runtime.executionContextsCleared":
        session?.contexts.clear();
    }
  }

  /** With those that were attached through it. */
  #detach(id: string): boolean {
    for (const [child, { through }] of this.sessions) if (through === id) this.#detach(child);
    return this.sessions.delete(id);
  }

  /** To compare two by. Addresses only of frames that say one at all. */
  get picture(): unknown {
    return {
      targets: [...this.targets].sort(),
      sessions: [...this.sessions].sort(byKey).map(([id, { target, frames, contexts }]) => ({
        id,
        target,
        frames: [...frames].sort(byKey).map(([frame, each]) => ({ frame, ...each })),
        contexts: [...contexts].sort((a, b) => a - b),
      })),
    };
  }
}

/** The frames in a frame, the deepest first. */
function belowOf(session: Session, frameId: string): string[] {
  const children = [...session.frames].flatMap(([id, { parent }]) => (parent === frameId ? [id] : []));
  return children.flatMap((child) => [...belowOf(session, child), child]);
}

function known(is: boolean, method: string): void {
  if (!is) throw new Error(`${method} of something unknown`);
}

/** One thing that happens in the browser; the numbers choose among what there is. */
export interface Happening {
  readonly what: number;
  readonly which: number;
  readonly other: number;
}

export const happenings = (maxLength: number): fc.Arbitrary<Happening[]> =>
  fc.array(fc.record({ what: fc.nat({ max: 99 }), which: fc.nat(), other: fc.nat() }), { maxLength });

/** Makes the events of what happens. What cannot happen now makes none. */
export class Browser {
  /** Of an attached client: what it is told is what is there. */
  readonly #truth = new Client();
  #last = 0;
  /** Every address that a page ever had. */
  readonly addresses: string[] = [];

  get targets(): string[] {
    return [...this.#truth.targets];
  }

  /** Addresses that pages have now. */
  get shown(): string[] {
    return [...this.#truth.sessions.values()].flatMap(({ frames }) =>
      [...frames.values()].map(({ url }) => url),
    );
  }

  happen({ what, which, other }: Happening): Told[] {
    const told = this.#events(what, which, other);
    for (const each of told) this.#truth.take(each);
    return told;
  }

  #new(prefix: string): string {
    this.#last += 1;
    return `${prefix}${this.#last}`;
  }

  #events(what: number, which: number, other: number): Told[] {
    const { targets, sessions } = this.#truth;
    const target = pick([...targets], which);
    const [id, session] = pick([...sessions], which) ?? [];
    const info = (targetId: string): Params => ({
      targetInfo: { targetId, type: "page", title: `secret-${targetId}`, url: `http://secret-${targetId}/` },
    });
    if (what < 10) return [{ method: "Target.targetCreated", params: info(this.#new("T")) }];
    if (what < 20 && target !== undefined) {
      const params = { sessionId: this.#new("S"), waitingForDebugger: false, ...info(target) };
      return [{ method: "Target.attachedToTarget", params }];
    }
    if (what < 25 && id !== undefined && session) return this.#end(id, session.target);
    if (what < 30 && target !== undefined) return this.#destroy(target);
    if (what < 34 && target !== undefined)
      return [{ method: "Target.targetInfoChanged", params: info(target) }];
    if (what < 36 && target !== undefined)
      return [{ method: "Target.targetCrashed", params: { targetId: target } }];
    if (id === undefined || !session) return [];
    const of = (method: string, params: Params): Told[] => [{ method, params, sessionId: id }];
    // What is in another process is driven there.
    const frame = pick(
      [...session.frames].filter(([, { remote }]) => !remote),
      other,
    );
    const child = pick(
      [...session.frames].filter(([, { parent }]) => parent !== undefined),
      other,
    );
    if (what < 46) return of("Page.frameAttached", { frameId: this.#new("F"), parentFrameId: frame?.[0] });
    if (what < 54 && child) return this.#remove(id, session, child[0]);
    if (what < 60 && child) {
      const [frameId, { remote, parent }] = child;
      const own = { sessionId: this.#new("S"), waitingForDebugger: false, ...info(frameId) };
      if (!remote)
        return [
          ...of("Page.frameDetached", { frameId, reason: "swap" }),
          ...of("Target.attachedToTarget", own),
        ];
      return [...of("Page.frameAttached", { frameId, parentFrameId: parent }), ...this.#detach(frameId)];
    }
    if (what < 72 && frame) {
      const url = `http://address/${this.#new("")}/`;
      this.addresses.push(url);
      const [frameId, { parent }] = frame;
      const navigated = of("Page.frameNavigated", { frame: { id: frameId, parentId: parent, url } });
      // Of a whole page in another process, Chromium does not say that the frames below are gone.
      if (which % 2 && session.target === frameId && targets.has(frameId)) return navigated;
      const children = [...session.frames].flatMap(([child, each]) =>
        each.parent === frameId ? [child] : [],
      );
      return [...children.flatMap((child) => this.#remove(id, session, child)), ...navigated];
    }
    if (what < 76 && frame)
      return of("Page.navigatedWithinDocument", { frameId: frame[0], url: "http://within/" });
    if (what < 79 && frame) return of("Page.frameStartedLoading", { frameId: frame[0] });
    if (what < 90) return of("Runtime.executionContextCreated", { context: { id: Number(this.#new("")) } });
    const context = pick([...session.contexts], other);
    if (what < 96 && context !== undefined)
      return of("Runtime.executionContextDestroyed", { executionContextId: context });
    return of("Runtime.executionContextsCleared", {});
  }

  #destroy(targetId: string): Told[] {
    return [...this.#detach(targetId), { method: "Target.targetDestroyed", params: { targetId } }];
  }

  /** From a tab, or a frame in a process of its own. */
  #detach(targetId: string): Told[] {
    return [...this.#truth.sessions]
      .filter(([, { target }]) => target === targetId)
      .flatMap(([id]) => this.#end(id, targetId));
  }

  /** Those that were attached through it first. */
  #end(id: string, targetId: string): Told[] {
    const { sessions } = this.#truth;
    const inside = [...sessions].filter(([, { through }]) => through === id);
    return [
      ...inside.flatMap(([child, { target }]) => this.#end(child, target)),
      {
        method: "Target.detachedFromTarget",
        params: { sessionId: id, targetId },
        sessionId: sessions.get(id)?.through,
      },
    ];
  }

  /** The deepest first, as Chromium does it. */
  #remove(sessionId: string, session: Session, frameId: string): Told[] {
    const detached = (id: string): Told => ({
      method: "Page.frameDetached",
      params: { frameId: id, reason: "remove" },
      sessionId,
    });
    return [...belowOf(session, frameId), frameId].flatMap((id) => [...this.#detach(id), detached(id)]);
  }
}

function pick<T>(list: readonly T[], number: number): T | undefined {
  return list.length === 0 ? undefined : list[number % list.length];
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
