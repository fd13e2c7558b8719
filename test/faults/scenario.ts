/** One run: everything starts, works and is struck; then all is healed, comes to rest, and is read. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { EventPage, formatPosition, SandboxResult } from "../../protocol/http.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { SandboxUpdate } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { Actor, type World } from "./actor.ts";
import { Agent } from "./agent.ts";
import { type Entry, History } from "./history.ts";
import { inflict } from "./injector.ts";
import { Person } from "./person.ts";
import { Random } from "./random.ts";
import { RecordingPage } from "./recording-page.ts";
import { type Hazard, plan } from "./schedule.ts";
import type { Topology, TopologyOptions } from "./topology.ts";
import type { Guarantees } from "./violation.ts";

export interface ScenarioOptions {
  readonly seed: number;
  readonly start: (options: TopologyOptions) => Promise<Topology>;
  /** How long faults strike. */
  readonly durationMs: number;
  /** Only faults that this matches. */
  readonly only?: RegExp;
  /** For the history and the logs. */
  readonly dir: string;
}

export interface Run {
  readonly history: readonly Entry[];
  readonly path: string;
  readonly guarantees: Guarantees;
}

const SANDBOX = "struck";
/** Longest a healed system may take to come to rest: leases, grace times and reconnects, several times over. */
const REST_MS = 60_000;
/** Longer than a gateway that goes on again takes for what its sockets hold. */
const QUIET_MS = 2_000;
const RETRY_MS = 50;

export async function runScenario(options: ScenarioOptions): Promise<Run> {
  const cleanups: (() => unknown)[] = [];
  try {
    return await run(options, (cleanup) => cleanups.push(cleanup));
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

async function run(
  { seed, start, durationMs, only, dir }: ScenarioOptions,
  defer: (cleanup: () => unknown) => void,
): Promise<Run> {
  const random = new Random(seed);
  const history = new History(join(dir, "history.ndjson"));
  defer(() => history.close());
  const page = await RecordingPage.open();
  defer(() => page.close());
  const topology = await start({ dir, random: random.fork("topology") });
  defer(() => topology.close());
  const { nodes, guarantees } = topology;

  const created = await create(nodes[0]?.url ?? "", page.cdpUrl, history);
  const finishing = new AbortController();
  const world: World = { nodes, sandboxId: SANDBOX, history, random, finishing: finishing.signal };
  const away = nodes.length - 1;
  const agent = new Agent(world, 0);
  const people = [new Person(world, "ann", ["bob"], away), new Person(world, "bob", ["ann"], 0)];
  const homes = [...new Set([0, away])];
  const rogues = homes.map(
    (home) => new Actor(world, { name: `rogue-${home}`, role: "agent", home, rogue: true }),
  );
  const stranger = new Actor(world, { name: "mallory", role: "operator", home: 0, rogue: true });
  const watchers = homes.map((home) => new Actor(world, { name: `watcher-${home}`, role: "viewer", home }));
  const actors = [agent.actor, ...people.map(({ actor }) => actor), ...rogues, stranger, ...watchers];
  defer(() => actors.forEach((actor) => actor.close()));
  for (const actor of actors) await until(actor, ({ connected }) => connected, REST_MS);

  const work = [
    agent.work(),
    agent.actor.type(30),
    ...rogues.map((rogue) => rogue.type(40)),
    stranger.type(120),
    ...people.flatMap((person) => [person.work(), person.actor.type(50)]),
  ];
  const cuts = actors.map((actor) => cutting(actor));
  const hazards = [...topology.hazards, ...cuts].filter(({ fault }) => only?.test(fault) ?? true);
  await inflict(plan(random.fork("faults"), hazards, durationMs), durationMs, history);
  finishing.abort();
  await Promise.all(work);

  let rest = await comeToRest(agent, people, actors);
  // A gateway that was paused finds calls in its sockets that their callers have long made elsewhere, and begins them
  // only now: nobody is told of their end.
  for (let seq = -1; seq !== rest.seq; rest = await comeToRest(agent, people, actors)) {
    ({ seq } = rest);
    await pause(QUIET_MS);
  }
  for (const actor of actors) {
    const shown = actor.sandbox.current?.sandbox;
    if (shown) history.add({ kind: "shown", actor: actor.name, sandbox: shown });
  }
  for (const { n, at, text } of await page.record()) {
    // Text that one event inserted is one tag; a page that fell behind may have joined some.
    for (const tag of text.match(/[^;]*;/g) ?? [text]) history.add({ kind: "page", n, tag }, at);
  }
  for (const { name, url } of nodes) {
    const { sandbox } = SandboxResult.parse(await json(`${url}/v1/sandboxes/${SANDBOX}`));
    const since = formatPosition(created);
    const { events } = EventPage.parse(await json(`${url}/v1/sandboxes/${SANDBOX}/events?since=${since}`));
    history.add({ kind: "final", node: name, sandbox, log: events });
  }
  if (rest.seq === 0) throw new Error("nothing happened in this run");
  return { history: history.entries, path: history.path, guarantees };
}

async function create(url: string, cdpUrl: string, history: History): Promise<Sandbox> {
  const worker = connect({ url, role: "worker" });
  try {
    const sandbox = await worker.createSandbox({ sandboxId: SANDBOX, browser: { cdpUrl } });
    history.add({ kind: "created", sandbox });
    return sandbox;
  } finally {
    worker.close();
  }
}

/** A client's own link breaks: the mildest fault, and the commonest. */
function cutting(actor: Actor): Hazard {
  return {
    fault: "client cut",
    target: `client ${actor.name}`,
    weight: 0.15,
    minMs: 0,
    maxMs: 0,
    restMs: 3_000,
    begin: async () => actor.cut(),
    end: async () => {},
  };
}

/** Everybody brings what they began to its end, until no change is left to come and every subscriber saw the last. */
async function comeToRest(
  agent: Agent,
  people: readonly Person[],
  actors: readonly Actor[],
): Promise<Sandbox> {
  const deadline = AbortSignal.timeout(REST_MS);
  for (;;) {
    deadline.throwIfAborted();
    await Promise.all([agent.withdraw(), ...people.map((person) => person.finish())]);
    const { sandbox } = await until(agent.actor, isSteady, REST_MS);
    if (!isAtRest(sandbox)) {
      // Whoever must act may not have heard of it yet.
      await pause(RETRY_MS);
      continue;
    }
    const updates = await Promise.all(
      actors.map((actor) =>
        until(actor, ({ connected, sandbox: { seq } }) => connected && seq >= sandbox.seq, REST_MS),
      ),
    );
    if (updates.every((update) => update.sandbox.seq === sandbox.seq)) return sandbox;
  }
}

/** Nothing moves by itself any more: what is left to do is for people and the agent. */
function isSteady({ connected, sandbox }: SandboxUpdate): boolean {
  const resume = sandbox.resume?.status;
  const delivering = sandbox.control.mode === "ai" && (resume === "waiting" || resume === "running");
  return connected && sandbox.control.phase === "active" && !delivering;
}

function isAtRest({ control, handoff }: Sandbox): boolean {
  return control.mode === "ai" && handoff?.status !== "pending" && handoff?.status !== "accepted";
}

/** Rejects with what the actor shows when it does not come to that. */
async function until(
  actor: Actor,
  check: (update: SandboxUpdate) => boolean,
  timeoutMs: number,
): Promise<SandboxUpdate> {
  for await (const update of actor.sandbox.watch({ signal: AbortSignal.timeout(timeoutMs) }))
    if (check(update)) return update;
  const state = JSON.stringify(actor.sandbox.current);
  throw new Error(
    `${actor.name} waited ${timeoutMs} ms in vain; it is ${actor.client.status} and shows ${state}`,
  );
}

async function json(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
