/** Everything an HTTP call can get wrong: a problem document with its own code, and nothing changes. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import { ERRORS, Problem, type ErrorCode } from "../../protocol/errors.ts";
import { within } from "../support/inbox.ts";
import { startLoggedGateway, type LoggedGateway } from "../support/logged-gateway.ts";
import { RawClient } from "../support/raw-client.ts";

const SANDBOX = "s";
const JSON_TYPE = { "content-type": "application/json" };
const REQUEST = { reason: "mfa", message: "m" };

async function withSandbox(): Promise<LoggedGateway> {
  const test = await startLoggedGateway();
  await test.create(SANDBOX);
  return test;
}

/** Checks that an answer is the problem document of `code`. */
async function problem(response: Response, code: ErrorCode, what: string): Promise<Problem> {
  expect(response.headers.get("content-type"), what).toBe("application/problem+json");
  const body: unknown = await response.json();
  const parsed = Problem.parse(body);
  expect(parsed.code, `${what}: ${parsed.detail}`).toBe(code);
  expect(response.status, what).toBe(ERRORS[code].status);
  expect(parsed, what).toMatchObject({
    type: `urn:baton:error:${code}`,
    title: ERRORS[code].summary,
    status: ERRORS[code].status,
    retryable: ERRORS[code].retryable,
  });
  return parsed;
}

const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { ...JSON_TYPE, ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body),
});

type Case = readonly [what: string, path: string, init: RequestInit, code: ErrorCode];
const HANDOFF = `/v1/sandboxes/${SANDBOX}/handoff`;

const PATHS: Case[] = [
  ["an id with a dot", "/v1/sandboxes/a.b", {}, "invalid_message"],
  ["an id with an escaped slash", "/v1/sandboxes/a%2Fb", {}, "invalid_message"],
  ["an id with an escaped line break", "/v1/sandboxes/s%0A", {}, "invalid_message"],
  ["an id that is no UTF-8", "/v1/sandboxes/%ff%fe", {}, "invalid_message"],
  ["an id with half an escape", "/v1/sandboxes/%E0%A4%A", {}, "invalid_message"],
  ["an id of 65 characters", `/v1/sandboxes/${"s".repeat(65)}`, {}, "invalid_message"],
  ["an unknown sandbox", "/v1/sandboxes/nowhere", {}, "sandbox_not_found"],
  ["an unknown sandbox called __proto__", "/v1/sandboxes/__proto__", {}, "sandbox_not_found"],
  ["removing an unknown sandbox", "/v1/sandboxes/nowhere", { method: "DELETE" }, "sandbox_not_found"],
  ["the handoff of an unknown sandbox", "/v1/sandboxes/nowhere/handoff", {}, "sandbox_not_found"],
  ["waiting for one", "/v1/sandboxes/nowhere/handoff?wait=5", {}, "sandbox_not_found"],
  ["events of an unknown sandbox", "/v1/sandboxes/nowhere/events", {}, "sandbox_not_found"],
  [
    "an event stream of an unknown sandbox",
    "/v1/sandboxes/nowhere/events",
    { headers: { accept: "text/event-stream" } },
    "sandbox_not_found",
  ],
  ["a request for an unknown sandbox", "/v1/sandboxes/nowhere/handoff", post(REQUEST), "sandbox_not_found"],
  ["a path of nobody", "/v1/nothing", {}, "not_found"],
  ["a path below a call", `${HANDOFF}/accept/twice`, post({ controller: "ann" }), "not_found"],
  ["a path outside of the API", "/nothing/here", {}, "not_found"],
  ["a path with .. in it", "/v1/%2e%2e/%2e%2e/etc/passwd", {}, "not_found"],
  ["an asset of nobody", "/assets/nothing.js", {}, "not_found"],
  ["an asset outside of its folder", "/assets/..%2f..%2f..%2fpackage.json", {}, "not_found"],
  ["the socket's path without an upgrade", "/v1/connect", {}, "not_found"],
];

const QUERIES: Case[] = [
  ["a wait that is text", `${HANDOFF}?wait=soon`, {}, "invalid_message"],
  ["a negative wait", `${HANDOFF}?wait=-1`, {}, "invalid_message"],
  ["a wait of an hour", `${HANDOFF}?wait=3600`, {}, "invalid_message"],
  ["an infinite wait", `${HANDOFF}?wait=Infinity`, {}, "invalid_message"],
  ["two waits", `${HANDOFF}?wait=1&wait=2`, {}, "invalid_message"],
  ["a limit of 0", "/v1/sandboxes?limit=0", {}, "invalid_message"],
  ["a limit of 501", "/v1/sandboxes?limit=501", {}, "invalid_message"],
  ["a fractional limit", "/v1/sandboxes?limit=1.5", {}, "invalid_message"],
  ["a cursor too long", `/v1/sandboxes?cursor=${"c".repeat(65)}`, {}, "invalid_message"],
  ["a position of words", `/v1/sandboxes/${SANDBOX}/events?since=here`, {}, "invalid_message"],
  ["half a position", `/v1/sandboxes/${SANDBOX}/events?since=12`, {}, "invalid_message"],
  ["a negative position", `/v1/sandboxes/${SANDBOX}/events?since=-1-1`, {}, "invalid_message"],
];

const HEADERS: Case[] = [
  ["a role of nobody", HANDOFF, { headers: { "x-baton-role": "root" } }, "invalid_message"],
  ["an empty role", HANDOFF, { headers: { "x-baton-role": "" } }, "invalid_message"],
  ["an empty name", HANDOFF, { headers: { "x-baton-name": "" } }, "invalid_message"],
  ["a name of 129 characters", HANDOFF, { headers: { "x-baton-name": "n".repeat(129) } }, "invalid_message"],
  ["a name with a tab", HANDOFF, { headers: { "x-baton-name": "a\tb" } }, "invalid_message"],
];

const BODIES: Case[] = [
  ["half an object", HANDOFF, post('{"reason":'), "invalid_json"],
  ["no body", HANDOFF, post(""), "invalid_json"],
  ["NaN", HANDOFF, post('{"expiresInMs":NaN}'), "invalid_json"],
  ["null", HANDOFF, post("null"), "invalid_message"],
  ["a list", HANDOFF, post([REQUEST]), "invalid_message"],
  ["lists 100,000 deep", HANDOFF, post(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), "invalid_message"],
  ["an empty object", HANDOFF, post({}), "invalid_message"],
  ["an extra field", HANDOFF, post({ ...REQUEST, extra: 1 }), "invalid_message"],
  ["a type field", HANDOFF, post({ ...REQUEST, type: "handoff.request" }), "invalid_message"],
  [
    "a field __proto__",
    HANDOFF,
    post('{"reason":"mfa","message":"m","__proto__":{"polluted":1}}'),
    "invalid_message",
  ],
  [
    "an infinite number",
    HANDOFF,
    post('{"reason":"mfa","message":"m","expiresInMs":1e999}'),
    "invalid_message",
  ],
  ["a wrong type", HANDOFF, post({ ...REQUEST, message: 1 }), "invalid_message"],
  [
    "the controller ai",
    `/v1/sandboxes/${SANDBOX}/control/take`,
    post({ controller: "ai" }),
    "invalid_message",
  ],
  ["an id of slashes", "/v1/sandboxes", post({ sandboxId: "../up" }), "invalid_message"],
  ["a browser of nobody", "/v1/sandboxes", post({ browser: {} }), "invalid_message"],
  [
    "a browser of both kinds",
    "/v1/sandboxes",
    post({ browser: { cdpUrl: "ws://x/", launch: true } }),
    "invalid_message",
  ],
  [
    "a browser in a file",
    "/v1/sandboxes",
    post({ browser: { cdpUrl: "file:///etc/passwd" } }),
    "invalid_message",
  ],
  [
    "another browser for a sandbox",
    "/v1/sandboxes",
    post({ sandboxId: SANDBOX, browser: { cdpUrl: "ws://127.0.0.1:2/other" } }),
    "sandbox_exists",
  ],
  ...[
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
  ].flatMap((type): Case[] => [
    [`a request as ${type}`, HANDOFF, post(REQUEST, { "content-type": type }), "invalid_json"],
    [`nothing, as ${type}`, HANDOFF, { method: "POST", headers: { "content-type": type } }, "invalid_json"],
    [
      `a sandbox as ${type}`,
      "/v1/sandboxes",
      post({ sandboxId: "t" }, { "content-type": type }),
      "invalid_json",
    ],
  ]),
];

const METHODS: Case[] = [
  ["PUT on a sandbox", `/v1/sandboxes/${SANDBOX}`, { method: "PUT" }, "method_not_allowed"],
  ["PATCH on a sandbox", `/v1/sandboxes/${SANDBOX}`, { method: "PATCH" }, "method_not_allowed"],
  ["POST on a sandbox", `/v1/sandboxes/${SANDBOX}`, post({}), "method_not_allowed"],
  ["DELETE on the list", "/v1/sandboxes", { method: "DELETE" }, "method_not_allowed"],
  ["GET on accept", `${HANDOFF}/accept`, {}, "method_not_allowed"],
  ["POST on events", `/v1/sandboxes/${SANDBOX}/events`, post({}), "method_not_allowed"],
  ["OPTIONS on a call", HANDOFF, { method: "OPTIONS" }, "method_not_allowed"],
  ["POST on healthz", "/healthz", post({}), "method_not_allowed"],
  ["DELETE on metrics", "/metrics", { method: "DELETE" }, "method_not_allowed"],
  ["PUT on the description", "/openapi.json", { method: "PUT" }, "method_not_allowed"],
];

const RIGHTS: Case[] = [
  ...(["handoff", "handoff/accept", "handoff/complete", "handoff/cancel", "control/take"] as const).map(
    (path): Case => [
      `a viewer's ${path}`,
      `/v1/sandboxes/${SANDBOX}/${path}`,
      post(path === "handoff" ? REQUEST : path === "handoff/cancel" ? {} : { controller: "ann" }, {
        "x-baton-role": "viewer",
      }),
      "forbidden",
    ],
  ),
  [
    "a viewer's new sandbox",
    "/v1/sandboxes",
    post({ sandboxId: "t" }, { "x-baton-role": "viewer" }),
    "forbidden",
  ],
  ["a viewer's list", "/v1/sandboxes", { headers: { "x-baton-role": "viewer" } }, "forbidden"],
  [
    "an agent's removal",
    `/v1/sandboxes/${SANDBOX}`,
    { method: "DELETE", headers: { "x-baton-role": "agent" } },
    "forbidden",
  ],
  [
    "an agent's accept",
    `${HANDOFF}/accept`,
    post({ controller: "ann" }, { "x-baton-role": "agent" }),
    "forbidden",
  ],
];

const ORIGINS: Case[] = ["http://evil.test", "null", "http://127.0.0.1:1", "file://"].flatMap(
  (origin): Case[] => [
    [`reading from ${origin}`, "/v1/sandboxes", { headers: { origin } }, "forbidden"],
    [`writing from ${origin}`, HANDOFF, post(REQUEST, { origin }), "forbidden"],
    [`asking from ${origin}`, HANDOFF, { method: "OPTIONS", headers: { origin } }, "forbidden"],
  ],
);

describe("an HTTP call", () => {
  it.each([
    ["with a wrong path", PATHS],
    ["with a wrong query", QUERIES],
    ["with wrong headers", HEADERS],
    ["with a wrong body", BODIES],
    ["with a method that is not there", METHODS],
    ["without the right", RIGHTS],
    ["of a foreign page", ORIGINS],
  ])("%s is answered by its problem document, and changes nothing", async (_, cases) => {
    const test = await withSandbox();
    const all = await (await test.http("/v1/sandboxes")).json();
    for (const [what, path, init, code] of cases) {
      const response = await test.http(path, init);
      expect(response.headers.get("access-control-allow-origin"), what).toBeNull();
      const { details } = await problem(response, code, what);
      if (code === "invalid_message") expect(details, what).toHaveProperty("issues.0.path");
      if (code === "method_not_allowed")
        expect(response.headers.get("allow"), what).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
    }
    expect(await (await test.http("/v1/sandboxes")).json()).toEqual(all);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("of the gateway's own page, or of no page, is answered", async () => {
    const { http, url } = await withSandbox();
    expect((await http("/v1/sandboxes", { headers: { origin: url } })).status).toBe(200);
    expect((await http("/v1/sandboxes")).status).toBe(200);
  });

  it("creates sandboxes whose names mean something to JavaScript like any others", async () => {
    const { http } = await startLoggedGateway();
    for (const sandboxId of ["__proto__", "constructor", "toString"]) {
      expect((await http("/v1/sandboxes", post({ sandboxId }))).status).toBe(200);
      const read = (await (await http(`/v1/sandboxes/${sandboxId}`)).json()) as object;
      expect(read).toMatchObject({ ok: true, sandbox: { sandboxId, seq: 1 } });
      expect((await http(`/v1/sandboxes/${sandboxId}/handoff`, post(REQUEST))).status).toBe(200);
    }
  });

  it("says which methods a resource has", async () => {
    const { http } = await withSandbox();
    const allow = async (path: string): Promise<string | null> =>
      (await http(path, { method: "PATCH" })).headers.get("allow");
    expect(await allow("/v1/sandboxes")).toBe("GET, HEAD, POST");
    expect(await allow(`/v1/sandboxes/${SANDBOX}`)).toBe("DELETE, GET, HEAD");
    expect(await allow(`${HANDOFF}/accept`)).toBe("POST");
  });

  it("HEAD answers as GET without a body, also where GET streams", async () => {
    const { http, gateway } = await withSandbox();
    const head = async (path: string, headers: Record<string, string> = {}): Promise<Response> => {
      const response = await http(path, { method: "HEAD", headers });
      expect(await response.text()).toBe("");
      return response;
    };
    expect((await head(`/v1/sandboxes/${SANDBOX}`)).status).toBe(200);
    expect((await head("/v1/sandboxes/nowhere")).status).toBe(404);
    expect((await head(`${HANDOFF}/accept`)).status).toBe(405);
    const stream = await head(`/v1/sandboxes/${SANDBOX}/events`, { accept: "text/event-stream" });
    expect([stream.status, stream.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const { room, release } = await gateway.rooms.acquire(SANDBOX);
    release();
    expect(room.idle, "nobody follows the sandbox for a HEAD that is long answered").toBe(true);
  });

  it("with a body over the limit is answered 413, declared or chunked, and the connection or a new one goes on", async () => {
    const test = await withSandbox();
    const before = await test.state(SANDBOX);
    for (const size of [MAX_MESSAGE_BYTES + 1, 10 * 1024 * 1024]) {
      for (const chunked of [false, true]) {
        const answer = await upload(`${test.url}${HANDOFF}`, size, chunked);
        expect(answer.status, `${size} ${chunked}`).toBe(413);
        expect(answer.type).toBe("application/problem+json");
        expect(Problem.parse(JSON.parse(answer.body))).toMatchObject({
          code: "message_too_large",
          details: { maxBytes: MAX_MESSAGE_BYTES },
        });
      }
    }
    expect(await test.state(SANDBOX)).toEqual(before);
  });

  it("of exactly the limit is read: its mistake is another one", async () => {
    const { http } = await withSandbox();
    const empty = JSON.stringify({ ...REQUEST, message: "" });
    const body = JSON.stringify({ ...REQUEST, message: "m".repeat(MAX_MESSAGE_BYTES - empty.length) });
    expect(Buffer.byteLength(body)).toBe(MAX_MESSAGE_BYTES);
    await problem(await http(HANDOFF, post(body)), "invalid_message", "a body of the limit");
  });

  it("that its client gives up is no failure of the gateway", async () => {
    const { http, gateway } = await withSandbox();
    await http(HANDOFF, post(REQUEST));
    const leaving = new AbortController();
    const poll = http(`${HANDOFF}?wait=30`, { signal: leaving.signal });
    const { room, release } = await gateway.rooms.acquire(SANDBOX);
    release();
    while (room.idle) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await expect(poll).rejects.toThrow();
    while (!room.idle) await new Promise((resolve) => setImmediate(resolve));
    const metrics = await (await http("/metrics")).text();
    expect(metrics.split("\n").filter((line) => line.startsWith("baton_refusals_total{"))).toEqual([]);
  });
});

describe("a WebSocket", () => {
  it.each(["http://evil.test", "null", "https://127.0.0.1"])(
    "of a page of %s is refused with 403",
    async (origin) => {
      const test = await startLoggedGateway();
      const { socket } = new RawClient(test.url, { origin });
      const status = new Promise((resolve) => {
        socket.once("unexpected-response", (_, response: IncomingMessage) => resolve(response.statusCode));
      });
      expect(await within(status as Promise<number>, "a refusal")).toBe(403);
      const own = await RawClient.open(test.url, { origin: test.url });
      own.hello();
      await own.next("welcome");
      await own.close();
    },
  );
});

/** Sends a body in pieces whatever the answer, as a client does that looks at it only at the end. */
function upload(
  url: string,
  size: number,
  chunked: boolean,
): Promise<{ status: number | undefined; type: string | undefined; body: string }> {
  const sent = new Promise<{ status: number | undefined; type: string | undefined; body: string }>(
    (resolve, reject) => {
      const headers = {
        ...JSON_TYPE,
        ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": size }),
      };
      const request = httpRequest(url, { method: "POST", headers }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => (body += text));
        response.once("end", () =>
          resolve({ status: response.statusCode, type: response.headers["content-type"], body }),
        );
      });
      request.once("error", reject);
      request.end(Buffer.alloc(size, "x"));
    },
  );
  return within(sent, "the answer to an upload");
}
