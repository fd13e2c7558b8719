/**
 * Agents that do not keep to CDP, through a real gateway to a real Chromium: each ends in a CDP error or a documented
 * close code, and the gate is never stuck. After each of them a person takes over, drives and gives back, and a fresh
 * agent drives.
 */
import type { IncomingMessage } from "node:http";
import { connect as connectTcp } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { within } from "../support/inbox.ts";
import { launchForRogues, press, RogueStage, type Chromium } from "../support/rogue-stage.ts";

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

const start = (...args: Parameters<typeof RogueStage.start> extends [unknown, ...infer R] ? R : never) =>
  RogueStage.start(chromium, ...args);

describe("messages that are no commands", () => {
  it("G1: what Chromium would answer without an id is refused under its id, and no drain waits for it", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const bad: [string, number][] = [
      ["{1}", -32_700],
      ['{"text":"\\x41"}', -32_700],
      ['{"text":01}', -32_700],
      ['{"text":1e999}', -32_700],
      [`{"text":${"[".repeat(300)}${"]".repeat(300)}}`, -32_700],
      ['{"text":"a\u0001"}', -32_700],
      ['"text"', -32_600],
    ];
    for (const [index, [params, code]] of bad.entries()) {
      const id = 500 + index;
      agent.raw(`{"id":${id},"method":"Input.insertText","sessionId":"${session}","params":${params}}`);
      expect(await agent.answer(id), params).toMatchObject({ error: { code } });
    }
    const half = '{"method":"Input.insertText","params":{"text":"ha';
    for (const text of [half, "", "null", "[]", "\u0000", "{}", '"x"']) {
      agent.raw(text);
      expect(await agent.answer(undefined), text).toMatchObject({ error: { code: expect.any(Number) } });
    }
    await stage.works();
    expect(stage.record).not.toContain("beforeinput A");
  });

  it("ids out of range, fractional, as strings and missing are refused; negative ones are the client's own business", async () => {
    const stage = await start();
    const { agent } = await stage.attached();
    const answers: [string, object][] = [
      ["-2000000000", { id: -2_000_000_000, error: { code: -32_600 } }],
      ["-2147483648", { id: -2_147_483_648, error: { code: -32_600 } }],
      ["2147483648", { error: { code: -32_600 } }],
      ["1e300", { error: { code: -32_600 } }],
      ["-1", { id: -1, result: {} }],
      ["0", { id: 0, result: {} }],
      ["-1999999999", { id: -1_999_999_999, result: {} }],
      ["2147483647", { id: 2_147_483_647, result: {} }],
    ];
    for (const [id, answer] of answers) {
      agent.raw(`{"id":${id},"method":"Browser.getVersion"}`);
      expect(await agent.answer(Number(id)), id).toMatchObject(answer);
    }
    for (const id of ["1.5", '"1"', "null", "[]"]) {
      agent.raw(`{"id":${id},"method":"Browser.getVersion"}`);
      expect(await agent.answer(undefined), id).toMatchObject({ error: { code: -32_600 } });
    }
    agent.raw('{"method":"Browser.getVersion"}');
    expect(await agent.answer(undefined)).toMatchObject({ error: { code: -32_600 } });
    agent.raw('{"id":77}');
    expect(await agent.answer(77)).toMatchObject({ error: { code: -32_600 } });
    await stage.works();
  });

  it("an id that is outstanding or held is refused, in its session only", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const evaluate = (id: number, expression: string, more = ""): void =>
      agent.raw(
        JSON.stringify({
          id,
          sessionId: session,
          method: "Runtime.evaluate",
          params: { expression, awaitPromise: true },
        }) + more,
      );
    evaluate(5, "new Promise((done) => (globalThis.done = done))");
    evaluate(5, "2");
    expect(await agent.answer(5)).toMatchObject({
      error: { code: -32_600, message: expect.stringContaining("no answer yet") },
    });
    agent.raw('{"id":5,"method":"Browser.getVersion"}');
    expect(await agent.answer(5)).toHaveProperty("result.product");
    await agent.evaluate("done(7)", session);
    expect(await agent.answer(5)).toMatchObject({ result: { result: { value: 7 } } });
    await stage.anna.takeControl();
    evaluate(6, "6");
    evaluate(6, "66");
    expect(await agent.answer(6)).toMatchObject({ error: { code: -32_600 } });
    await stage.anna.releaseControl();
    expect(await agent.answer(6)).toMatchObject({ result: { result: { value: 6 } } });
    await stage.works();
  });

  it("sessions that do not exist, or are another connection's, are refused as Chromium does", async () => {
    const stage = await start();
    const { session } = await stage.attached();
    const agent = await stage.agent();
    for (const other of ["NOSUCH", session, "", "é", "x".repeat(100_000)])
      expect(await agent.refused("Runtime.evaluate", { expression: "1" }, other)).toMatchObject({
        code: -32_001,
      });
    await stage.works();
  });

  it("binary frames are taken like text; bytes that are no UTF-8 are refused", async () => {
    const stage = await start();
    const agent = await stage.agent();
    agent.raw(Buffer.from('{"id":9,"method":"Browser.getVersion"}'));
    expect(await agent.answer(9)).toHaveProperty("result.product");
    const text = Buffer.from('{"id":10,"method":"Browser.getVersion","params":{"a":"?"}}');
    text[text.indexOf("?")] = 0xff;
    agent.raw(text);
    expect(await agent.answer(undefined)).toMatchObject({ error: { code: -32_700 } });
    await stage.works();
  });
});

describe("half a message", () => {
  /** A handshake by hand, and one frame that announces more than comes. */
  async function halfFrame(stage: RogueStage) {
    const { port } = new URL(stage.gateway.url);
    const socket = connectTcp(Number(port), "127.0.0.1");
    socket.write(
      `GET /v1/sandboxes/s/cdp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`,
    );
    await within(once(socket, "data"), "the handshake's answer");
    // 100 bytes, masked with zeros, of which 20 come.
    socket.write(
      Buffer.concat([Buffer.from([0x81, 0x80 | 100, 0, 0, 0, 0]), Buffer.from('{"id":1,"method":"Pa')]),
    );
    return socket;
  }

  it("then silence: it holds up nobody, and its connection ends with the heartbeat", async () => {
    const stage = await start({ heartbeatMs: 150 });
    const socket = await halfFrame(stage);
    await stage.works();
    if (!socket.closed) await within(once(socket, "close"), "the end of the silent connection");
  });

  it("then a cut", async () => {
    const stage = await start();
    const socket = await halfFrame(stage);
    socket.resetAndDestroy();
    await stage.works();
  });
});

describe("too much", () => {
  it("G2: of 10,000 commands while held the first 1,000 wait and are answered in order, the rest are refused at once", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    await stage.anna.takeControl();
    const before = process.memoryUsage();
    const expression = (n: number): string => `(globalThis.order ??= []).push(${n})`;
    const ids = Array.from({ length: 10_000 }, (_, n) =>
      agent.post("Runtime.evaluate", { expression: expression(n), returnByValue: true }, session),
    );
    for (const id of ids.slice(1_000))
      expect(await agent.answer(id)).toMatchObject({
        error: { code: -32_000, data: expect.stringContaining("too_many") },
      });
    const after = process.memoryUsage();
    expect(after.external - before.external).toBeLessThan(32 * 1024 * 1024);
    expect(await stage.metric("baton_cdp_waiting")).toBe(1_000);
    await stage.sees(({ members }) => members.some(({ cdp }) => cdp?.held === 1_000));
    await stage.anna.releaseControl();
    for (const [n, id] of ids.slice(0, 1_000).entries())
      expect(await agent.answer(id)).toMatchObject({ result: { result: { value: n + 1 } } });
    expect(await agent.evaluate("order.every((each, index) => each === index)", session)).toBe(true);
    expect(await stage.metric("baton_cdp_waiting")).toBe(0);
    await stage.sees(({ members }) => members.some(({ cdp }) => cdp?.held === 0));
    await stage.works();
  });

  it("an oversized message closes with 1009, before it is sent", async () => {
    const stage = await start();
    const agent = await stage.agent();
    // One byte more than the limit is announced; nobody needs to send it.
    const { socket } = agent as unknown as { socket: WebSocket & { _socket: { write(b: Buffer): void } } };
    const header = Buffer.alloc(14);
    header.set([0x81, 0xff]);
    header.writeBigUInt64BE(BigInt(256 * 1024 * 1024 + 1), 2);
    socket._socket.write(header);
    expect(await agent.closing()).toMatchObject({ code: 1009 });
    await stage.works();
  });

  it("the 65th connection is refused with a problem, until another one ends", async () => {
    const stage = await start();
    const agents = await Promise.all(Array.from({ length: 64 }, () => stage.agent()));
    const refused = await refusal(stage.cdpUrl());
    expect(refused).toMatchObject({
      status: 429,
      body: { code: "too_many", details: { limit: "cdp_connections" } },
    });
    await stage.anna.takeControl();
    await stage.personClicks();
    await stage.anna.releaseControl();
    for (const agent of agents) agent.cut();
    await stage.works();
  });
});

/** Why a handshake was refused. */
async function refusal(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; body: unknown }> {
  const socket = new WebSocket(url, { headers });
  socket.on("error", () => {});
  const [, response] = (await within(once(socket, "unexpected-response"), "the refusal")) as [
    unknown,
    IncomingMessage,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) };
}

describe("connecting", () => {
  it("to what is not there, or as nobody may, is refused with a status and a problem", async () => {
    const stage = await start();
    const at = (path: string): string => `${stage.gateway.url.replace("http", "ws")}${path}`;
    const worker = stage.gateway.client({ role: "worker" });
    await worker.createSandbox({ sandboxId: "bare" });
    const cases: [string, Record<string, string>, number, string][] = [
      ["/v1/sandboxes/none/cdp", {}, 404, "sandbox_not_found"],
      ["/v1/sandboxes/bare/cdp", {}, 503, "browser_unavailable"],
      ["/v1/sandboxes/s/cdp?policy=always", {}, 400, "invalid_message"],
      ["/v1/sandboxes/s/cdp?name=", {}, 400, "invalid_message"],
      ["/v1/sandboxes/a%20b/cdp", {}, 400, "invalid_message"],
      ["/v1/sandboxes/s/cdp", { origin: "http://evil.test" }, 403, "forbidden"],
      ["/v1/sandboxes/s/cdp/devtools/page/NOSUCH", {}, 503, "browser_unavailable"],
      ["/v1/sandboxes/s/cdp/other", {}, 404, "not_found"],
    ];
    for (const [path, headers, status, code] of cases)
      expect(await refusal(at(path), headers), path).toMatchObject({ status, body: { code } });
    await stage.works();
  });

  it("G1: a page's own socket, as /json/list names it, works and is gated too", async () => {
    const stage = await start({}, { agentPolicy: "reject" });
    const list = (await (await stage.gateway.http("/v1/sandboxes/s/cdp/json/list")).json()) as {
      id: string;
      webSocketDebuggerUrl: string;
    }[];
    const { webSocketDebuggerUrl = "" } = list.find(({ id }) => id === stage.targetId) ?? {};
    expect(webSocketDebuggerUrl).toBe(stage.cdpUrl("", `/devtools/page/${stage.targetId}`));
    const agent = await stage.agent("", `/devtools/page/${stage.targetId}`);
    expect(await agent.evaluate("document.title")).toBe("start");
    await agent.done("Input.dispatchMouseEvent", { ...press("mousePressed"), x: 301, y: 301 });
    await stage.saw("mousedown 301,301");
    await stage.anna.takeControl();
    await stage.saw("mouseup 301,301");
    expect(await agent.refused("Runtime.evaluate", { expression: "1" })).toMatchObject({
      code: -32_000,
      message: expect.stringContaining("anna"),
    });
    await stage.anna.releaseControl();
    expect(await agent.evaluate("1")).toBe(1);
    await stage.works();
  });

  it("G1: what would get around the gate, or end the browser, is refused also while the agent drives", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const { targetId } = stage;
    for (const [method, params] of [
      ["Target.attachToTarget", { targetId }],
      ["Target.attachToTarget", { targetId, flatten: false }],
      ["Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false }],
      ["Target.sendMessageToTarget", { sessionId: session, message: '{"id":1,"method":"Page.reload"}' }],
      ["Target.exposeDevToolsProtocol", { targetId }],
      ["Browser.crash", {}],
      ["Browser.crashGpuProcess", {}],
    ] as const)
      expect(await agent.refused(method, params), method).toMatchObject({
        data: expect.stringContaining("forbidden"),
      });
    expect(await agent.done("Browser.close")).toEqual({});
    expect(await agent.closing()).toMatchObject({ code: 1000 });
    expect(await stage.direct.done("Browser.getVersion")).toHaveProperty("product");
    await stage.works();
  });
});
