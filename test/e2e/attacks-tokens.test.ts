/** What somebody tries with tokens and links that are not theirs, no longer theirs, or used up. */
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";
import {
  linkTokenOf,
  openLink,
  startTokenGateway,
  tokenOf,
  twoTokenNodes,
  type TokenGateway,
} from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";

const TEXT = [{ kind: "text", text: "x" }];

async function greeted(gateway: { url: string }, bearer: string, sandboxId?: string): Promise<RawClient> {
  const client = await RawClient.open(gateway.url);
  client.hello({ token: bearer });
  await client.next("welcome");
  if (sandboxId !== undefined) await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
  return client;
}

async function makeLink(gateway: TokenGateway, body: object): Promise<string> {
  const response = await gateway.admin("/v1/sandboxes/box/links", { method: "POST", body });
  return linkTokenOf(((await response.json()) as { url: string }).url);
}

async function refusedHello(gateway: { url: string }, bearer: string): Promise<unknown> {
  const client = await RawClient.open(gateway.url);
  client.hello({ token: bearer });
  expect((await client.closing()).code).toBe(CLOSE.unauthorized.code);
  const [refusal] = client.received;
  return refusal?.type === "error" ? refusal.details?.["reason"] : refusal;
}

/** The status that a handshake is refused with. */
async function refusedHandshake(
  url: string,
  options: { origin?: string; headers?: Record<string, string> },
): Promise<Problem> {
  const socket = new WebSocket(url.replace("http", "ws"), [SUBPROTOCOL], options);
  socket.on("error", () => {});
  const [, response] = (await within(once(socket, "unexpected-response"), "the refusal")) as [
    unknown,
    AsyncIterable<Buffer>,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Problem;
}

describe("a page of another site", () => {
  it("opens no socket, although the person's browser could reach it (cross-site WebSocket hijacking)", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    for (const path of ["/v1/connect", "/v1/sandboxes/box/cdp"]) {
      for (const origin of [
        "https://evil.example",
        "null",
        `${gateway.url}.evil.example`,
        gateway.url.replace("http", "https") + "0",
      ]) {
        const headers = { authorization: `Bearer ${await token({ role: "admin" })}` };
        const problem = await refusedHandshake(`${gateway.url}${path}`, { origin, headers });
        expect([problem.status, problem.code], `${origin} at ${path}`).toEqual([403, "forbidden"]);
      }
    }
  });

  it("calls nothing over HTTP, and reads nothing", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const headers = {
      origin: "https://evil.example",
      authorization: `Bearer ${await token({ role: "admin" })}`,
    };
    for (const [method, path] of [
      ["GET", "/v1/sandboxes/box"],
      ["DELETE", "/v1/sandboxes/box"],
      ["GET", "/metrics"],
      ["GET", "/json/version"],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, { method, headers });
      expect([response.status, response.headers.get("access-control-allow-origin")], path).toEqual([
        403,
        null,
      ]);
    }
    const preflight = await fetch(`${gateway.url}/v1/sandboxes/box`, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "DELETE" },
    });
    expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
    expect((await gateway.admin("/v1/sandboxes/box")).status).toBe(200);
  });

  it("may call when the gateway was told so, with a token and nothing else that says who calls", async () => {
    const gateway = await startTokenGateway({ allowedOrigins: ["https://app.example"] });
    await gateway.make("box");
    const origin = "https://app.example";
    const preflight = await fetch(`${gateway.url}/v1/sandboxes/box`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
    expect(preflight.headers.get("access-control-allow-credentials")).toBeNull();
    const response = await gateway.http("/v1/sandboxes/box", { token: await token(), headers: { origin } });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
    // A refusal can be read too: the page must know what to do.
    const refused = await gateway.http("/v1/sandboxes/box", { headers: { origin } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/connect`, [SUBPROTOCOL], {
      origin,
    });
    await within(once(socket, "open"), "the socket");
    socket.close();
  });
});

describe("a token in an address", () => {
  it.each(["token", "access_token", "Authorization", "jwt", "x"])(
    "is refused although it is valid, because addresses are logged: ?%s=",
    async (name) => {
      const gateway = await startTokenGateway();
      await gateway.make("box");
      const query = `?${name}=${await token({ role: "admin" })}`;
      const headers = { authorization: `Bearer ${await token({ role: "admin" })}` };
      const call = await fetch(`${gateway.url}/v1/sandboxes/box${query}`, { headers });
      const text = await call.text();
      expect(call.status).toBe(400);
      expect(text).toContain("Tokens don't travel in addresses");
      expect(text).not.toContain("eyJ");
      for (const path of ["/v1/connect", "/v1/sandboxes/box/cdp"])
        expect((await refusedHandshake(`${gateway.url}${path}${query}`, { headers })).code, path).toBe(
          "invalid_message",
        );
    },
  );

  it("is none of what a token is looked for in: alone it lets nobody in", async () => {
    const gateway = await startTokenGateway();
    const response = await fetch(`${gateway.url}/v1/sandboxes?limit=5`);
    expect(response.status).toBe(401);
  });
});

describe("where a token may stand", () => {
  it("in the header of the handshake, in a subprotocol, or in hello; never in two places", async () => {
    const gateway = await startTokenGateway();
    const bearer = await token({ sub: "ada" });
    const hello = { type: "hello", version: 1 };
    const header = await RawClient.open(gateway.url, { headers: { authorization: `Bearer ${bearer}` } });
    header.send(hello);
    expect((await header.next("welcome")).name).toBe("ada");
    const protocol = await RawClient.open(gateway.url, { protocols: [SUBPROTOCOL, `baton.token.${bearer}`] });
    expect(protocol.socket.protocol, "the token is not echoed").toBe(SUBPROTOCOL);
    protocol.send(hello);
    expect((await protocol.next("welcome")).name).toBe("ada");
    const both = await RawClient.open(gateway.url, {
      protocols: [SUBPROTOCOL, `baton.token.${bearer}`],
      headers: { authorization: `Bearer ${bearer}` },
    });
    both.send(hello);
    expect((await both.next("error")).details).toEqual({ reason: "malformed" });
  });

  it("must be its bearer's: hello cannot claim another name or role", async () => {
    const gateway = await startTokenGateway();
    const bearer = await token({ sub: "ada", role: "viewer" });
    for (const claim of [{ name: "root" }, { role: "admin" }] as const) {
      const client = await RawClient.open(gateway.url);
      client.hello({ token: bearer, ...claim });
      expect((await client.next("error")).code).toBe("forbidden");
      expect((await client.closing()).code).toBe(CLOSE.unauthorized.code);
    }
    const same = await RawClient.open(gateway.url);
    same.hello({ token: bearer, name: "ada", role: "viewer" });
    expect((await same.next("welcome")).grant).toMatchObject({ sandboxes: ["*"], actFor: false });
  });

  it("headers that named the caller before there were tokens name nobody", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const headers = { "x-baton-role": "admin", "x-baton-name": "root" };
    const response = await gateway.http("/v1/sandboxes/box", {
      token: await token({ role: "viewer" }),
      headers,
      method: "DELETE",
    });
    expect(response.status).toBe(403);
  });
});

describe("a link", () => {
  it("for one use opens once: whoever replays it is told that it was used", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const link = await makeLink(gateway, { access: "drive", singleUse: true });
    const first = await RawClient.open(gateway.url);
    first.hello({ token: link, clientId: "first-page" });
    const { session } = await first.next("welcome");
    expect(await refusedHello(gateway, link)).toBe("used");
    // The one who opened it reconnects with what the welcome brought, also when the welcome itself was lost.
    await greeted(gateway, session?.token ?? "", "box");
    const again = await RawClient.open(gateway.url);
    again.hello({ token: link, clientId: "first-page" });
    await again.next("welcome");
  });

  it("for one use opens once also when two come at the same moment, at two nodes", async () => {
    const { one, two } = await twoTokenNodes();
    await one.make("box");
    const link = await makeLink(one, { access: "watch", singleUse: true });
    const clients = await Promise.all([one, two, one, two].map((gateway) => RawClient.open(gateway.url)));
    for (const client of clients) client.hello({ token: link });
    const answers = await Promise.all(
      clients.map((client) => Promise.race([client.next("welcome"), client.next("error")])),
    );
    expect(answers.map(({ type }) => type).sort()).toEqual(["error", "error", "error", "welcome"]);
  });

  it("is for opening only: over HTTP and CDP its token is nobody's", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const link = await makeLink(gateway, { access: "drive" });
    const response = await gateway.http("/v1/sandboxes/box", { token: link });
    expect([response.status, ((await response.json()) as Problem).details]).toEqual([
      401,
      { reason: "link" },
    ]);
  });

  it("to watch drives nothing; one to drive reaches its own sandbox only", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box", "other");
    const watch = await openLink(gateway, "box", { access: "watch", subject: "eve" });
    const watcher = await greeted(gateway, watch.token, "box");
    await watcher.refused({ type: "handoff.accept", sandboxId: "box", controller: "eve" }, "forbidden");
    await watcher.refused({ type: "control.take", sandboxId: "box", controller: "eve" }, "forbidden");
    await watcher.refused({ type: "input", sandboxId: "box", events: TEXT }, "forbidden");
    const drive = await openLink(gateway, "box", { access: "drive", subject: "carol" });
    const driver = await greeted(gateway, drive.token, "box");
    await driver.refused({ type: "sandbox.join", sandboxId: "other" }, "forbidden");
    await driver.refused({ type: "lobby.join" }, "forbidden");
    await driver.done("result", { type: "control.take", sandboxId: "box", controller: "carol" });
    await driver.refused(
      { type: "control.take", sandboxId: "box", controller: "carol", force: true },
      "forbidden",
    );
    const more = await gateway.http("/v1/sandboxes/box/links", {
      method: "POST",
      token: drive.token,
      body: '{"access":"drive"}',
      headers: { "content-type": "application/json" },
    });
    expect(more.status, "a link makes no links").toBe(403);
  });

  it("makes nobody of the people who have tokens of their own, unless who mints it may act for them", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const mint = async (actFor: boolean): Promise<string> => {
      const response = await gateway.http("/v1/sandboxes/box/links", {
        method: "POST",
        token: await token({ sub: "bob", act_for: actFor }),
        body: '{"access":"drive","subject":"ada"}',
        headers: { "content-type": "application/json" },
      });
      return ((await response.json()) as { link: { subject: string } }).link.subject;
    };
    expect([await mint(false), await mint(true)]).toEqual(["guest-ada", "ada"]);
  });

  it("that is revoked ends the stay of everybody who came by it, on every node, and is not ended by guessing", async () => {
    const { one, two } = await twoTokenNodes();
    await one.make("box", "other");
    const { token: bearer, linkId } = await openLink(one, "box", { access: "drive" });
    const guest = await greeted(two, bearer, "box");
    const other = await token({ role: "operator", sandboxes: ["other"] });
    for (const path of [`/v1/sandboxes/other/links/${linkId}`, `/v1/sandboxes/box/links/${linkId}`]) {
      const refused = await one.http(path, { method: "DELETE", token: other });
      expect([403, 404], path).toContain(refused.status);
    }
    await guest.ping();
    expect((await one.admin(`/v1/sandboxes/box/links/${linkId}`, { method: "DELETE" })).status).toBe(200);
    expect((await guest.closing()).code).toBe(CLOSE.token_revoked.code);
    expect(await refusedHello(two, bearer)).toBe("revoked");
  });

  it("gives more time in the middle of a handoff, and only then", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const { token: bearer, subject } = await openLink(gateway, "box", {
      access: "drive",
      subject: "carol",
      expiresInMs: 60_000,
    });
    const guest = await greeted(gateway, bearer, "box");
    await guest.refused({ type: "auth.renew" }, "forbidden");
    await guest.done("result", { type: "control.take", sandboxId: "box", controller: subject });
    const { session } = await guest.done("auth.updated", { type: "auth.renew" });
    const again = await greeted(gateway, session?.token ?? "", "box");
    expect(again.received[0]).toMatchObject({
      type: "welcome",
      name: "carol",
      grant: { link: "drive", sandboxes: ["box"] },
    });
    const ordinary = await greeted(gateway, await token({ sub: "carol" }), "box");
    await ordinary.refused({ type: "auth.renew" }, "forbidden");
  });

  it("is in no answer to an agent and in no event: what a model reads opens nothing", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    await openLink(gateway, "box", { access: "drive" });
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }), "box");
    const { result } = await agent.done("result", {
      type: "handoff.request",
      sandboxId: "box",
      reason: "mfa",
      message: "m",
    });
    expect(result.pairedBrowser?.previewUrl).toBe(`${gateway.url}/s/box`);
    const events = await (await gateway.admin("/v1/sandboxes/box/events?since=0-0")).text();
    const everything = JSON.stringify(agent.received) + events;
    expect(everything).not.toMatch(/eyJ|#token|baton\.token/);
    const made = await (await gateway.admin("/v1/sandboxes/box")).text();
    expect(made).not.toMatch(/eyJ|#token/);
  });
});

describe("a token that ends while its bearer drives", () => {
  it("by revocation closes the socket on every node, and its input reaches the page no more", async () => {
    const { one, two } = await twoTokenNodes();
    await one.make("box");
    const bearer = await tokenOf(one, "operator", ["box"]);
    const { sub, jti } = JSON.parse(Buffer.from(bearer.split(".")[1] ?? "", "base64url").toString()) as {
      sub: string;
      jti: string;
    };
    const driver = await greeted(two, bearer, "box");
    await driver.done("result", { type: "control.take", sandboxId: "box", controller: sub });
    await driver.done("done", { type: "input", sandboxId: "box", events: TEXT });
    await one.revoke(jti);
    expect((await driver.closing()).code).toBe(CLOSE.token_revoked.code);
    expect(await refusedHello(two, bearer)).toBe("revoked");
    // The browser is not theirs for ever: as after every connection that is lost, the grace time begins (H5).
    const { sandbox } = (await (await one.admin("/v1/sandboxes/box")).json()) as {
      sandbox: { control: object };
    };
    expect(sandbox.control).toMatchObject({ controller: sub });
  });

  it("by its time closes the socket, a stream and a long poll", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const bearer = await token({ sub: "ada", expiresIn: 2 });
    const socket = await greeted(gateway, bearer, "box");
    const agentBearer = await token({ sub: "bot", role: "agent", expiresIn: 2 });
    const agent = await greeted(gateway, agentBearer, "box");
    await agent.done("result", { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "m" });
    const stream = await gateway.http("/v1/sandboxes/box/events", {
      token: bearer,
      headers: { accept: "text/event-stream" },
    });
    const poll = await gateway.http("/v1/sandboxes/box/handoff?wait=60", { token: agentBearer });
    expect(poll.status).toBe(401);
    expect((await poll.json()) as Problem).toMatchObject({ details: { reason: "expired" } });
    expect((await socket.closing()).code).toBe(CLOSE.token_expired.code);
    await within(stream.text(), "the end of the stream");
    expect(await refusedHello(gateway, bearer)).toBe("expired");
  });

  it("lives on when it is refreshed in time, as the same bearer and nobody else", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box", "other");
    const claims = { sub: "ada", role: "operator" } as const;
    const driver = await greeted(gateway, await token({ ...claims, expiresIn: 2 }), "box");
    await driver.done("sandbox.joined", { type: "sandbox.join", sandboxId: "other" });
    await driver.done("result", { type: "control.take", sandboxId: "box", controller: "ada" });
    const witness = await greeted(gateway, await token({ sub: "eve", expiresIn: 2 }), "box");
    for (const thief of [{ sub: "eve" }, { sub: "ada", role: "admin" as const }])
      await driver.refused({ type: "auth.refresh", token: await token(thief) }, "forbidden");
    await driver.refused(
      { type: "auth.refresh", token: await token({ ...claims, expiresIn: -1 }) },
      "unauthorized",
    );
    // The newer one reaches less: what is no longer reached is left.
    const fresh = await token({ ...claims, sandboxes: ["box"], expiresIn: 600 });
    const { expiresAt } = await driver.done("auth.updated", { type: "auth.refresh", token: fresh });
    expect(expiresAt).toBeGreaterThan(Date.now() + 500_000);
    expect(await driver.next("sandbox.left")).toMatchObject({ sandboxId: "other", reason: "forbidden" });
    // Somebody whose token ended at the same time is gone: so the first token's time is over, too.
    expect((await witness.closing()).code).toBe(CLOSE.token_expired.code);
    await driver.done("done", { type: "input", sandboxId: "box", events: TEXT });
    await driver.refused({ type: "sandbox.join", sandboxId: "other" }, "forbidden");
  });
});

describe("another tenant", () => {
  it("guesses ids in vain: what is there and what is not are refused alike", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("acme-1");
    const mallory = await token({ sub: "mallory", role: "worker", sandboxes: ["mal-*"] });
    const client = await greeted(gateway, mallory);
    const refusals = new Set<string>();
    for (const sandboxId of ["acme-1", "acme-2", "mal", "nowhere"]) {
      const refused = await client.refused({ type: "sandbox.join", sandboxId }, "forbidden");
      refusals.add(refused.message.replaceAll(sandboxId, "ID"));
      const http = await gateway.http(`/v1/sandboxes/${sandboxId}`, { token: mallory });
      refusals.add(((await http.json()) as Problem).detail.replaceAll(sandboxId, "ID"));
    }
    expect(refusals.size).toBe(1);
  });

  it("sees neither the others' sandboxes nor what becomes of them", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("acme-1", "mal-1");
    const mallory = await token({ sub: "mallory", role: "worker", sandboxes: ["mal-*"] });
    const client = await greeted(gateway, mallory);
    const lobby = await client.done("lobby", { type: "lobby.join" });
    expect(lobby.sandboxes.map(({ sandboxId }) => sandboxId)).toEqual(["mal-1"]);
    const list = (await (await gateway.http("/v1/sandboxes", { token: mallory })).json()) as {
      sandboxes: { sandboxId: string }[];
    };
    expect(list.sandboxes.map(({ sandboxId }) => sandboxId)).toEqual(["mal-1"]);
    await gateway.make("acme-2", "mal-2");
    await gateway.admin("/v1/sandboxes/acme-2", { method: "DELETE" });
    await gateway.admin("/v1/sandboxes/mal-2", { method: "DELETE" });
    await client.next("lobby.removed");
    const told = client.received.flatMap((message) =>
      message.type === "lobby.changed"
        ? message.sandbox.sandboxId
        : message.type === "lobby.removed"
          ? message.sandboxId
          : [],
    );
    expect(new Set(told)).toEqual(new Set(["mal-2"]));
  });

  it("makes sandboxes under its own names only", async () => {
    const gateway = await startTokenGateway();
    const create = async (sandboxes: string[], body: object): Promise<unknown> => {
      const response = await gateway.http("/v1/sandboxes", {
        method: "POST",
        token: await token({ role: "worker", sandboxes }),
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
      const answer = (await response.json()) as { sandbox?: { sandboxId: string }; code?: string };
      return answer.sandbox?.sandboxId ?? answer.code;
    };
    expect(await create(["mal-*"], { sandboxId: "acme-1" })).toBe("forbidden");
    expect(await create(["mal-*"], {})).toMatch(/^mal-[\w-]{12}$/);
    expect(await create(["one"], {})).toBe("forbidden");
    expect(await create(["one"], { sandboxId: "one" })).toBe("one");
  });

  it("an agent reads no events of another sandbox: not by joining, by the log, by the stream, nor by CDP", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("mine", "theirs");
    const bearer = await token({ sub: "bot", role: "agent", sandboxes: ["mine"] });
    const agent = await greeted(gateway, bearer, "mine");
    await agent.refused(
      { type: "sandbox.join", sandboxId: "theirs", since: { epoch: 0, seq: 0 } },
      "forbidden",
    );
    await agent.refused({ type: "handoff.get", sandboxId: "theirs" }, "forbidden");
    await agent.refused({ type: "lobby.join" }, "forbidden");
    for (const accept of ["application/json", "text/event-stream"]) {
      const response = await gateway.http("/v1/sandboxes/theirs/events?since=0-0", {
        token: bearer,
        headers: { accept },
      });
      expect(response.status, accept).toBe(403);
    }
    const person = await greeted(gateway, await token({ sub: "ada" }), "theirs");
    await person.done("result", { type: "control.take", sandboxId: "theirs", controller: "ada" });
    await agent.ping();
    expect(JSON.stringify(agent.received.filter(({ type }) => type !== "error"))).not.toContain("theirs");
  });

  it("takes no resume prompt over with another program's clientId", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const join = async (sub: string): Promise<RawClient> => {
      const client = await RawClient.open(gateway.url);
      client.hello({ token: await token({ sub, role: "agent" }), clientId: "the-same-id" });
      await client.next("welcome");
      await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "box", resume: true });
      return client;
    };
    const [agent, thief] = [await join("bot"), await join("thief")];
    await agent.done("result", {
      type: "handoff.request",
      sandboxId: "box",
      reason: "mfa",
      message: "m",
      resumePrompt: "go on",
    });
    const person = await greeted(gateway, await token({ sub: "ada" }), "box");
    await person.done("result", { type: "handoff.accept", sandboxId: "box", controller: "ada" });
    person.send({
      type: "handoff.complete",
      id: "c",
      sandboxId: "box",
      controller: "ada",
      runResumePrompt: true,
    });
    const { requestId } = await agent.next("resume.prompt");
    await agent.done("done", { type: "resume.claim", sandboxId: "box", requestId });
    await thief.refused({ type: "resume.claim", sandboxId: "box", requestId }, "resume_taken");
    await thief.refused({ type: "resume.answer", sandboxId: "box", requestId, ok: true }, "resume_taken");
    await agent.done("done", {
      type: "resume.answer",
      sandboxId: "box",
      requestId,
      ok: true,
      response: "done",
    });
  });
});

it("a viewer that sends input by hand is refused each time, and the page gets none of it", async () => {
  const gateway = await startTokenGateway();
  await gateway.make("box");
  const viewer = await greeted(gateway, await token({ sub: "vera", role: "viewer" }), "box");
  for (const controller of [undefined, "vera", "ada"])
    await viewer.refused(
      { type: "input", sandboxId: "box", events: TEXT, ...(controller && { controller }) },
      "forbidden",
    );
  await viewer.ping();
  expect(gateway.browser.received).toEqual([]);
});
