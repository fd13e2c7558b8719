/** Each rate at its door: what is too much is refused, says until when, and is then done as if nothing had been. */
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import { DEFAULT_LIMITS, type LimitSettings } from "../../src/limits/settings.ts";
import { startGateway } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";
import { stillClock } from "../support/still-clock.ts";
import { type TokenGateway } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";
import {
  TWELVE,
  EACH_MS,
  rateLimited,
  tooMany,
  limited,
  trusting,
  refusalOf,
  failureOf,
  greet,
  greeted,
  shake,
  post,
  ok,
} from "../support/limited.ts";

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
