/** Several clients on sockets, with whatever they send: the messages of the protocol and all that comes near. */
import * as fc from "fast-check";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { Part } from "./part.ts";
import { noFacts, resolveText, sandboxIdOf, type Facts } from "./script.ts";
import { SocketClient, type ClientContext } from "./socket-client.ts";
import type { Stage } from "./stage.ts";
import { CLIENTS, identity, steps, type Identity, type Step } from "./up-messages.ts";
import { shown, Violation } from "./violation.ts";

export interface SocketScript {
  readonly clients: readonly Identity[];
  readonly steps: readonly (readonly Step[])[];
}

export const socketPart: Part<SocketScript> = {
  name: "socket",
  scripts: fc.record({
    clients: fc.array(identity, { minLength: CLIENTS, maxLength: CLIENTS }),
    steps,
  }),
  messages: ({ steps: all }) => all.flat().filter((step) => step.do !== "settle").length,
  play: (script, stage) => stage.play((wrong) => new Play(script, stage, wrong).run()),
  show: ({ clients, steps: all }) => [
    ...clients.map((each, index) => `client ${index}: ${JSON.stringify(each)}`),
    ...all.flat().map(showStep),
  ],
};

function showStep(step: Step): string {
  switch (step.do) {
    case "settle":
      return `${step.client} waits until what it sent was read`;
    case "send":
      return `${step.client} sends ${shown(step.text)}`;
    case "binary":
      return `${step.client} sends the bytes ${Buffer.from(step.bytes).toString("hex")}`;
    case "close":
    case "cut":
      return `${step.client} ${step.do === "cut" ? "vanishes" : "leaves"}, and comes back${step.hello ? "" : " without a hello"}`;
  }
}

class Play {
  readonly #script: SocketScript;
  readonly #stage: Stage;
  readonly #run: string;
  readonly #context: ClientContext;
  readonly #clients: SocketClient[] = [];
  #wrong: Error | undefined;

  constructor(script: SocketScript, stage: Stage, wrong: (error: Error) => void) {
    this.#script = script;
    this.#stage = stage;
    this.#run = stage.nextRun();
    this.#context = {
      url: stage.url,
      histories: stage.histories,
      tally: stage.tally,
      wrong: (error) => {
        this.#wrong ??= error;
        wrong(error);
      },
    };
  }

  async run(): Promise<void> {
    const ids = [sandboxIdOf(this.#run, 0), sandboxIdOf(this.#run, 1)];
    await Promise.all(ids.map((id) => this.#stage.create(id)));
    // Somebody who only looks, and must be told everything.
    const watcher = await this.#greeted({ role: "viewer", name: "watcher" });
    for (const [index, id] of ids.entries())
      watcher.send(JSON.stringify({ type: "sandbox.join", id: `j${index}`, sandboxId: id }));
    await watcher.roundTrip(this.#stage.patienceMs);
    try {
      for (const [index, who] of this.#script.clients.entries())
        this.#clients[index] = await this.#greeted(who);
      for (const step of this.#script.steps.flat()) {
        if (this.#wrong) return;
        await this.#step(step);
      }
      for (const client of this.#clients) await client.roundTrip(this.#stage.patienceMs);
      for (const id of ids) await this.#agrees(watcher, id);
      // What still waits, for a person or an agent that will not come, ends with its sandbox.
      for (const id of this.#leaving(ids)) await this.#stage.remove(id);
      for (const client of [...this.#clients, watcher]) {
        await client.answered(this.#stage.patienceMs);
        await client.roundTrip(this.#stage.patienceMs);
      }
      if (watcher.closed) throw new Violation("somebody who only looked was closed");
    } finally {
      for (const id of this.#leaving(ids)) await this.#stage.remove(id).catch(() => {});
      await Promise.all([...this.#clients, watcher].map((client) => client.close()));
    }
  }

  /**
   * The sandboxes that go with the script. The others stay, so that their rooms have to close because nobody is there;
   * not where a call may wait for as long as two minutes.
   */
  #leaving(ids: readonly string[]): readonly string[] {
    return JSON.stringify(this.#script.steps).includes("120000") ? ids : ids.slice(0, 1);
  }

  async #step(step: Step): Promise<void> {
    if (step.do === "settle") return this.#clients[step.client]?.roundTrip(this.#stage.patienceMs);
    const who = this.#script.clients[step.client];
    let client = this.#clients[step.client];
    if (!client || !who) return;
    if (client.closed) this.#clients[step.client] = client = await this.#greeted(who);
    switch (step.do) {
      case "send":
        return client.send(this.#resolved(step.text, client, who));
      case "binary":
        return client.binary(step.bytes);
      case "cut":
        client.cut();
        break;
      case "close":
        await client.close();
        break;
    }
    this.#clients[step.client] = step.hello
      ? await this.#greeted(who)
      : await SocketClient.open(this.#context);
  }

  #resolved(text: string, client: SocketClient, who: Identity): string {
    const facts = (sandboxId: string): Facts => this.#facts(client, sandboxId);
    return resolveText(text, this.#run, facts, this.#stage.credentials.token(who));
  }

  /** What the client knows, or else what anybody knows: people talk. */
  #facts(client: SocketClient, sandboxId: string): Facts {
    const own = client.facts(sandboxId);
    const requestId =
      own.requestId ??
      this.#clients.map((other) => other.facts(sandboxId).requestId).find((id) => id !== undefined);
    return { ...noFacts(), ...own, requestId };
  }

  async #greeted(who: Identity): Promise<SocketClient> {
    const client = await SocketClient.open(this.#context);
    client.send(JSON.stringify(this.#stage.credentials.hello(who)));
    return client;
  }

  /** E1: the events together are the state. */
  async #agrees(watcher: SocketClient, sandboxId: string): Promise<void> {
    const { status, body } = await this.#stage.call("GET", `/v1/sandboxes/${sandboxId}`);
    await watcher.roundTrip(this.#stage.patienceMs);
    if (status !== 200) throw new Violation(`a sandbox could not be read: ${status} ${body}`);
    const { sandbox } = JSON.parse(body) as { sandbox: Sandbox };
    const told = watcher.following(sandboxId)?.sandbox;
    if (!told) throw new Violation("the watcher follows nothing");
    // It may have moved on by itself: a grace time, a browser that came back.
    if (told.seq === sandbox.seq && !same(told, sandbox))
      throw new Violation(
        `E1: the events make ${JSON.stringify(told)}, the state is ${JSON.stringify(sandbox)}`,
      );
    if (told.seq < sandbox.seq)
      throw new Violation(`E2: the watcher stands at ${told.seq}, the state at ${sandbox.seq}`);
  }
}

function same(one: object, other: object): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: object): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}
