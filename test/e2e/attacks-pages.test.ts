/** What a page of another site tries, and a token where none may stand. */
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE } from "../../protocol/errors.ts";
import type { Problem } from "../../protocol/errors.ts";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { within } from "../support/inbox.ts";
import { startGateway } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";
import { refusedHandshake } from "../support/token-clients.ts";
import { startTokenGateway } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";

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

  it("lets nobody in who has no other", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    for (const name of ["token", "access_token", "session", "t"]) {
      const response = await fetch(
        `${gateway.url}/v1/sandboxes/box?${name}=${await token({ role: "admin" })}`,
      );
      expect(response.status, name).toBe(400);
    }
    // Not one that is hidden from the look at the address either: it is nowhere looked for.
    const disguised = Buffer.from(await token({ role: "admin" })).toString("hex");
    const response = await fetch(`${gateway.url}/v1/sandboxes/box?x=${disguised}`);
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

describe("a gateway that asks nobody who they are", () => {
  it.each(["x-forwarded-for", "forwarded"])("takes nobody whom a proxy brings (%s)", async (header) => {
    const { url } = await startGateway();
    const headers = { [header]: "203.0.113.5" };
    const call = await fetch(`${url}/v1/sandboxes`, { headers });
    expect([call.status, ((await call.json()) as Problem).code]).toEqual([403, "forbidden"]);
    expect((await refusedHandshake(`${url}/v1/connect`, { headers })).code).toBe("forbidden");
    expect((await fetch(`${url}/v1/sandboxes`)).status).toBe(200);
  });
});
