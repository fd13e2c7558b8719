import { getEventListeners, once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE } from "../../../protocol/errors.ts";
import { connect as connectAnywhere } from "../../../src/sdk/client.ts";
import { Connection, MAX_PENDING_CALLS } from "../../../src/sdk/connection.ts";
import { recorder, resultOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

const status = (client: { onStatus(listener: (status: string) => void): () => void }) => {
  const seen = recorder<string>();
  client.onStatus((value) => seen.listener(value));
  return {
    seen,
    until: async (wanted: string) => {
      while ((await seen.next()) !== wanted);
    },
  };
};

describe("greeting", () => {
  it("offers the subprotocol, says who it is, and is ready at the welcome", async () => {
    gateway.greets = false;
    const client = gateway.client({ role: "operator", name: "Ada", clientId: "client-0001" });
    expect(client.status).toBe("connecting");
    const peer = await gateway.peer();
    let ready = false;
    const becomesReady = client.ready().then(() => (ready = true));
    expect(ready).toBe(false);
    peer.welcome();
    await becomesReady;
    expect(client.status).toBe("open");
    expect(gateway.protocols).toEqual(["baton.v1"]);
    expect(gateway.hellos[0]).toMatchObject({ role: "operator", name: "Ada", clientId: "client-0001" });
  });

  it("keeps its clientId over reconnects", async () => {
    gateway.client();
    (await gateway.peer()).kill();
    await gateway.peer();
    expect(gateway.hellos[1]?.clientId).toBe(gateway.hellos[0]?.clientId);
    expect(gateway.hellos[0]?.clientId).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  });

  it("ends when the gateway refuses the hello, and says why", async () => {
    gateway.greets = false;
    const client = gateway.client();
    const peer = await gateway.peer();
    const ready = client.ready();
    peer.send({
      type: "error",
      code: "forbidden",
      message: "This role may not connect.",
      retryable: false,
    });
    await expect(ready).rejects.toMatchObject({ code: "forbidden", message: "This role may not connect." });
    expect(client.status).toBe("closed");
  });

  it("tries again when the refusal is for the moment only", async () => {
    gateway.greets = false;
    const client = gateway.client();
    const first = await gateway.peer();
    first.send({ type: "error", code: "unavailable", message: "Starting.", retryable: true });
    (await gateway.peer()).welcome();
    await client.ready();
  });

  it("refuses options that cannot work, before it connects", () => {
    const options = { WebSocket };
    expect(() => connectAnywhere({ ...options, url: "localhost:8080" })).toThrow(/not a gateway's address/);
    expect(() => connectAnywhere({ ...options, url: gateway.url, name: " spaced " })).toThrow(/`name`/);
    expect(() => connectAnywhere({ ...options, url: gateway.url, clientId: "short" })).toThrow(/`clientId`/);
    expect(() => gateway.client().sandbox("no spaces")).toThrow(/must match/);
  });

  it("takes ws addresses and a slash at the end", async () => {
    gateway.client({ url: `${gateway.url.replace("http", "ws")}/` });
    await gateway.peer();
  });
});

describe("going away and coming back", () => {
  it("reconnects after the socket was cut", async () => {
    const client = gateway.client();
    const { until } = status(client);
    const first = await gateway.peer();
    await until("open");
    first.kill();
    await until("reconnecting");
    await gateway.peer();
    await until("open");
  });

  it("reconnects while nothing listens yet", async () => {
    const { url } = gateway;
    await gateway.stop();
    const port = Number(new URL(url).port);
    const client = connectAnywhere({ url, WebSocket, reconnectMinMs: 1, reconnectMaxMs: 4 });
    // The first attempts fail on a port where a plain listener hangs up.
    const refusing = createServer((socket) => socket.destroy());
    refusing.listen(port, "127.0.0.1");
    await once(refusing, "connection");
    await once(refusing, "connection");
    refusing.close();
    expect(client.status).toBe("connecting");
    client.close();
    gateway = await ScriptedGateway.start();
  });

  it.each([
    [CLOSE.protocol_error.code, "invalid_message"],
    [CLOSE.unsupported_version.code, "unsupported_version"],
    [CLOSE.hello_timeout.code, "hello_required"],
    [1009, "message_too_large"],
    [3999, "unavailable"],
  ])("ends at close code %i and rejects what is open with %s", async (code, errorCode) => {
    const client = gateway.client();
    const { until } = status(client);
    const peer = await gateway.peer();
    const call = client.sandbox("box").getHandoff();
    const rejected = expect(call).rejects.toMatchObject({
      code: errorCode,
      details: { closeCode: code },
    });
    await peer.next("handoff.get");
    peer.socket.close(code, "because");
    await rejected;
    await until("closed");
    await expect(client.sandbox("box").getHandoff()).rejects.toMatchObject({ code: errorCode });
    await expect(client.ready()).rejects.toMatchObject({ code: errorCode });
  });

  it.each([CLOSE.going_away.code, CLOSE.slow_consumer.code, 1001, 1011])(
    "reconnects after close code %i",
    async (code) => {
      gateway.client();
      (await gateway.peer()).socket.close(code);
      await gateway.peer();
    },
  );

  it("gives up a socket on which nothing comes for two heartbeats", async () => {
    gateway.heartbeatMs = 20;
    gateway.client();
    const silent = await gateway.peer();
    silent.answersPings = false;
    await gateway.peer();
  });

  it("keeps a socket whose only traffic is pongs", async () => {
    gateway.heartbeatMs = 20;
    const client = gateway.client();
    const latencies = recorder<number | undefined>();
    client.onStatus((_, latencyMs) => latencies.listener(latencyMs));
    await gateway.peer();
    for (let count = 0; count < 8; count += 1) await latencies.next();
    expect(gateway.hellos).toHaveLength(1);
  });

  it("gives up a socket that is never greeted", async () => {
    gateway.greets = false;
    const connection = new Connection(
      {
        url: `${gateway.url.replace("http", "ws")}/v1/connect`,
        greeter: {
          greeting: () => ({ role: "sdk", name: "sdk" }),
          welcomed() {},
          refused: () => false,
        },
        WebSocket,
        reconnectMinMs: 1,
        reconnectMaxMs: 4,
        welcomeTimeoutMs: 30,
      },
      {
        statusChanged() {},
        opened() {},
        dropped() {},
        closed() {},
        message() {},
        unreadable() {},
        frame() {},
      },
    );
    connection.start();
    await gateway.peer();
    await gateway.peer();
    connection.close({ error: new Error("over") as never, clean: true });
  });

  it("measures latency and the gateway's clock", async () => {
    gateway.greets = false;
    const client = gateway.client();
    const peer = await gateway.peer();
    const measured = recorder<number | undefined>();
    client.onStatus((_, latencyMs) => measured.listener(latencyMs));
    peer.answersPings = false;
    peer.socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; id: string };
      if (message.type !== "ping") return;
      peer.send({ type: "pong", id: message.id, serverTime: Date.now() + 60_000 });
    });
    peer.welcome({ serverTime: Date.now() + 3_600_000 });
    while ((await measured.next()) === undefined);
    expect(client.latencyMs).toBeGreaterThan(0);
    expect(client.clockOffsetMs).toBeGreaterThan(59_000);
    expect(client.clockOffsetMs).toBeLessThan(61_000);
  });
});

describe("calls", () => {
  it("H6: sends an unanswered call again with the same key after a reconnect, until it is answered", async () => {
    const client = gateway.client();
    const params = { reason: "mfa", message: "Type the code" } as const;
    const call = client.sandbox("box").requestHumanHandoff(params);
    const peer = await gateway.peer();
    const sent = await peer.next("handoff.request");
    expect(sent.idempotencyKey).toMatch(/^[A-Za-z0-9_-]{21}$/);
    peer.kill();
    const second = await gateway.peer();
    expect(await second.next("handoff.request")).toEqual(sent);
    second.kill();
    const third = await gateway.peer();
    expect(await third.next("handoff.request")).toEqual(sent);
    third.send({ type: "result", id: sent.id, result: resultOf() });
    await expect(call).resolves.toEqual(resultOf());
    // Answered: it is not sent a fourth time.
    third.kill();
    const fourth = await gateway.peer();
    const barrier = client.sandbox("box").getHandoff();
    const get = await fourth.next("handoff.get");
    fourth.send({ type: "result", id: get.id, result: resultOf() });
    await barrier;
    expect(fourth.types()).not.toContain("handoff.request");
  });

  it("H6: keeps calls that are made while disconnected, in order, and the caller's own key", async () => {
    gateway.greets = false;
    const box = gateway.client().sandbox("box");
    const calls = [
      box.requestHumanHandoff({ reason: "mfa", message: "one", idempotencyKey: "my-key" }),
      box.cancelHumanHandoff(),
    ];
    const peer = await gateway.peer();
    expect(peer.types()).toEqual(["hello"]);
    peer.welcome();
    const request = await peer.next("handoff.request");
    const cancel = await peer.next("handoff.cancel");
    expect(peer.types()).toEqual(["hello", "handoff.request", "handoff.cancel"]);
    expect(request.idempotencyKey).toBe("my-key");
    for (const { id } of [request, cancel]) peer.send({ type: "result", id, result: resultOf() });
    await Promise.all(calls);
  });

  it("sends every call of the handoff and control API as the protocol has it", async () => {
    const box = gateway.client({ role: "operator", name: "Ada" }).sandbox("box");
    const peer = await gateway.peer();
    const calls = [
      box.acceptHumanHandoff({ controller: "Bo", requestId: "first", privacy: "private" }),
      box.completeHumanHandoff({
        controller: "Bo",
        returnControlTo: "ai",
        runResumePrompt: true,
        note: "Done",
      }),
      box.takeControl({ force: true, privacy: "private" }),
      box.releaseControl(),
      box.passControl({ to: "ai" }),
      box.setPrivacy({ privacy: "private" }),
      box.setPrivacy({ privacy: "open", controller: "Bo" }),
      // A caller in plain JavaScript may leave it out.
      box.acceptHumanHandoff({} as { controller: string }),
    ];
    const accept = await peer.next("handoff.accept");
    expect(accept).toMatchObject({
      sandboxId: "box",
      controller: "Bo",
      requestId: "first",
      privacy: "private",
    });
    const complete = await peer.next("handoff.complete");
    expect(complete).toMatchObject({ returnControlTo: "ai", runResumePrompt: true, note: "Done" });
    const take = await peer.next("control.take");
    expect(take).toMatchObject({ controller: "Ada", force: true, privacy: "private" });
    const release = await peer.next("control.release");
    expect(release).toMatchObject({ controller: "Ada" });
    const pass = await peer.next("control.pass");
    expect(pass).toMatchObject({ controller: "Ada", to: "ai" });
    const hide = await peer.next("control.privacy");
    expect(hide).toMatchObject({ sandboxId: "box", controller: "Ada", privacy: "private" });
    const show = await peer.next("control.privacy");
    expect(show).toMatchObject({ controller: "Bo", privacy: "open" });
    const second = await peer.next("handoff.accept");
    expect(second).toMatchObject({ controller: "Ada" });
    const sent = [accept, complete, take, release, pass, hide, show, second];
    expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(sent.length);
    for (const { id } of sent) peer.send({ type: "result", id, result: resultOf() });
    await Promise.all(calls);
  });

  it("rejects with the gateway's refusal", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const call = box.acceptHumanHandoff({ controller: "Bo" });
    peer.refuse((await peer.next("handoff.accept")).id, "already_accepted", { controller: "Ada" });
    await expect(call).rejects.toMatchObject({
      name: "BatonError",
      code: "already_accepted",
      details: { controller: "Ada" },
      retryable: false,
    });
  });

  it("rejects an aborted call with the signal's reason, takes its listener away and does not send it again", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const controller = new AbortController();
    const call = box.getHandoff({ signal: controller.signal });
    await peer.next("handoff.get");
    controller.abort(new Error("changed my mind"));
    await expect(call).rejects.toThrow("changed my mind");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    peer.kill();
    const second = await gateway.peer();
    const barrier = box.cancelHumanHandoff();
    const cancel = await second.next("handoff.cancel");
    second.send({ type: "result", id: cancel.id, result: resultOf() });
    await barrier;
    expect(second.types()).toEqual(["hello", "handoff.cancel"]);
    await expect(box.getHandoff({ signal: controller.signal })).rejects.toThrow("changed my mind");
  });

  it("takes its abort listener away when the call is answered", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const { signal } = new AbortController();
    const call = box.getHandoff({ signal });
    const get = await peer.next("handoff.get");
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    peer.send({ type: "result", id: get.id, result: resultOf() });
    await call;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("refuses more waiting calls than it can keep", async () => {
    gateway.greets = false;
    const client = gateway.client();
    const box = client.sandbox("box");
    const kept = Array.from({ length: MAX_PENDING_CALLS }, () => box.getHandoff());
    const settled = Promise.allSettled(kept);
    await expect(box.getHandoff()).rejects.toMatchObject({
      code: "too_many",
      details: { limit: "pendingCalls" },
    });
    client.close();
    for (const result of await settled) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    }
  });

  it("refuses a message that the gateway would close the socket for", async () => {
    gateway.maxMessageBytes = 2_000;
    const client = gateway.client();
    await client.ready();
    const message = "ü".repeat(1_000);
    await expect(client.sandbox("box").requestHumanHandoff({ reason: "mfa", message })).rejects.toMatchObject(
      {
        code: "message_too_large",
        details: { maxBytes: 2_000 },
      },
    );
  });

  it("lets go of everything at close", async () => {
    const client = gateway.client();
    const peer = await gateway.peer();
    const box = client.sandbox("box");
    const call = box.getHandoff();
    const wait = box.waitForControl();
    await peer.next("handoff.get");
    client.close();
    await expect(call).rejects.toMatchObject({ code: "unavailable", message: /was closed/ });
    await expect(wait).rejects.toMatchObject({ code: "unavailable" });
    expect(client.status).toBe("closed");
    const [code] = (await once(peer.socket, "close")) as [number];
    expect(code).toBe(1000);
  });

  it("closes at its signal", async () => {
    const controller = new AbortController();
    const client = gateway.client({ signal: controller.signal });
    const peer = await gateway.peer();
    controller.abort();
    await once(peer.socket, "close");
    expect(client.status).toBe("closed");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("times out waiting to be ready", async () => {
    gateway.greets = false;
    await expect(gateway.client().ready({ timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
  });
});
