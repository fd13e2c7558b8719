/** The link when one of its ends dies, stops, or does not keep up. The host is a process of its own. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { LinkStore } from "../../../src/store/link/link-store.ts";
import { streamPort, type Port } from "../../../src/store/link/port.ts";
import { StoreHost, type StoreHostOptions } from "../../../src/store/link/store-host.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { MAX_DECISION_AGE_MS } from "../../../src/store/store.ts";
import {
  commitUntilDone,
  createSandbox,
  noise,
  prepare,
  watch,
  watchLobby,
} from "../../contract/store-support.ts";
import { within } from "../../support/inbox.ts";
import { StoreHostProcess } from "../../support/store-host-process.ts";
import { calls } from "./store-calls.ts";

const HOUR_MS = 3_600_000;

async function hostProcess(): Promise<StoreHostProcess> {
  const host = new StoreHostProcess();
  onTestFinished(() => host.kill());
  await host.open("memory", "running");
  return host;
}

/** A host in this process, over a real socket; `arrived` is what came over it, `socket` this worker's end. */
async function hosted(options: StoreHostOptions = {}) {
  const dir = mkdtempSync(join(tmpdir(), "baton-link-"));
  const store = new MemoryStore();
  const host = new StoreHost(store, options);
  const server = createServer((socket) => host.serve(streamPort(socket)));
  const path = join(dir, "sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  });
  const link = async () => {
    const socket = connect(path);
    await once(socket, "connect");
    sockets.push(socket);
    const port = streamPort(socket);
    const arrived: string[] = [];
    port.onMessage((message) => arrived.push(message));
    return { store: new LinkStore(port), socket, arrived };
  };
  return { store, link };
}

describe("a host that dies", () => {
  it("calls are answered `unavailable` at once, those under way and those that follow", async () => {
    const host = await hostProcess();
    const store = await host.link({ timeoutMs: HOUR_MS });
    await createSandbox(store, "box");
    host.signal("SIGSTOP");
    const before = Object.values(calls(store)).map((call) => call());
    const answers = Promise.allSettled(before);
    await host.kill();
    const after = await within(
      Promise.allSettled(Object.values(calls(store)).map((call) => call())),
      "the answers",
    );
    for (const answer of [...(await within(answers, "the answers")), ...after])
      expect(answer).toMatchObject({
        status: "rejected",
        reason: { name: "BatonError", code: "unavailable", retryable: true },
      });
    expect(await store.healthy()).toBe(false);
  });
});

describe("a host that is paused", () => {
  it("calls are answered `unavailable` in time, and it works again afterwards", async () => {
    const host = await hostProcess();
    const store = await host.link({ timeoutMs: 200 });
    await createSandbox(store, "box");
    host.signal("SIGSTOP");
    const answers = await within(
      Promise.allSettled(Object.values(calls(store)).map((call) => call())),
      "the answers",
    );
    for (const answer of answers)
      expect(answer).toMatchObject({
        status: "rejected",
        reason: { code: "unavailable", retryable: true, message: /did not answer within 200 ms/ },
      });
    expect(await store.healthy()).toBe(false);
    host.signal("SIGCONT");
    while (!(await store.healthy()));
    await commitUntilDone(store, "box", "k1");
  });

  it("C2: a commit that was not answered because of it is never carried out later", async () => {
    const host = await hostProcess();
    const store = await host.link({ timeoutMs: MAX_DECISION_AGE_MS + 200 });
    const { loaded } = await createSandbox(store, "box");
    host.signal("SIGSTOP");
    const commit = prepare(loaded, noise(loaded), "k1");
    await expect(store.commit("box", commit)).rejects.toMatchObject({ code: "unavailable" });
    host.signal("SIGCONT");
    // Behind it on the same link: what the host does of it is done.
    const after = await store.load("box", "k1");
    expect(after?.version).toBe(loaded.version);
    expect(after).not.toHaveProperty("record");
    expect(await host.seq("box")).toBe(1);
  });

  it("E1: subscribers hear everything afterwards, in order", async () => {
    const host = await hostProcess();
    const [store, other] = [await host.link(), await host.link()];
    await createSandbox(store, "box");
    const log = await watch(store, "box");
    const writing = (async () => {
      for (let index = 0; index < 20; index += 1) await commitUntilDone(other, "box", `k${index}`);
    })();
    await log.until(5);
    host.signal("SIGSTOP");
    await expect((await host.link({ timeoutMs: 200 })).now()).rejects.toMatchObject({ code: "unavailable" });
    host.signal("SIGCONT");
    await Promise.all([writing, log.until(21)]);
    expect(log.told).toEqual(Array.from({ length: 20 }, (_, index) => `event ${index + 2}`));
  });

  it("a call beyond the bound is refused at once, and changes nothing", async () => {
    const host = await hostProcess();
    const store = await host.link({ timeoutMs: HOUR_MS, maxPending: 3 });
    host.signal("SIGSTOP");
    const waiting = [store.now(), store.now(), store.now()];
    await expect(store.remove("box")).rejects.toMatchObject({
      code: "unavailable",
      message: /^Nothing was changed: too many calls/,
    });
    host.signal("SIGCONT");
    await Promise.all(waiting);
    await store.now();
  });
});

describe("a worker", () => {
  it("whose end closes has left: its node is not among the living, and is in no room", async () => {
    const { link, store } = await hosted();
    const [gone, stays] = [await link(), await link()];
    const members = [{ connectionId: "c", name: "ann", role: "viewer", watching: true } as const];
    await gone.store.beat("n1", HOUR_MS);
    await stays.store.beat("n2", HOUR_MS);
    await gone.store.announce("box", { nodeId: "n1", members });
    expect(await stays.store.roster("box")).toHaveLength(1);
    gone.socket.destroy();
    while ((await stays.store.beat("n2", HOUR_MS)).nodes.includes("n1"));
    expect(await stays.store.roster("box")).toEqual([]);
    expect((await store.beat("n2", HOUR_MS)).nodes).toEqual(["n2"]);
  });

  it("is told of an event once, however many of its sockets follow the sandbox", async () => {
    const { link } = await hosted();
    const { store, arrived } = await link();
    await createSandbox(store, "box");
    const logs = await Promise.all(Array.from({ length: 50 }, async () => watch(store, "box")));
    await commitUntilDone(store, "box", "k1");
    await Promise.all(logs.map((log) => log.until(2)));
    expect(arrived.filter((message) => message.startsWith('{"kind":"event"'))).toHaveLength(1);
    for (const log of logs.slice(1)) log.stop();
    await commitUntilDone(store, "box", "k2");
    await logs[0]?.until(3);
    logs[0]?.stop();
    await commitUntilDone(store, "box", "k3");
    expect(arrived.filter((message) => message.startsWith('{"kind":"event"'))).toHaveLength(2);
  });

  it("whose subscription was not answered in time takes it back, and can subscribe anew", async () => {
    const posted: { kind: string; topic?: number }[] = [];
    const port = scripted(
      (message) => {
        const { id, topic } = JSON.parse(message) as { id: number; topic: number };
        return topic === 1 ? undefined : { kind: "answer", id };
      },
      (message) => posted.push(JSON.parse(message) as { kind: string }),
    );
    const store = new LinkStore(port, { timeoutMs: 50 });
    await expect(Promise.all([watch(store, "box"), watch(store, "box")])).rejects.toMatchObject({
      code: "unavailable",
    });
    // The host may have it all the same, when it gets there.
    expect(posted).toMatchObject([
      { kind: "subscribe", topic: 1 },
      { kind: "unsubscribe", topic: 1 },
    ]);
    const log = await watch(store, "box");
    expect(posted.slice(2)).toMatchObject([{ kind: "subscribe", topic: 2 }]);
    log.stop();
    log.stop();
    expect(posted.slice(3)).toMatchObject([{ kind: "unsubscribe", topic: 2 }]);
  });

  it("E2: that does not take its messages is told that it lost some, once, and then hears again", async () => {
    const { link, store } = await hosted({ maxBacklog: 64 * 1024 });
    const slow = await link();
    await createSandbox(store, "box");
    const [log, lobby] = [await watch(slow.store, "box"), await watchLobby(slow.store)];
    slow.socket.pause();
    const COUNT = 3_000;
    for (let index = 0; index < COUNT; index += 1) {
      await commitUntilDone(store, "box", `k${index}`);
      // What was posted in one turn is written at its end.
      if (index % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    slow.socket.resume();
    await Promise.all([log.untilLost(), lobby.untilLost()]);
    expect(log.events.length).toBeGreaterThan(0);
    expect(log.events.length).toBeLessThan(COUNT);
    await commitUntilDone(store, "box", "last");
    await log.until(COUNT + 2);
    expect(log.told.filter((what) => what === "lost")).toHaveLength(1);
    expect(log.told.at(-1)).toBe(`event ${COUNT + 2}`);
    const numbers = log.events.map(({ seq }) => seq);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  it("gets an error of the store's as it was, and one of no kind as `internal`", async () => {
    const asked: string[] = [];
    const port = scripted((message) => {
      asked.push(message);
      const { id } = JSON.parse(message) as { id: number };
      return asked.length === 1
        ? { kind: "refusal", id, code: "too_many", message: "Full.", details: { limit: "marks" } }
        : { kind: "refusal", id, code: "internal", message: "The store failed: no" };
    });
    const store = new LinkStore(port);
    await expect(store.now()).rejects.toMatchObject({
      name: "BatonError",
      code: "too_many",
      message: "Full.",
      details: { limit: "marks" },
      retryable: true,
    });
    await expect(store.now()).rejects.toMatchObject({ code: "internal" });
    const broken = Object.assign(new MemoryStore(), {
      now: () => Promise.reject(new RangeError("no clock")),
    });
    const said: unknown[] = [];
    new StoreHost(broken).serve(
      scripted(
        () => undefined,
        (message) => said.push(JSON.parse(message)),
        '{"kind":"call","id":7,"method":"now","args":[]}',
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(said).toEqual([
      { kind: "refusal", id: 7, code: "internal", message: "The store failed: no clock" },
    ]);
  });
});

/** A port whose other end answers by a rule; `first` arrives at once. */
function scripted(
  answer: (message: string) => object | undefined,
  posted: (message: string) => void = () => {},
  first?: string,
): Port {
  let take: (message: string) => void = () => {};
  return {
    backlog: 0,
    post: (message) => {
      posted(message);
      const answered = answer(message);
      if (answered) queueMicrotask(() => take(JSON.stringify(answered)));
    },
    onMessage: (listener) => {
      take = listener;
      if (first !== undefined) queueMicrotask(() => listener(first));
    },
    onDrain: () => {},
    onClose: () => {},
    close: () => {},
  };
}
