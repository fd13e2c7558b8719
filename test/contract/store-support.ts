/** Commits as the gateway makes them, and subscribers that can be waited for. */
import type { BrowserSource } from "../../protocol/http.ts";
import type { Sandbox, SandboxEvent } from "../../protocol/sandbox.ts";
import type { Command } from "../../src/core/commands.ts";
import { initialState, type SandboxState } from "../../src/core/state.ts";
import { announce } from "../../src/core/step.ts";
import { transition } from "../../src/core/transition.ts";
import type { Commit, CommitRecord, Loaded, NodeMembers, Store } from "../../src/store/store.ts";

export async function newSandbox(store: Store, sandboxId: string, source: BrowserSource = { launch: true }) {
  const now = await store.now();
  const initial = initialState(sandboxId, source, now);
  return announce(initial, initial, "sandbox.created", now);
}

export async function createSandbox(store: Store, sandboxId: string, dueAt: number | null = null) {
  const { state, events } = await newSandbox(store, sandboxId);
  if (!(await store.create(state, events, dueAt))) throw new Error(`${sandboxId} exists already.`);
  return { state, events, loaded: await load(store, sandboxId) };
}

async function load(store: Store, sandboxId: string): Promise<Loaded> {
  const loaded = await store.load(sandboxId);
  if (!loaded) throw new Error(`There is no sandbox ${sandboxId}.`);
  return loaded;
}

/** A command that causes one event in any state. */
export function noise({ state }: { readonly state: SandboxState }): Command {
  return { type: "browser.attach", source: state.browser?.source ?? { launch: true } };
}

/** A command that changes the state without an event. */
export function silence(gateId: string): Command {
  return { type: "gate.open", gateId, nodeId: "n1", attachedAt: 0 };
}

/** A command that causes one event with a new epoch; no gate may be open. */
function handover({ control }: SandboxState): Command {
  return control.mode === "ai"
    ? { type: "control.take", controller: "ann", force: false }
    : { type: "control.release", controller: "ann" };
}

export function prepare(loaded: Loaded, command: Command, key: string, dueAt: number | null = null): Commit {
  const step = transition(loaded.state, command, loaded.now);
  if (step.kind !== "changed") throw new Error(`${command.type} changes nothing here: ${step.kind}`);
  const { handoff, seq } = step.state;
  return {
    expectedVersion: loaded.version,
    decidedAt: loaded.now,
    next: step.state,
    events: step.events,
    dueAt,
    record: { key, fingerprint: `digest of ${key}`, handoff, seq },
  };
}

/** One commit that nobody else disturbs. */
export async function commitOnce(
  store: Store,
  sandboxId: string,
  command: Command,
  key: string,
  dueAt: number | null = null,
): Promise<void> {
  const result = await store.commit(sandboxId, prepare(await load(store, sandboxId), command, key, dueAt));
  if (result.kind !== "committed") throw new Error(`The commit was not made: ${result.kind}`);
}

/** Loads and commits again until no other commit comes first. */
export async function commitUntilDone(
  store: Store,
  sandboxId: string,
  key: string,
  kind: "noise" | "silent" | "control" = "noise",
): Promise<CommitRecord & { readonly epoch: number }> {
  for (;;) {
    const loaded = await load(store, sandboxId);
    const command = { noise: noise(loaded), silent: silence(key), control: handover(loaded.state) }[kind];
    const commit = prepare(loaded, command, key);
    const result = await store.commit(sandboxId, commit);
    if (result.kind === "committed") return { ...commit.record, epoch: commit.next.epoch };
    if (result.kind !== "conflict") throw new Error(`The commit ended as ${result.kind}.`);
  }
}

/** Resolves as soon as `check` answers something; asked again whenever `tell` is called. */
class Waiting {
  readonly #checks = new Set<() => void>();

  tell(): void {
    for (const check of this.#checks) check();
  }

  until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const check = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#checks.delete(check);
        resolve(found);
      };
      this.#checks.add(check);
      check();
    });
  }
}

export async function watch(store: Store, sandboxId: string) {
  const waiting = new Waiting();
  const events: SandboxEvent[] = [];
  const rosters: NodeMembers[] = [];
  const told: string[] = [];
  const stop = await store.subscribe(sandboxId, {
    event: (event) => {
      events.push(event);
      told.push(`event ${event.seq}`);
      waiting.tell();
    },
    removed: () => {
      told.push("removed");
      waiting.tell();
    },
    lost: () => {
      told.push("lost");
      waiting.tell();
    },
    roster: (change) => {
      rosters.push(change);
      waiting.tell();
    },
  });
  return {
    events: events as readonly SandboxEvent[],
    /** What nodes announced, in order. */
    rosters: rosters as readonly NodeMembers[],
    /** Everything the listener was told, in order. */
    told: told as readonly string[],
    stop,
    until: (seq: number) => waiting.until(() => events.find((event) => event.seq >= seq)),
    untilRemoved: () => waiting.until(() => told.includes("removed") || undefined),
    /** Told of a loss so many times. */
    untilLost: (times = 1) =>
      waiting.until(() => told.filter((what) => what === "lost").length >= times || undefined),
    untilRosters: (count: number) => waiting.until(() => rosters.length >= count || undefined),
  };
}

export async function watchLobby(store: Store) {
  const waiting = new Waiting();
  const newest = new Map<string, Sandbox>();
  const told: string[] = [];
  const stop = await store.subscribeLobby((change) => {
    if (change.kind === "changed") {
      newest.set(change.sandbox.sandboxId, change.sandbox);
      told.push(`${change.sandbox.sandboxId} ${change.sandbox.seq}`);
    } else {
      told.push(change.kind === "removed" ? `${change.sandboxId} removed` : "lost");
    }
    waiting.tell();
  });
  return {
    told: told as readonly string[],
    stop,
    until: (sandboxId: string, seq: number) =>
      waiting.until(() => {
        const sandbox = newest.get(sandboxId);
        return sandbox && sandbox.seq >= seq ? sandbox : undefined;
      }),
    untilRemoved: (sandboxId: string) =>
      waiting.until(() => told.includes(`${sandboxId} removed`) || undefined),
    untilLost: () => waiting.until(() => told.includes("lost") || undefined),
  };
}
