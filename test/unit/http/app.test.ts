/** What only HTTP offers: the event stream, the long poll, and what operations look at. */
import { describe, expect, it } from "vitest";
import { applyEvent, type Sandbox, type SandboxEvent } from "../../../protocol/sandbox.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { Inbox, within } from "../../support/inbox.ts";
import { startLoggedGateway, type LoggedGateway } from "../../support/logged-gateway.ts";

const SANDBOX = "s";
const PATH = `/v1/sandboxes/${SANDBOX}`;

interface Block {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: unknown;
}

/** Reads server-sent events as a browser's EventSource does. */
class Reader {
  readonly blocks = new Inbox<Block>();
  readonly ended: Promise<void>;
  readonly #leaving = new AbortController();

  static async open(test: LoggedGateway, query = "", headers: Record<string, string> = {}): Promise<Reader> {
    return new Reader(test, query, headers).#started;
  }

  readonly #started: Promise<this>;
  constructor(test: LoggedGateway, query: string, headers: Record<string, string>) {
    const response = test.http(`${PATH}/events${query}`, {
      headers: { accept: "text/event-stream", ...headers },
      signal: this.#leaving.signal,
    });
    this.#started = response.then(({ status, headers }) => {
      expect([status, headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      expect(headers.get("cache-control")).toBe("no-store");
      return this;
    });
    this.ended = response.then(async ({ body }) => {
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of body as ReadableStream<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true });
        const parts = text.split("\n\n");
        text = parts.pop() ?? "";
        for (const part of parts) this.#block(part);
      }
      this.blocks.end("the stream ended");
    });
    this.ended.catch(() => {});
  }

  leave(): void {
    this.#leaving.abort();
  }

  /** The next event, whose id must be its position. */
  async event(type?: string): Promise<SandboxEvent> {
    const { event, id, data } = await this.blocks.take(type ?? "event", (block) =>
      type === undefined ? true : (block.data as SandboxEvent).type === type,
    );
    expect(event).toBe("event");
    const changed = data as SandboxEvent;
    expect(id).toBe(`${changed.epoch}-${changed.seq}`);
    return changed;
  }

  #block(text: string): void {
    const fields = Object.fromEntries(
      text
        .split("\n")
        .filter((line) => !line.startsWith(":"))
        .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
    );
    if (fields["event"] === undefined) return;
    this.blocks.put({ id: fields["id"], event: fields["event"], data: JSON.parse(fields["data"] ?? "null") });
  }
}

async function start(): Promise<LoggedGateway> {
  const test = await startLoggedGateway();
  await test.create(SANDBOX);
  return test;
}

async function post(test: LoggedGateway, path: string, body: object): Promise<void> {
  const response = await test.http(`${PATH}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.status, await response.text()).toBe(200);
}

const request = (test: LoggedGateway): Promise<void> =>
  post(test, "handoff", { reason: "mfa", message: "code, please" });
const accept = (test: LoggedGateway): Promise<void> => post(test, "handoff/accept", { controller: "ann" });
const complete = (test: LoggedGateway): Promise<void> =>
  post(test, "handoff/complete", { controller: "ann" });

describe("the event stream", () => {
  it("E2: starts with a snapshot, then brings every change as it happens, in order", async () => {
    const test = await start();
    const reader = await Reader.open(test);
    const first = await reader.blocks.take("snapshot");
    let sandbox = first.data as Sandbox;
    expect(first).toMatchObject({ event: "snapshot", id: `${sandbox.epoch}-${sandbox.seq}` });
    for (const step of [request, accept, complete]) await step(test);
    const target = await test.state(SANDBOX);
    while (sandbox.seq < target.seq) {
      const event = await reader.event();
      expect(event.seq).toBe(sandbox.seq + 1);
      sandbox = applyEvent(sandbox, event);
    }
    expect(sandbox).toEqual(target);
    reader.leave();
  });

  it.each([
    ["Last-Event-ID", (id: string) => ["", { "last-event-id": id }] as const],
    ["since", (id: string) => [`?since=${id}`, {}] as const],
    ["since before Last-Event-ID", (id: string) => [`?since=${id}`, { "last-event-id": "0-0" }] as const],
  ])("E2: resumes from %s with what was missed, no snapshot and no duplicate", async (_, from) => {
    const test = await start();
    const reader = await Reader.open(test);
    await request(test);
    const seen = await reader.event("handoff.requested");
    reader.leave();
    await accept(test);
    const [query, headers] = from(`${seen.epoch}-${seen.seq}`);
    const again = await Reader.open(test, query, headers);
    const missed = await again.event();
    expect([missed.type, missed.seq]).toEqual(["handoff.accepted", seen.seq + 1]);
    await complete(test);
    const live = await again.event();
    expect([live.type, live.seq]).toEqual(["handoff.completed", seen.seq + 2]);
    again.leave();
  });

  it.each(["nonsense", "1-1", "99999999999999999999-1"])(
    "E2: a Last-Event-ID of %s, which the log does not know, brings a snapshot",
    async (id) => {
      const test = await start();
      const reader = await Reader.open(test, "", { "last-event-id": id });
      expect((await reader.blocks.take("the first block")).event).toBe("snapshot");
      reader.leave();
    },
  );

  it("ends when the sandbox is removed, and says so", async () => {
    const test = await start();
    const reader = await Reader.open(test);
    await test.http(PATH, { method: "DELETE" });
    const last = await reader.blocks.take("the removal", ({ event }) => event === "removed");
    expect(last.data).toEqual({ sandboxId: SANDBOX });
    await within(reader.ended, "the stream's end");
  });

  it("lets go of the sandbox when its reader leaves, and shows it to nobody", async () => {
    const test = await start();
    const reader = await Reader.open(test);
    await reader.blocks.take("snapshot");
    const ann = await test.raw();
    const { members } = await ann.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    expect(members.map(({ name }) => name)).toEqual(["ann"]);
    await ann.close();
    const { room, release } = await test.gateway.rooms.acquire(SANDBOX);
    release();
    expect(room.idle).toBe(false);
    reader.leave();
    while (!room.idle) await new Promise((resolve) => setImmediate(resolve));
  });

  it("is a page of the log for those who do not ask for a stream", async () => {
    const test = await start();
    const before = await test.state(SANDBOX);
    await request(test);
    const read = async (query: string): Promise<{ events: SandboxEvent[]; snapshot?: Sandbox }> =>
      (await (await test.http(`${PATH}/events${query}`)).json()) as { events: SandboxEvent[] };
    const { events, snapshot } = await read(`?since=${before.epoch}-${before.seq}`);
    expect(events.map(({ type }) => type)).toEqual(["handoff.requested"]);
    expect(snapshot).toBeUndefined();
    expect(await read("")).toMatchObject({ events: [], snapshot: { seq: before.seq + 1 } });
  });
});

describe("the long poll", () => {
  const poll = async (test: LoggedGateway, wait: number): Promise<object> =>
    (await (await test.http(`${PATH}/handoff?wait=${wait}`)).json()) as object;

  it("answers once the handoff has ended and control has arrived", async () => {
    const test = await start();
    await request(test);
    let answered = false;
    const polled = poll(test, 8).finally(() => {
      answered = true;
    });
    await accept(test);
    expect(answered).toBe(false);
    await complete(test);
    expect(await polled).toMatchObject({ handoff: { status: "completed" }, preview: { controlMode: "ai" } });
  });

  it("answers what then is when the seconds are over", async () => {
    const test = await start();
    await request(test);
    expect(await poll(test, 0.05)).toMatchObject({ handoff: { status: "pending" } });
  });

  it("answers at once without an open handoff, and without wait", async () => {
    const test = await start();
    expect(await poll(test, 60)).toMatchObject({ handoff: null });
    await request(test);
    expect(await poll(test, 0)).toMatchObject({ handoff: { status: "pending" } });
  });

  it("is told when the sandbox is removed meanwhile", async () => {
    const test = await start();
    await request(test);
    const { room, release } = await test.gateway.rooms.acquire(SANDBOX);
    release();
    const polled = poll(test, 8);
    while (room.idle) await new Promise((resolve) => setImmediate(resolve));
    await test.http(PATH, { method: "DELETE" });
    expect(await polled).toMatchObject({ code: "sandbox_not_found", status: 404 });
  });
});

describe("operations", () => {
  const counted = async (test: LoggedGateway, name: string): Promise<string[]> => {
    const response = await test.http("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain");
    return (await response.text()).split("\n").filter((line) => line.startsWith(`${name}{`));
  };

  it("counts refusals of both ways by code, messages by type, and refused input", async () => {
    const test = await start();
    expect(await counted(test, "baton_refusals_total")).toEqual([]);
    await test.http("/v1/sandboxes/nowhere");
    const ann = await test.raw();
    await ann.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    await ann.refused({ type: "sandbox.join", sandboxId: "nowhere" }, "sandbox_not_found");
    const events = [{ kind: "mouse", action: "move", x: 1, y: 1 }];
    await ann.refused({ type: "input", sandboxId: SANDBOX, events }, "not_controller");
    ann.raw("{");
    await ann.ping();
    expect(await counted(test, "baton_refusals_total")).toEqual([
      'baton_refusals_total{code="sandbox_not_found"} 2',
      'baton_refusals_total{code="not_controller"} 1',
      'baton_refusals_total{code="invalid_json"} 1',
    ]);
    expect(await counted(test, "baton_messages_total")).toContain('baton_messages_total{type="ping"} 1');
    expect(await counted(test, "baton_inputs_total")).toEqual(['baton_inputs_total{outcome="refused"} 1']);
  });

  it("says how many connections and rooms are open", async () => {
    const test = await start();
    const ann = await test.raw();
    await ann.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    const text = await (await test.http("/metrics")).text();
    expect(text).toMatch(/^baton_connections 1$/m);
    expect(text).toMatch(/^baton_rooms 1$/m);
  });

  it("healthz answers while the process runs; readyz only when the store does", async () => {
    let healthy: () => Promise<boolean> = async () => true;
    class Ailing extends MemoryStore {
      override healthy(): Promise<boolean> {
        return healthy();
      }
    }
    const test = await startLoggedGateway({ store: new Ailing() });
    const ready = async (): Promise<[number, unknown]> => {
      const response = await test.http("/readyz");
      return [response.status, await response.json()];
    };
    expect(await ready()).toEqual([200, { ok: true }]);
    healthy = async () => false;
    expect(await ready()).toEqual([503, { ok: false }]);
    healthy = () => Promise.reject(new Error("the store is away"));
    expect(await ready()).toEqual([503, { ok: false }]);
    expect((await test.http("/healthz")).status).toBe(200);
    healthy = async () => true;
    expect(await ready()).toEqual([200, { ok: true }]);
  });
});
