/** What somebody tries with a token that has ended, or is not for this sandbox. */
import { describe, expect, it } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";
import { greeted, refusedHello, TEXT } from "../support/token-clients.ts";
import { startTokenGateway, tokenOf, twoTokenNodes } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";

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
