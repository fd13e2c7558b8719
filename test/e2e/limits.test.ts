/** Each limit at its door: what is too much is refused, says until when, and is then done as if nothing had been. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket, WebSocketServer, type ClientOptions } from "ws";
import type { AddressInfo } from "node:net";
import type { AttachOptions } from "../../src/browser/browser.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import type { FakeBrowserLink } from "../../src/browser/fake-link.ts";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import type { GatewayOptions } from "../../src/gateway.ts";
import { parseTrusted } from "../../src/limits/client-address.ts";
import { Limits } from "../../src/limits/limits.ts";
import { DEFAULT_LIMITS, type LimitSettings } from "../../src/limits/settings.ts";
import { startGateway } from "../support/gateway.ts";
import { WAIT_MS, within } from "../support/inbox.ts";
import { RawClient, type Failure } from "../support/raw-client.ts";
import { stillClock } from "../support/still-clock.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { startTokenGateway, type TokenGateway } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";

/** The number in the tests: so many at once, and then one each five seconds. */
const TWELVE = 12;
const EACH_MS = 5_000;

interface Refusal {
  readonly code: string;
  readonly limit: unknown;
  readonly retryAfterMs: unknown;
}
const rateLimited = (limit: string, retryAfterMs = EACH_MS): Refusal => ({
  code: "rate_limited",
  limit,
  retryAfterMs,
});
const tooMany = (limit: string): Refusal => ({ code: "too_many", limit, retryAfterMs: 5_000 });

async function limited(
  limits: Partial<LimitSettings>,
  options: Partial<GatewayOptions> = {},
): Promise<TokenGateway> {
  return startTokenGateway({ limits: { ...DEFAULT_LIMITS, ...limits }, ...options });
}

const trusting = (text: string): Pick<GatewayOptions, "trustedProxies"> => ({
  trustedProxies: parseTrusted(text).trusted,
});

/** What an HTTP refusal says; its status and headers are checked here. */
async function refusalOf(response: Response): Promise<Refusal> {
  const problem = (await response.json()) as Problem;
  const { code, status, retryable, details } = problem;
  const retryAfterMs = Number(details?.["retryAfterMs"]);
  expect([response.status, status, retryable], JSON.stringify(problem)).toEqual([429, 429, true]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("retry-after")).toBe(String(Math.ceil(retryAfterMs / 1_000)));
  return { code, limit: details?.["limit"], retryAfterMs };
}

function failureOf({ code, retryable, details }: Failure): Refusal {
  expect(retryable).toBe(true);
  return { code, limit: details?.["limit"], retryAfterMs: details?.["retryAfterMs"] };
}

/** A greeted client, or how its `hello` was refused. */
async function greet(
  { url }: { readonly url: string },
  bearer: string,
  options: ClientOptions = {},
): Promise<RawClient | Refusal> {
  const client = await RawClient.open(url, options);
  onTestFinished(() => client.socket.terminate());
  client.hello({ token: bearer });
  const welcome = await client.next("welcome").catch(() => undefined);
  if (welcome) return client;
  expect((await client.closing()).code).toBe(CLOSE.rate_limited.code);
  const [first] = client.received;
  if (first?.type !== "error") throw new Error(`hello was answered by ${JSON.stringify(first)}`);
  return failureOf(first);
}

async function greeted(...args: Parameters<typeof greet>): Promise<RawClient> {
  const client = await greet(...args);
  if (client instanceof RawClient) return client;
  throw new Error(`hello was refused: ${JSON.stringify(client)}`);
}

/** The status of a handshake's answer, 101 when it is open. */
async function shake(
  url: string,
  options: ClientOptions = {},
): Promise<{ status: number; refusal?: Refusal }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), [], options);
  onTestFinished(() => socket.terminate());
  socket.on("error", () => {});
  const opened = once(socket, "open").then(() => ({ status: 101 }));
  const refused = once(socket, "unexpected-response").then(async ([, answer]) => {
    const { statusCode: status = 0, headers } = answer as IncomingMessage;
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const init = { status, headers: headers as Record<string, string> };
    const response = new Response(Buffer.concat(chunks), init);
    return status === 429 ? { status, refusal: await refusalOf(response) } : { status };
  });
  return within(Promise.race([opened, refused]), "the answer to the handshake");
}

/** Repeats what no event announces until it is as it should be: each time is a round trip to the gateway. */
async function eventually<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const late = AbortSignal.timeout(WAIT_MS);
  while (!late.aborted) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new Error(`${what} did not happen in ${WAIT_MS} ms`);
}

const post = (body: object, bearer: string): RequestInit & { token: string } => ({
  method: "POST",
  token: bearer,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

async function ok(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  const text = await response.text();
  if (!response.ok) throw new Error(text);
}

describe("a limit of what is asked over HTTP", () => {
  /** Does it for the nth time. */
  type Ask = (gateway: TokenGateway, bearer: string, time: number) => Promise<Response>;
  const cases: readonly [setting: keyof LimitSettings, limit: string, ask: Ask][] = [
    ["callsPerMinute", "calls", (gateway, bearer) => gateway.http("/v1/sandboxes", { token: bearer })],
    [
      "sandboxesPerMinute",
      "sandboxes",
      (gateway, bearer, time) => gateway.http("/v1/sandboxes", post({ sandboxId: `made-${time}` }, bearer)),
    ],
    [
      "linksPerMinute",
      "links",
      (gateway, bearer) => gateway.http("/v1/sandboxes/box/links", post({ access: "watch" }, bearer)),
    ],
    [
      "handoffRequestsPerMinute",
      "handoff_requests",
      (gateway, bearer, time) =>
        gateway.http(`/v1/sandboxes/box-${time}/handoff`, post({ reason: "mfa", message: "m" }, bearer)),
    ],
  ];

  it.each(cases)("%s holds a subject, says until when, and no other subject", async (setting, limit, ask) => {
    const skip = stillClock();
    const gateway = await limited({ [setting]: TWELVE });
    // Each by an admin of its own: they are not what is limited here.
    for (const id of ["box", ...Array.from({ length: TWELVE + 2 }, (_, time) => `box-${time}`)])
      await ok(
        gateway.http(
          "/v1/sandboxes",
          post({ sandboxId: id }, await token({ sub: `for-${id}`, role: "admin" })),
        ),
      );
    const bearer = await token({ sub: "ada", role: "worker" });
    for (let time = 0; time < TWELVE; time += 1) await ok(ask(gateway, bearer, time));
    // Another token of the same subject is no other subject.
    const second = await token({ sub: "ada", role: "worker", jti: "second" });
    for (const mine of [bearer, second])
      expect(await refusalOf(await ask(gateway, mine, TWELVE))).toEqual(rateLimited(limit));
    await ok(ask(gateway, await token({ sub: "ben", role: "worker" }), TWELVE + 1));
    skip(EACH_MS - 1);
    expect(await refusalOf(await ask(gateway, bearer, TWELVE))).toEqual(rateLimited(limit, 1));
    skip(1);
    await ok(ask(gateway, bearer, TWELVE));
    expect(await refusalOf(await ask(gateway, bearer, TWELVE))).toEqual(rateLimited(limit));
  });

  it("callsPerMinute counts HTTP and sockets together", async () => {
    const skip = stillClock();
    const gateway = await limited({ callsPerMinute: TWELVE });
    const bearer = await token({ sub: "ada" });
    const one = await greeted(gateway, bearer);
    const two = await greeted(gateway, bearer);
    for (let time = 0; time < TWELVE / 3; time += 1) {
      await one.done("done", { type: "lobby.leave" });
      await two.done("done", { type: "lobby.leave" });
      await ok(gateway.http("/v1/sandboxes", { token: bearer }));
    }
    const expected = rateLimited("calls");
    for (const client of [one, two])
      expect(failureOf(await client.refused({ type: "lobby.join" }))).toEqual(expected);
    expect(await refusalOf(await gateway.http("/v1/sandboxes", { token: bearer }))).toEqual(expected);
    // Neither a sign of life nor another subject waits for it.
    await one.ping();
    const other = await greeted(gateway, await token({ sub: "ben" }));
    await other.done("lobby", { type: "lobby.join" });
    skip(EACH_MS);
    await one.done("lobby", { type: "lobby.join" });
    expect(failureOf(await two.refused({ type: "lobby.join" }))).toEqual(expected);
  });

  it("handoffRequestsPerMinute holds sockets too, and what it refused was not asked of anybody", async () => {
    const skip = stillClock();
    const gateway = await limited({ handoffRequestsPerMinute: TWELVE });
    await gateway.make("box");
    const bearer = await token({ sub: "bot", role: "agent" });
    const agent = await greeted(gateway, bearer);
    const request = {
      type: "handoff.request",
      sandboxId: "box",
      reason: "mfa",
      message: "m",
      idempotencyKey: "k",
    };
    for (let time = 0; time < TWELVE; time += 1) {
      await agent.done("result", { ...request, idempotencyKey: `k${time}` });
      await agent.done("result", { type: "handoff.cancel", sandboxId: "box" });
    }
    expect(failureOf(await agent.refused(request))).toEqual(rateLimited("handoff_requests"));
    expect(
      await refusalOf(
        await gateway.http("/v1/sandboxes/box/handoff", post({ reason: "mfa", message: "m" }, bearer)),
      ),
    ).toEqual(rateLimited("handoff_requests"));
    const { result } = await agent.done("result", { type: "handoff.get", sandboxId: "box" });
    expect(result.handoff?.status).toBe("cancelled");
    skip(EACH_MS);
    expect((await agent.done("result", request)).result.handoff?.status).toBe("pending");
  });

  it("requestsPerMinute holds an address: every path of it, with a token or without", async () => {
    const skip = stillClock();
    const gateway = await limited({ requestsPerMinute: TWELVE });
    const bearer = await token();
    const paths = ["/v1/sandboxes", "/", "/openapi.json", "/json/version", "/metrics", "/nowhere"];
    for (let time = 0; time < TWELVE; time += 1) {
      const path = paths[time % paths.length] ?? "/";
      const response = await gateway.http(path, { ...(time % 2 === 0 && { token: bearer }) });
      expect(response.status, path).not.toBe(429);
      await response.arrayBuffer();
    }
    for (const path of paths) {
      expect(await refusalOf(await gateway.http(path, { token: bearer })), path).toEqual(
        rateLimited("requests"),
      );
    }
    // Whoever watches over the gateway from the same machine must not take it for dead.
    for (const path of ["/healthz", "/readyz"]) await ok(gateway.http(path));
    skip(EACH_MS);
    await ok(gateway.http("/v1/sandboxes", { token: bearer }));
  });
});

describe("a limit of one socket", () => {
  it("messagesPerSecond drops what is too much, answers that it did, and takes it later", async () => {
    const skip = stillClock();
    const gateway = await limited({ messagesPerSecond: 1 });
    const bearer = await token({ sub: "ada" });
    const client = await greeted(gateway, bearer);
    const other = await greeted(gateway, bearer);
    // Ten seconds' number at once, of which `hello` was the first.
    for (let time = 0; time < 9; time += 1) await client.ping();
    expect(failureOf(await client.refused({ type: "ping" }))).toEqual(rateLimited("messages", 1_000));
    expect(failureOf(await client.refused({ type: "lobby.join" }))).toEqual(rateLimited("messages", 1_000));
    await other.ping();
    skip(1_000);
    await client.done("lobby", { type: "lobby.join" });
    expect(failureOf(await client.refused({ type: "ping" }))).toEqual(rateLimited("messages", 1_000));
  });

  it("messagesPerSecond counts what is no message of the protocol as well", async () => {
    stillClock();
    const gateway = await limited({ messagesPerSecond: 1 });
    const client = await greeted(gateway, await token());
    for (let time = 0; time < 20; time += 1) client.raw("{");
    for (let time = 0; time < 9; time += 1) expect((await client.next("error")).code).toBe("invalid_json");
    expect(failureOf(await client.next("error"))).toEqual(rateLimited("messages", 1_000));
  });

  it("bytesPerSecond counts their size", async () => {
    const skip = stillClock();
    const gateway = await limited({ bytesPerSecond: 1_000 });
    const client = await greeted(gateway, await token());
    const large = { type: "handoff.request", sandboxId: "none", reason: "mfa", message: "ä".repeat(2_000) };
    await client.refused(large, "sandbox_not_found");
    await client.refused(large, "sandbox_not_found");
    const { code, limit, retryAfterMs } = failureOf(await client.refused(large));
    expect([code, limit]).toEqual(["rate_limited", "bytes"]);
    expect(retryAfterMs).toBeGreaterThan(1_000);
    // A small one still fits.
    await client.ping();
    skip(Number(retryAfterMs));
    expect(failureOf(await client.refused(large)).limit).toBe("bytes");
    skip(1_000);
    await client.refused(large, "sandbox_not_found");
  });

  it("inputEventsPerSecond keeps from the page what is too much, and nothing else", async () => {
    const skip = stillClock();
    const gateway = await limited({ inputEventsPerSecond: 1 });
    await gateway.make("box");
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }));
    await agent.done("sandbox.joined", { type: "sandbox.join", sandboxId: "box" });
    const input = (...texts: string[]) => ({
      type: "input",
      sandboxId: "box",
      events: texts.map((text) => ({ kind: "text", text })),
    });
    await agent.done("done", input(...Array<string>(10).fill("a")));
    expect(failureOf(await agent.refused(input("k")))).toEqual(rateLimited("input_events", 1_000));
    expect(failureOf(await agent.refused(input("k", "l")))).toEqual(rateLimited("input_events", 2_000));
    await agent.ping();
    skip(1_000);
    await agent.done("done", input("k"));
    const arrived = gateway.browser.received.map(({ event }) => (event.kind === "text" ? event.text : ""));
    expect(arrived.join("")).toBe(`${"a".repeat(10)}k`);
  });

  it("closes with 3006 the socket of who goes on for ten seconds although refused, and no other", async () => {
    const skip = stillClock();
    const gateway = await limited({ messagesPerSecond: 1 });
    const bearer = await token({ sub: "ada" });
    const deaf = await greeted(gateway, bearer);
    const other = await greeted(gateway, bearer);
    let sent = 0;
    // Each answered before the clock moves; never a second's pause in which it could have listened.
    for (let second = 0; second < 11; second += 1) {
      for (let time = 0; time < 20; time += 1) {
        sent += 1;
        deaf.send({ type: "ping", id: `p${sent}` });
      }
      await deaf.answer(`p${sent}`);
      skip(950);
    }
    deaf.send({ type: "ping", id: "last" });
    deaf.send({ type: "ping", id: "behind" });
    expect(await deaf.closing()).toMatchObject({ code: CLOSE.rate_limited.code });
    await other.ping();
  });

  it("closes with 3006 a flood at once", async () => {
    stillClock();
    const gateway = await limited({ messagesPerSecond: 1 });
    const deaf = await greeted(gateway, await token());
    for (let time = 0; time < 10_020; time += 1) deaf.send({ type: "ping", id: "p" });
    expect((await deaf.closing()).code).toBe(CLOSE.rate_limited.code);
  });

  it("waits for who listens, however often it is refused", async () => {
    const skip = stillClock();
    const gateway = await limited({ messagesPerSecond: 1 });
    const client = await greeted(gateway, await token());
    for (let time = 0; time < 9; time += 1) await client.ping();
    for (let time = 0; time < 150; time += 1) {
      await client.refused({ type: "ping" }, "rate_limited");
      skip(1_001);
      await client.ping();
    }
  });
});

/** The fake browser, but agents' connections lead to this address. */
class BrowserAt extends FakeBrowserProvider {
  readonly #endpoint: string;
  constructor(endpoint: string) {
    super();
    this.#endpoint = endpoint;
  }
  override attach(options: AttachOptions): FakeBrowserLink {
    return Object.defineProperty(super.attach(options), "endpoint", { get: () => this.#endpoint });
  }
}

describe("a limit of open sockets", () => {
  it("socketsPerSubject is free again when one is closed, or cut", async () => {
    const gateway = await limited({ socketsPerSubject: 2 });
    const bearer = await token({ sub: "ada" });
    const first = await greeted(gateway, bearer);
    const second = await greeted(gateway, bearer);
    for (let time = 0; time < 3; time += 1)
      expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
    await greeted(gateway, await token({ sub: "ben" }));
    await first.ping();
    const again = (): Promise<RawClient> =>
      eventually("a socket that is free", async () => {
        const client = await greet(gateway, bearer);
        return client instanceof RawClient ? client : undefined;
      });
    await first.close();
    await again();
    second.socket.terminate();
    await again();
    expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
  });

  it("socketsPerAddress holds whatever their subjects are", async () => {
    const gateway = await limited({ socketsPerAddress: 2 });
    const bearers = await Promise.all(["a", "b", "c"].map((sub) => token({ sub })));
    const [first] = [await greeted(gateway, bearers[0] ?? ""), await greeted(gateway, bearers[1] ?? "")];
    expect(await greet(gateway, bearers[2] ?? "")).toEqual(tooMany("sockets_per_address"));
    first.socket.terminate();
    await eventually("a socket that is free", async () => {
      const client = await greet(gateway, bearers[2] ?? "");
      return client instanceof RawClient ? client : undefined;
    });
  });

  it("are free again when the token ends while the socket is open", async () => {
    const gateway = await limited({ socketsPerSubject: 1 });
    const bearer = await token({ sub: "ada", jti: "ends" });
    const client = await greeted(gateway, bearer);
    await gateway.revoke("ends");
    expect((await client.closing()).code).toBe(CLOSE.token_revoked.code);
    await greeted(gateway, await token({ sub: "ada" }));
  });

  it("count agents' CDP connections, open ones and none that failed", async () => {
    const browser = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(browser, "listening");
    onTestFinished(() => browser.close());
    const browsers = new BrowserAt(
      `ws://127.0.0.1:${(browser.address() as AddressInfo).port}/devtools/browser/b`,
    );
    const gateway = await limited({ socketsPerSubject: 1 }, { browsers });
    await gateway.make("box");
    await ok(gateway.http("/v1/sandboxes", post({ sandboxId: "none" }, await token({ role: "admin" }))));
    const bearer = await token({ sub: "bot", role: "agent" });
    const options = { headers: { authorization: `Bearer ${bearer}` } };
    const cdp = (id: string) => shake(`${gateway.url}/v1/sandboxes/${id}/cdp`, options);
    for (let time = 0; time < 3; time += 1) expect((await cdp("none")).status).toBe(503);
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/sandboxes/box/cdp`, options);
    onTestFinished(() => socket.terminate());
    await within(once(socket, "open"), "the CDP connection");
    expect((await cdp("box")).refusal).toEqual(tooMany("sockets_per_subject"));
    expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
    socket.terminate();
    await eventually("a socket that is free", async () => {
      const client = await greet(gateway, bearer);
      return client instanceof RawClient ? client : undefined;
    });
  });

  it("connectionsPerAddress drops connections before a byte is read of them", async () => {
    const gateway = await limited({ connectionsPerAddress: 2 });
    const port = Number(new URL(gateway.url).port);
    const path = "/v1/connect";
    const first = await TcpPeer.upgrade(port, { path });
    const second = await TcpPeer.upgrade(port, { path });
    onTestFinished(() => second.destroy());
    expect([first.status, second.status]).toEqual([101, 101]);
    for (let time = 0; time < 3; time += 1) {
      const socket = await TcpPeer.connect(port);
      const bytes: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => bytes.push(chunk));
      await within(once(socket, "end"), "the end of the connection");
      socket.destroy();
      expect(bytes).toEqual([]);
    }
    first.destroy();
    await eventually("a connection that is free", async () => {
      const { socket } = new RawClient(gateway.url);
      onTestFinished(() => socket.terminate());
      // Or dropped before it is answered.
      const opened = once(socket, "open").then(
        () => true,
        () => undefined,
      );
      return within(opened, "the end of the handshake");
    });
  });

  it("connectionsPerAddress leaves alone the proxies that are trusted", async () => {
    const gateway = await limited({ connectionsPerAddress: 1 }, trusting("127.0.0.1"));
    for (let time = 0; time < 3; time += 1) await greeted(gateway, await token());
  });
});

describe("a limit of handshakes", () => {
  it("handshakesPerMinute holds an address, for sockets and CDP alike", async () => {
    const skip = stillClock();
    const gateway = await limited({ handshakesPerMinute: TWELVE });
    const [socket, cdp] = [`${gateway.url}/v1/connect`, `${gateway.url}/v1/sandboxes/none/cdp`];
    const bearer = await token({ sub: "bot", role: "agent" });
    const options = { headers: { authorization: `Bearer ${bearer}` } };
    for (let time = 0; time < TWELVE / 2; time += 1) {
      expect((await shake(socket)).status).toBe(101);
      expect((await shake(cdp, options)).status).toBe(404);
    }
    for (const url of [socket, cdp])
      expect((await shake(url, options)).refusal).toEqual(rateLimited("handshakes"));
    // Who is refused is not asked for anything, and HTTP goes on.
    await ok(gateway.http("/v1/sandboxes", { token: await token() }));
    skip(EACH_MS);
    expect((await shake(socket)).status).toBe(101);
  });

  it("cdpConnectsPerMinute holds a subject", async () => {
    const skip = stillClock();
    const gateway = await limited({ cdpConnectsPerMinute: TWELVE });
    const cdp = async (sub: string) =>
      shake(`${gateway.url}/v1/sandboxes/none/cdp`, {
        headers: { authorization: `Bearer ${await token({ sub, role: "agent" })}` },
      });
    for (let time = 0; time < TWELVE; time += 1) expect((await cdp("bot")).status).toBe(404);
    expect((await cdp("bot")).refusal).toEqual(rateLimited("cdp_connects"));
    expect((await cdp("other")).status).toBe(404);
    skip(EACH_MS);
    expect((await cdp("bot")).status).toBe(404);
  });
});

describe("a limit of calls that wait", () => {
  const STREAM = { accept: "text/event-stream" };

  /** Resolves when the next call begins to wait. */
  function waitBegins(): Promise<void> {
    return new Promise((resolve) => {
      vi.spyOn(Limits.prototype, "wait").mockImplementationOnce(function (this: Limits, subject) {
        resolve();
        return this.wait(subject);
      });
    });
  }

  async function waiting(options: Partial<LimitSettings> = {}) {
    const gateway = await limited({ waitsPerSubject: 1, ...options });
    await gateway.make("box");
    const bearer = await token({ sub: "ada" });
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }));
    const stream = (sub?: string, signal?: AbortSignal): Promise<Response> =>
      (sub === undefined ? Promise.resolve(bearer) : token({ sub })).then((token) =>
        gateway.http("/v1/sandboxes/box/events", { token, headers: STREAM, ...(signal && { signal }) }),
      );
    /** Whether one more may wait; it does not go on to. */
    const free = async (): Promise<true | undefined> => {
      const ending = new AbortController();
      const response = await stream(undefined, ending.signal);
      if (response.status === 200) {
        ending.abort();
        return true;
      }
      expect(await refusalOf(response)).toEqual(tooMany("waits_per_subject"));
      return undefined;
    };
    return { gateway, bearer, agent, stream, free };
  }

  it("holds a subject, streams and long polls alike, until the stream is over", async () => {
    const { gateway, bearer, stream, free } = await waiting();
    const ending = new AbortController();
    expect((await stream(undefined, ending.signal)).status).toBe(200);
    expect(await refusalOf(await stream())).toEqual(tooMany("waits_per_subject"));
    for (const path of ["/v1/sandboxes/box/handoff?wait=60"])
      expect(await refusalOf(await gateway.http(path, { token: bearer }))).toEqual(
        tooMany("waits_per_subject"),
      );
    // What does not wait is answered, and so is another subject.
    await ok(gateway.http("/v1/sandboxes/box/handoff", { token: bearer }));
    await ok(gateway.http("/v1/sandboxes/box/events", { token: bearer }));
    const other = new AbortController();
    expect((await stream("ben", other.signal)).status).toBe(200);
    other.abort();
    ending.abort();
    await eventually("a wait that is free", free);
  });

  it("ends with the sandbox", async () => {
    const { gateway, stream, free } = await waiting();
    const gone = await stream();
    await gateway.admin("/v1/sandboxes/box", { method: "DELETE" });
    await within(gone.text(), "the end of the stream");
    await gateway.make("box");
    await eventually("a wait that is free", free);
  });

  it("ends with the answer of a long poll, and with a connection that is cut", async () => {
    const { gateway, bearer, agent, free } = await waiting();
    await agent.done("result", { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "m" });
    const first = waitBegins();
    const poll = gateway.http("/v1/sandboxes/box/handoff?wait=60", { token: bearer });
    await first;
    expect(await free()).toBeUndefined();
    await agent.done("result", { type: "handoff.cancel", sandboxId: "box" });
    expect((await poll).status).toBe(200);
    await eventually("a wait that is free", free);

    await agent.done("result", { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "m" });
    const socket = await TcpPeer.connect(Number(new URL(gateway.url).port));
    const second = waitBegins();
    socket.write(
      `GET /v1/sandboxes/box/handoff?wait=60 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${bearer}\r\n\r\n`,
    );
    await second;
    expect(await free()).toBeUndefined();
    socket.destroy();
    await eventually("a wait that is free", free);
  });

  it("is not used up by what fails, or by who asks for the head alone", async () => {
    const { gateway, bearer, free } = await waiting();
    const root = await token({ sub: "ada", role: "admin" });
    const paths = ["/v1/audit", "/v1/sandboxes/box/events", "/v1/sandboxes/box/handoff?wait=1"];
    for (let time = 0; time < 3; time += 1) {
      await gateway.http("/v1/sandboxes/none/events", { token: bearer, headers: STREAM });
      await gateway.http("/v1/sandboxes/none/handoff?wait=60", { token: bearer });
      for (const path of paths) {
        const response = await gateway.http(path, { method: "HEAD", token: root, headers: STREAM });
        expect(response.status, path).toBe(200);
      }
    }
    expect(await free()).toBe(true);
  });
});

describe("a limit of tokens that are not valid", () => {
  it("failedTokensPerMinute keeps a valid one waiting too, at every door, and no open socket", async () => {
    const skip = stillClock();
    const gateway = await limited({ failedTokensPerMinute: TWELVE });
    await gateway.make("box");
    const bearer = await token({ sub: "bot", role: "agent" });
    const before = await greeted(gateway, bearer);
    const wrong = await token({}, "another secret that is as long as it must be");
    const cdp = (tried: string) =>
      shake(`${gateway.url}/v1/sandboxes/none/cdp`, { headers: { authorization: `Bearer ${tried}` } });
    for (let time = 0; time < TWELVE / 4; time += 1) {
      expect((await gateway.http("/v1/sandboxes", { token: wrong })).status).toBe(401);
      expect((await cdp(wrong)).status).toBe(401);
      const client = await RawClient.open(gateway.url);
      client.hello({ token: wrong });
      expect((await client.closing()).code).toBe(CLOSE.unauthorized.code);
      await before.refused({ type: "auth.refresh", token: wrong }, "unauthorized");
    }
    const expected = rateLimited("failed_tokens");
    for (const tried of [bearer, wrong]) {
      expect(await refusalOf(await gateway.http("/v1/sandboxes/box", { token: tried }))).toEqual(expected);
      expect((await cdp(tried)).refusal).toEqual(expected);
      expect(await greet(gateway, tried)).toEqual(expected);
      expect(failureOf(await before.refused({ type: "auth.refresh", token: tried }))).toEqual(expected);
    }
    await before.done("sandbox.joined", { type: "sandbox.join", sandboxId: "box" });
    skip(EACH_MS);
    await ok(gateway.http("/v1/sandboxes/box", { token: bearer }));
    await greeted(gateway, bearer);
    expect((await cdp(bearer)).status).toBe(404);
    expect((await gateway.http("/v1/sandboxes/box", { token: wrong })).status).toBe(401);
    expect(await refusalOf(await gateway.http("/v1/sandboxes/box", { token: bearer }))).toEqual(expected);
  });

  it("does not count who sends none, and never waits for the valid ones", async () => {
    stillClock();
    const gateway = await limited({ failedTokensPerMinute: TWELVE });
    const bearer = await token();
    for (let time = 0; time < 2 * TWELVE; time += 1) {
      expect((await gateway.http("/v1/sandboxes")).status).toBe(401);
      await ok(gateway.http("/v1/sandboxes", { token: bearer }));
    }
  });
});

describe("whom an address is counted for", () => {
  const from = (address: string) => ({ "x-forwarded-for": address });

  it("is the client that a trusted proxy names, over HTTP and sockets, each apart", async () => {
    stillClock();
    const gateway = await limited(
      {
        requestsPerMinute: TWELVE,
        handshakesPerMinute: TWELVE,
        socketsPerAddress: 1,
        failedTokensPerMinute: TWELVE,
      },
      trusting("127.0.0.1"),
    );
    const bearer = await token();
    const ask = (headers: Record<string, string>, tried = bearer) =>
      gateway.http("/v1/sandboxes", { token: tried, headers });
    for (let time = 0; time < TWELVE; time += 1) await ok(ask(from("203.0.113.1")));
    // What the client wrote itself stands before what the proxy added.
    for (const forwarded of ["203.0.113.1", "198.51.100.7, 203.0.113.1", "203.0.113.1, 127.0.0.1"])
      expect(await refusalOf(await ask(from(forwarded))), forwarded).toEqual(rateLimited("requests"));
    await ok(ask(from("203.0.113.2")));
    await ok(ask({}));

    for (let time = 0; time < TWELVE; time += 1)
      expect((await shake(`${gateway.url}/v1/connect`, { headers: from("203.0.113.1") })).status).toBe(101);
    expect((await shake(`${gateway.url}/v1/connect`, { headers: from("203.0.113.1") })).refusal).toEqual(
      rateLimited("handshakes"),
    );
    await greeted(gateway, bearer, { headers: from("203.0.113.2") });
    expect(await greet(gateway, bearer, { headers: from("203.0.113.2") })).toEqual(
      tooMany("sockets_per_address"),
    );
    await greeted(gateway, bearer, { headers: from("203.0.113.3") });

    const wrong = await token({}, "another secret that is as long as it must be");
    for (let time = 0; time < TWELVE; time += 1)
      expect((await ask(from("203.0.113.4"), wrong)).status).toBe(401);
    expect(await greet(gateway, bearer, { headers: from("203.0.113.4") })).toEqual(
      rateLimited("failed_tokens"),
    );
    await greeted(gateway, bearer, { headers: from("203.0.113.5") });
  });

  it("is the connection's other end when a stranger names somebody", async () => {
    stillClock();
    const gateway = await limited(
      { requestsPerMinute: TWELVE, handshakesPerMinute: 1, socketsPerAddress: 1 },
      trusting("10.0.0.0/8"),
    );
    const bearer = await token();
    for (let time = 0; time < TWELVE; time += 1)
      await ok(gateway.http("/v1/sandboxes", { token: bearer, headers: from(`203.0.113.${time}`) }));
    const response = await gateway.http("/v1/sandboxes", { token: bearer, headers: from("203.0.113.99") });
    expect(await refusalOf(response)).toEqual(rateLimited("requests"));
    await greeted(gateway, bearer, { headers: from("203.0.113.98") });
    expect((await shake(`${gateway.url}/v1/connect`, { headers: from("203.0.113.99") })).refusal).toEqual(
      rateLimited("handshakes", 60_000),
    );
  });
});

it("nobody is kept from anything where no tokens are asked for", async () => {
  stillClock();
  const gateway = await startGateway();
  const client = await RawClient.greeted(gateway.url);
  onTestFinished(() => client.socket.terminate());
  const pings = DEFAULT_LIMITS.messagesPerSecond * 10 + 100;
  for (let time = 0; time < pings; time += 1) client.send({ type: "ping", id: `p${time}` });
  await client.answer(`p${pings - 1}`);
  expect(client.received.filter(({ type }) => type !== "pong").map(({ type }) => type)).toEqual(["welcome"]);
});
