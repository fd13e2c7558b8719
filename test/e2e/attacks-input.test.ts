/** What somebody tries with the form of what they send. Frames, bytes and handshakes: the transport's contract suite. */
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Problem } from "../../protocol/errors.ts";
import { RawClient } from "../support/raw-client.ts";
import { startTokenGateway } from "../support/token-gateway.ts";
import { payloadOf, signed, token } from "../support/tokens.ts";

/** A request as it is written here, byte for byte: `fetch` would tidy it up. */
async function send(url: string, head: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(head);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

describe("a path that leads out of the pages' folder", () => {
  it.each([
    "/assets/../../../package.json",
    "/assets/..%2f..%2f..%2fpackage.json",
    "/assets/%2e%2e/%2e%2e/%2e%2e/package.json",
    "/assets/..\\..\\..\\package.json",
    "/assets/%2e%2e%5c%2e%2e%5c%2e%2e%5cpackage.json",
    "/assets/....//....//....//package.json",
    "/assets/../index.html/../../package.json%00.js",
    "/assets//etc/passwd",
    "/favicon.svg/../../../package.json",
    "//etc/passwd",
    "/s/../../../package.json",
    "/s/..%2f..%2fpackage.json",
  ])("%s reads no file", async (path) => {
    const { url } = await startTokenGateway();
    const answer = await send(
      url,
      `GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (?:400|404|401|403) /);
    expect(answer).not.toMatch(/"dependencies"|root:/);
  });

  it.each(["../up", "..", "a/b", "a%2fb", "a\u0000b", "%2e%2e"])(
    "%j is no sandbox's id",
    async (sandboxId) => {
      const gateway = await startTokenGateway();
      const made = await gateway.admin("/v1/sandboxes", { method: "POST", body: { sandboxId } });
      expect(Problem.parse(await made.json()).code).toBe("invalid_message");
      const read = await gateway.admin(`/v1/sandboxes/${encodeURIComponent(sandboxId)}`);
      expect([400, 404]).toContain(read.status);
    },
  );
});

describe("a header that carries another one", () => {
  it.each([
    ["the path", "GET /v1/%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: HOST"],
    ["the query", "GET /v1/sandboxes?cursor=%0d%0aX-Injected:yes HTTP/1.1\r\nHost: HOST"],
    ["the origin", "GET /v1/sandboxes HTTP/1.1\r\nHost: HOST\r\nOrigin: http://x%0d%0aX-Injected: yes"],
    ["a bare line feed", "GET /v1/sandboxes HTTP/1.1\r\nHost: HOST\r\nOrigin: http://x\nX-Injected: yes"],
    ["the host", "GET /json/version HTTP/1.1\r\nHost: HOST%0d%0aX-Injected: yes"],
    ["the caller's name", "GET /v1/sandboxes HTTP/1.1\r\nHost: HOST\r\nX-Baton-Name: a%0d%0aX-Injected: yes"],
    [
      "the subprotocol",
      "GET /v1/connect HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: x%0d%0aX-Injected: yes",
    ],
  ])("in %s sets none in the answer", async (_where, head) => {
    const { url } = await startTokenGateway();
    const text = `${head.replaceAll("HOST", new URL(url).host)}\r\nConnection: close\r\n\r\n`;
    const [answer = ""] = (await send(url, text)).split("\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 [14]\d\d /);
    expect(
      answer
        .toLowerCase()
        .split("\r\n")
        .filter((line) => line.startsWith("x-injected")),
    ).toEqual([]);
  });
});

describe("keys that every object has", () => {
  const POLLUTED = '"__proto__":{"role":"admin","actFor":true},"constructor":{"prototype":{"role":"admin"}}';

  it("in a message are unknown fields, and change nothing for anybody", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const client = await RawClient.open(gateway.url);
    client.raw(`{"type":"hello","version":1,"token":"${await token({ role: "viewer" })}",${POLLUTED}}`);
    expect((await client.next("error")).code).toBe("invalid_message");
    client.hello({ token: await token({ sub: "vera", role: "viewer" }) });
    await client.next("welcome");
    client.raw(`{"type":"sandbox.join","id":"j","sandboxId":"box",${POLLUTED}}`);
    expect(await client.answer("j")).toMatchObject({ code: "invalid_message" });
    client.raw(
      `{"type":"input","id":"i","sandboxId":"box","events":[{"kind":"text","text":"x",${POLLUTED}}]}`,
    );
    expect(await client.answer("i")).toMatchObject({ code: "invalid_message" });
    expect([({} as { role?: string }).role, ({} as { actFor?: boolean }).actFor]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("in a body, a query and a token are no rights", async () => {
    const gateway = await startTokenGateway();
    const headers = { "content-type": "application/json" };
    const body = await gateway.http("/v1/sandboxes", {
      method: "POST",
      token: await token({ role: "worker" }),
      body: `{"sandboxId":"box",${POLLUTED}}`,
      headers,
    });
    expect(body.status).toBe(400);
    const query = await gateway.http("/v1/sandboxes?__proto__[role]=admin&constructor=1", {
      token: await token({ role: "viewer" }),
    });
    expect(query.status).toBe(403);
    const { role: _, ...claims } = payloadOf({});
    const sly = await signed(
      JSON.parse(`{${JSON.stringify(claims).slice(1, -1)},${POLLUTED}}`) as typeof claims,
    );
    const call = await gateway.http("/v1/sandboxes", { token: sly });
    expect(Problem.parse(await call.json()).details).toEqual({ reason: "claims" });
    expect(({} as { role?: string }).role).toBeUndefined();
  });
});

describe("JSON of great depth", () => {
  const DEEP = `${"[".repeat(120_000)}${"]".repeat(120_000)}`;
  const DEEPER = `${'{"a":'.repeat(40_000)}1${"}".repeat(40_000)}`;

  it.each([
    ["lists", DEEP],
    ["objects", DEEPER],
  ])("(%s) is refused wherever it may stand, and the gateway goes on", async (_of, deep) => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const client = await RawClient.open(gateway.url);
    client.raw(`{"type":"hello","version":1,"token":${deep}}`);
    expect((await client.next("error")).code).toBe("invalid_message");
    client.hello({ token: await token() });
    await client.next("welcome");
    for (const field of ["id", "sandboxId", "since", "resume", "more"]) {
      client.raw(`{"type":"sandbox.join","${field}":${deep}}`);
      expect((await client.next("error")).code, field).toBe("invalid_message");
    }
    client.raw(deep);
    expect((await client.next("error")).code).toBe("unknown_type");
    const response = await gateway.http("/v1/sandboxes/box/handoff", {
      method: "POST",
      token: await token(),
      body: `{"reason":"mfa","message":"m","more":${deep.slice(0, 240_000)}`,
      headers: { "content-type": "application/json" },
    });
    expect(response.status).toBe(400);
    await client.ping();
  });
});

// Read in a process of its own, so that one that never comes to its end can be ended.
describe("a text that an expression could take for ever to read (ReDoS)", () => {
  it("is read in a time that grows with its length only", async () => {
    const script = new URL("../support/read-slow-texts.ts", import.meta.url).pathname;
    // Far beyond what it takes; an expression that tries every way would not end in a lifetime.
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script], {
      timeout: 40_000,
    });
    expect(stdout.trim()).toMatch(/^read [1-9]\d+ texts$/);
  }, 60_000);
});
