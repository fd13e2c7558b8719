import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { BatonError, CLOSE } from "../../../protocol/errors.ts";
import { connect as connectAnywhere } from "../../../src/sdk/client.ts";
import { Credentials } from "../../../src/sdk/credentials.ts";
import { prolongAfterMs } from "../../../src/sdk/token-keeper.ts";
import { drivenBy, eventOf, recorder, resultOf, sandboxOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";
import { grantFor, greet, HOUR, requestsTo, WELCOME } from "./token-fixtures.ts";

const TOKEN = "aaaa.first.0001";
const SECOND = "aaaa.second.0002";
const SESSION = "aaaa.session.0003";
const NEWER = "aaaa.session.0004";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
  gateway.greets = false;
});
afterEach(() => gateway.stop());

describe("a token", () => {
  it("goes into the hello, nowhere else, and without a role or a name of the client's own", async () => {
    const client = gateway.client({ token: TOKEN });
    const peer = await gateway.peer();
    expect(gateway.hellos[0]).toMatchObject({ token: TOKEN });
    expect(gateway.hellos[0]).not.toHaveProperty("role");
    expect(gateway.hellos[0]).not.toHaveProperty("name");
    expect(gateway.protocols).toEqual(["baton.v1"]);
    expect(gateway.paths).toEqual(["/v1/connect"]);
    expect(client).toMatchObject({ name: "sdk", role: "sdk", grant: undefined });
    const grant = grantFor(HOUR, { sandboxes: ["acme-*"], link: "watch" });
    peer.welcome({ name: "Ada", role: "viewer", grant });
    await client.ready();
    expect(client).toMatchObject({ name: "Ada", role: "viewer", grant });
  });

  it("goes with the role and the name that were asked for", async () => {
    const client = gateway.client({ token: TOKEN, role: "operator", name: "Ada" });
    expect(client).toMatchObject({ name: "Ada", role: "operator" });
    await gateway.peer();
    expect(gateway.hellos[0]).toMatchObject({ token: TOKEN, role: "operator", name: "Ada" });
  });

  it("names the controller of calls that were made before the gateway said whom it is for", async () => {
    const box = gateway.client({ token: TOKEN }).sandbox("box");
    const call = box.takeControl();
    const peer = await gateway.peer();
    greet(peer);
    const take = await peer.next("control.take");
    expect(take.controller).toBe("Ada");
    peer.send({ type: "result", id: take.id, result: resultOf() });
    await call;
  });

  it("is refused before anything is sent when it cannot be one, and is not quoted", () => {
    const secret = "not-a-token-but-secret";
    const attempt = () => connectAnywhere({ url: gateway.url, WebSocket, token: secret });
    expect(attempt).toThrow(
      expect.objectContaining({ code: "unauthorized", details: { reason: "malformed" } }),
    );
    expect(attempt).not.toThrow(secret);
    const link = `${gateway.url}/s/box#token=${TOKEN}`;
    const mistaken = () => connectAnywhere({ url: link, WebSocket });
    expect(mistaken).toThrow(/is not a gateway's address/);
    expect(mistaken).not.toThrow(TOKEN);
  });

  it.each([
    ["unauthorized", CLOSE.unauthorized.code, undefined],
    ["revoked", CLOSE.token_revoked.code, "revoked"],
    ["expired, and the client has but a string", CLOSE.token_expired.code, "expired"],
  ])("ends the client when it is %s", async (_, code, reason) => {
    const client = gateway.client({ token: TOKEN });
    const peer = await gateway.peer();
    greet(peer);
    await client.ready();
    const call = client.sandbox("box").getHandoff();
    const rejected = expect(call).rejects.toMatchObject({
      code: "unauthorized",
      details: { closeCode: code },
    });
    await peer.next("handoff.get");
    peer.socket.close(code);
    await rejected;
    expect(client.status).toBe("closed");
    expect(client.error?.details?.["reason"]).toBe(reason);
    expect(client.error?.message).not.toContain(TOKEN);
  });

  it("ends the client with the gateway's reason when the hello is refused", async () => {
    const client = gateway.client({ token: TOKEN });
    const peer = await gateway.peer();
    peer.send({
      type: "error",
      code: "unauthorized",
      message: "The link was used.",
      retryable: false,
      details: { reason: "used" },
    });
    await expect(client.ready()).rejects.toMatchObject({ code: "unauthorized", details: { reason: "used" } });
    expect(client.error?.details?.["reason"]).toBe("used");
    client.close();
    expect(client.error?.code).toBe("unauthorized");
  });

  it("is no error when the client was closed by its owner", async () => {
    const client = gateway.client();
    client.close();
    expect(client.error).toBeUndefined();
  });
});

describe("a token function", () => {
  it("is asked at each connect", async () => {
    const tokens = [TOKEN, SECOND];
    gateway.client({ token: async () => tokens.shift() ?? "" });
    const first = await gateway.peer();
    greet(first);
    first.kill();
    await gateway.peer();
    expect(gateway.hellos.map(({ token }) => token)).toEqual([TOKEN, SECOND]);
  });

  it("gets the client back in after the token's end, but not after its revocation", async () => {
    const tokens = [TOKEN, SECOND];
    const client = gateway.client({ token: () => tokens.shift() ?? "" });
    const first = await gateway.peer();
    greet(first);
    first.socket.close(CLOSE.token_expired.code);
    const second = await gateway.peer();
    expect(gateway.hellos[1]?.token).toBe(SECOND);
    greet(second);
    const closed = recorder<string>();
    client.onStatus((status) => status === "closed" && closed.listener(status));
    second.socket.close(CLOSE.token_revoked.code);
    await closed.next();
    expect(client.error?.details).toMatchObject({ reason: "revoked" });
  });

  it("is asked again after it threw; a refusal that is final ends the client", async () => {
    let calls = 0;
    const client = gateway.client({
      token: () => {
        calls += 1;
        if (calls === 1) throw new Error("the backend is away");
        if (calls === 2) return TOKEN;
        throw new BatonError("forbidden", "Signed out.");
      },
    });
    const peer = await gateway.peer();
    greet(peer);
    const closed = recorder<string>();
    client.onStatus((status) => status === "closed" && closed.listener(status));
    peer.kill();
    await closed.next();
    expect(client.error).toMatchObject({ code: "forbidden", message: "Signed out." });
    expect(calls).toBe(3);
  });

  it("ends the client when it returns no token, without a word of what it was", async () => {
    const secret = "<html>secret</html>";
    const client = gateway.client({ token: () => secret });
    await expect(client.ready()).rejects.toMatchObject({
      code: "unauthorized",
      details: { reason: "malformed" },
    });
    expect(client.error?.message).not.toContain("secret");
  });

  it("prolongs the token's time on the open socket, before its end", async () => {
    const tokens = [TOKEN, SECOND];
    const client = gateway.client({ token: () => tokens.shift() ?? "" });
    const peer = await gateway.peer();
    greet(peer, grantFor(2_000));
    const refresh = await peer.next("auth.refresh");
    expect(refresh.token).toBe(SECOND);
    const changed = recorder<string>();
    client.onStatus(changed.listener);
    const expiresAt = Date.now() + HOUR;
    peer.send({ type: "auth.updated", id: refresh.id, expiresAt });
    while (client.grant?.expiresAt !== expiresAt) await changed.next();
    expect(gateway.hellos).toHaveLength(1);
    const seen = requestsTo(gateway);
    await client.removeSandbox("box");
    expect(seen[0]?.authorization).toBe(`Bearer ${SECOND}`);
  });

  it("is asked after 80 % of the time, 30 s before the end at the latest, and never in a tight loop", () => {
    const never = () => 0;
    expect(prolongAfterMs(HOUR, never)).toBe(0.8 * HOUR);
    expect(prolongAfterMs(100_000, never)).toBe(70_000);
    expect(prolongAfterMs(40_000, never)).toBe(20_000);
    expect(prolongAfterMs(HOUR, () => 1)).toBeCloseTo(0.72 * HOUR);
    expect(prolongAfterMs(-5, never)).toBe(1_000);
    expect(prolongAfterMs(Number.MAX_SAFE_INTEGER, never)).toBe(2 ** 31 - 1);
  });
});

describe("a link's session", () => {
  const byLink = (leftMs: number) => grantFor(leftMs, { sandboxes: ["box"], link: "drive" });

  it("takes the place of the link's token, and is told to whoever keeps it", async () => {
    const told = recorder<string | undefined>();
    const client = gateway.client({ token: TOKEN, onSession: (session) => told.listener(session?.token) });
    const first = await gateway.peer();
    const expiresAt = Date.now() + HOUR;
    first.welcome({
      name: "guest",
      role: "operator",
      grant: byLink(HOUR),
      session: { token: SESSION, expiresAt },
    });
    expect(await told.next()).toBe(SESSION);
    first.kill();
    const second = await gateway.peer();
    expect(gateway.hellos.map(({ token }) => token)).toEqual([TOKEN, SESSION]);
    second.welcome({ name: "guest", role: "operator", grant: byLink(HOUR) });
    await client.ready();
    const seen = requestsTo(gateway);
    await client.removeSandbox("box");
    expect(seen[0]?.authorization).toBe(`Bearer ${SESSION}`);
    second.socket.close(CLOSE.token_expired.code);
    expect(await told.next()).toBeUndefined();
    expect(client.error?.details).toMatchObject({ reason: "expired" });
  });

  it("is renewed near its end; refused, again when the client takes the browser", async () => {
    const told = recorder<string | undefined>();
    const client = gateway.client({ token: TOKEN, onSession: (session) => told.listener(session?.token) });
    client.sandbox("box").subscribe(() => {});
    const peer = await gateway.peer();
    const session = { token: SESSION, expiresAt: Date.now() + 2_000 };
    peer.welcome({ name: "Ada", role: "operator", grant: byLink(2_000), session });
    await peer.acceptJoin(sandboxOf());
    const refused = await peer.next("auth.renew");
    peer.refuse(refused.id, "forbidden");
    peer.event(eventOf(6, { type: "control.taken", changes: { control: drivenBy("Ada") } }));
    const granted = await peer.next("auth.renew");
    const expiresAt = Date.now() + HOUR;
    peer.send({
      type: "auth.updated",
      id: granted.id,
      expiresAt,
      session: { token: NEWER, expiresAt },
    });
    expect(await told.next()).toBe(SESSION);
    expect(await told.next()).toBe(NEWER);
    expect(client.grant?.expiresAt).toBe(expiresAt);
    peer.kill();
    await gateway.peer();
    expect(gateway.hellos[1]?.token).toBe(NEWER);
  });

  it("is not renewed where nobody would grant it: a link to watch", () => {
    const asked = { token: TOKEN, onSession: undefined, clientId: "c", role: undefined, name: undefined };
    const prolonging = (link?: "watch" | "drive", token: string | (() => string) = TOKEN) => {
      const credentials = new Credentials({ ...asked, token });
      const grant = grantFor(HOUR, link === undefined ? {} : { link });
      credentials.welcomed({ ...WELCOME, grant });
      return credentials.prolonging;
    };
    expect(prolonging("watch")).toBeUndefined();
    expect(prolonging("drive")).toBe("renew");
    expect(prolonging()).toBeUndefined();
    expect(prolonging(undefined, () => TOKEN)).toBe("refresh");
  });
});

describe("limits", () => {
  it("H6: a handoff call that is over a limit waits as long as it must and is sent again", async () => {
    gateway.greets = true;
    const box = gateway.client().sandbox("box");
    const call = box.cancelHumanHandoff();
    const peer = await gateway.peer();
    const first = await peer.next("handoff.cancel");
    const at = performance.now();
    peer.refuse(first.id, "rate_limited", { limit: "handoffs", retryAfterMs: 60 });
    const again = await peer.next("handoff.cancel");
    expect(performance.now() - at).toBeGreaterThan(55);
    expect(again).toEqual(first);
    peer.send({ type: "result", id: again.id, result: resultOf() });
    await expect(call).resolves.toEqual(resultOf());
  });

  it("a call that would wait too long, or was over a limit too often, is rejected", async () => {
    gateway.greets = true;
    const box = gateway.client().sandbox("box");
    const long = box.getHandoff();
    const peer = await gateway.peer();
    peer.refuse((await peer.next("handoff.get")).id, "rate_limited", { limit: "x", retryAfterMs: 60_000 });
    await expect(long).rejects.toMatchObject({ code: "rate_limited", details: { retryAfterMs: 60_000 } });
    const often = box.getHandoff();
    const rejected = expect(often).rejects.toMatchObject({ code: "rate_limited" });
    for (let count = 0; count < 6; count += 1) {
      peer.refuse((await peer.next("handoff.get")).id, "rate_limited", { limit: "x", retryAfterMs: 1 });
    }
    await rejected;
  });

  it("a call that waits is not sent on a new socket before its time, and not at all once aborted", async () => {
    gateway.greets = true;
    const box = gateway.client().sandbox("box");
    const controller = new AbortController();
    const call = box.getHandoff({ signal: controller.signal });
    const first = await gateway.peer();
    first.refuse((await first.next("handoff.get")).id, "rate_limited", { limit: "x", retryAfterMs: 20_000 });
    const barrier = box.cancelHumanHandoff();
    const { id } = await first.next("handoff.cancel");
    first.send({ type: "result", id, result: resultOf() });
    await barrier;
    first.kill();
    const second = await gateway.peer();
    const other = box.cancelHumanHandoff();
    second.send({ type: "result", id: (await second.next("handoff.cancel")).id, result: resultOf() });
    await other;
    expect(second.types()).toEqual(["hello", "handoff.cancel"]);
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
  });

  it("C4: input that is over a limit is rejected at once: later it would mean something else", async () => {
    gateway.greets = true;
    const box = gateway.client({ role: "agent" }).sandbox("box");
    const move = box.input.move(1, 2);
    const peer = await gateway.peer();
    await peer.acceptJoin(sandboxOf());
    const { id } = await peer.next("input");
    peer.refuse(id ?? "", "rate_limited", { limit: "input", retryAfterMs: 10 });
    await expect(move).rejects.toMatchObject({ code: "rate_limited", details: { retryAfterMs: 10 } });
  });

  it("a client that was closed for going over them comes back no sooner than it was told", async () => {
    gateway.greets = true;
    gateway.client();
    const peer = await gateway.peer();
    const at = performance.now();
    peer.send({
      type: "error",
      code: "rate_limited",
      message: "Too many messages.",
      retryable: true,
      details: { limit: "messages", retryAfterMs: 80 },
    });
    peer.socket.close(CLOSE.rate_limited.code);
    await gateway.peer();
    expect(performance.now() - at).toBeGreaterThan(75);
  });

  it("a hello that was over them is said again no sooner than it was told", async () => {
    gateway.client();
    const peer = await gateway.peer();
    const at = performance.now();
    peer.send({
      type: "error",
      code: "rate_limited",
      message: "Too many handshakes.",
      retryable: true,
      details: { limit: "handshakes", retryAfterMs: 80 },
    });
    await gateway.peer();
    expect(performance.now() - at).toBeGreaterThan(75);
  });
});

describe("what a token does not reach", () => {
  it("ends a sandbox that a newer token no longer names", async () => {
    gateway.greets = true;
    const ended = recorder<Error>();
    gateway
      .client()
      .sandbox("box")
      .subscribe(() => {}, ended.listener);
    const peer = await gateway.peer();
    await peer.acceptJoin(sandboxOf());
    peer.send({ type: "sandbox.left", sandboxId: "box", reason: "forbidden" });
    expect(await ended.next()).toMatchObject({ code: "forbidden" });
  });

  it("tells who may not have the list of sandboxes", async () => {
    gateway.greets = true;
    const refused = recorder<Error>();
    gateway.client().subscribeLobby(() => {}, refused.listener);
    const peer = await gateway.peer();
    peer.refuse((await peer.next("lobby.join")).id, "forbidden");
    expect(await refused.next()).toMatchObject({ code: "forbidden" });
  });
});

describe("HTTP calls", () => {
  it("carry the token in the header, and no role or name beside it", async () => {
    const seen = requestsTo(gateway);
    await gateway.client({ token: TOKEN }).removeSandbox("box");
    await gateway.client({ token: () => SECOND }).removeSandbox("box");
    expect(seen).toEqual([
      {
        method: "DELETE",
        path: "/v1/sandboxes/box",
        authorization: `Bearer ${TOKEN}`,
        stated: [],
        body: undefined,
      },
      {
        method: "DELETE",
        path: "/v1/sandboxes/box",
        authorization: `Bearer ${SECOND}`,
        stated: [],
        body: undefined,
      },
    ]);
  });

  it("make and end links, and end tokens", async () => {
    const link = {
      linkId: "link-1",
      sandboxId: "box",
      access: "drive" as const,
      subject: "guest-ab",
      singleUse: true,
      expiresAt: 5,
    };
    const url = `http://gateway/s/box#token=${SESSION}`;
    const seen = requestsTo(gateway, { ok: true, link, url });
    const client = gateway.client({ token: TOKEN });
    const box = client.sandbox("box");
    await expect(box.createLink({ access: "drive", singleUse: true, expiresInMs: 60_000 })).resolves.toEqual({
      link,
      url,
    });
    await box.revokeLink("link-1");
    await client.revokeToken("token-1", { expiresAt: 7 });
    expect(seen.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", "/v1/sandboxes/box/links", { access: "drive", singleUse: true, expiresInMs: 60_000 }],
      ["DELETE", "/v1/sandboxes/box/links/link-1", undefined],
      ["POST", "/v1/tokens/revoke", { tokenId: "token-1", expiresAt: 7 }],
    ]);
  });
});
