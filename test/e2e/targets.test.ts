/** Nobody makes the gateway, or a browser behind it, reach an address that its settings do not allow. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Problem } from "../../protocol/errors.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway, type GatewayOptions } from "../../src/gateway.ts";
import type { SandboxHandle } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { targetPolicy } from "../../src/targets/policy.ts";
import { chromiumPath } from "../support/browser.ts";
import { until } from "../support/gateway.ts";
import { RawCdp } from "../support/raw-cdp.ts";

interface Site {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  /** Paths that were asked for, by WebSockets too. */
  readonly arrived: string[];
}

async function serve(listener?: RequestListener): Promise<Site> {
  const arrived: string[] = [];
  const server = createServer((request, response) => {
    arrived.push(request.url ?? "");
    if (listener) return listener(request, response);
    response.writeHead(200, { "content-type": "text/html", "access-control-allow-origin": "*" });
    response.end(`<title>${request.url}</title>`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, port, arrived };
}

interface Stage {
  readonly url: string;
  readonly log: readonly string[];
  readonly create: (body: object) => Promise<{ status: number; text: string }>;
  /** As a person who drives. */
  readonly anna: (sandboxId: string) => SandboxHandle;
  readonly agent: (sandboxId: string) => Promise<RawCdp>;
}

async function startStage(options: Partial<GatewayOptions>): Promise<Stage> {
  const log: string[] = [];
  const logger = pino({ level: "trace", base: null }, { write: (line: string) => void log.push(line) });
  const gateway = createGateway({ port: 0, logger, chromium: await chromiumPath(), ...options });
  const url = await gateway.listen();
  onTestFinished(() => gateway.close());
  return {
    url,
    log,
    async create(body) {
      const response = await fetch(`${url}/v1/sandboxes`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, text: await response.text() };
    },
    anna(sandboxId) {
      const client = connect({ url, role: "operator", name: "anna" });
      onTestFinished(() => client.close());
      return client.sandbox(sandboxId);
    },
    agent: (sandboxId) => RawCdp.open(`${url.replace("http", "ws")}/v1/sandboxes/${sandboxId}/cdp`),
  };
}

function refusal({ status, text }: { status: number; text: string }, setting: string, host: string): void {
  const problem = Problem.parse(JSON.parse(text));
  expect(problem).toMatchObject({ code: "target_refused", details: { setting, host } });
  expect([status, problem.retryable]).toEqual([422, false]);
}

/** A Chromium beside the gateway. @returns its `ws:` address */
async function startChromium(): Promise<string> {
  const launched = await chromiumProvider({ executablePath: await chromiumPath() }).launch({});
  onTestFinished(() => launched.close());
  return launched.endpoint(AbortSignal.timeout(20_000));
}

async function attachToPage(agent: RawCdp): Promise<string> {
  const { targetInfos } = await agent.done("Target.getTargets");
  const page = (targetInfos as { targetId: string; type: string }[]).find(({ type }) => type === "page");
  return agent.attach(page?.targetId ?? "");
}

describe("a cdpUrl", () => {
  it.each(["http", "ws"])("of an address that is not allowed is refused unseen (%s)", async (scheme) => {
    const inner = await serve();
    const { create, log } = await startStage({ cdpTargets: "public" });
    const cdpUrl = `${scheme}://user:hunter2@${inner.host}/tok3n`;
    const answer = await create({ browser: { cdpUrl } });
    refusal(answer, "BATON_CDP_TARGETS", "127.0.0.1");
    expect(inner.arrived).toEqual([]);
    for (const text of [answer.text, ...log]) expect(text).not.toMatch(/hunter2|tok3n/);
    const open = await startStage({});
    expect((await open.create({ browser: { cdpUrl } })).status).toBe(502);
    expect(inner.arrived).toEqual([scheme === "ws" ? "/tok3n" : "/tok3n/json/version"]);
  });

  it("of an allowed peer leads nowhere else by the peer's answer or a redirect", async () => {
    const inner = await serve();
    // By a spelling that the gateway does not take for the peer's own loopback.
    const innerHost = `[::ffff:127.0.0.1]:${inner.port}`;
    const rogue = await serve((_request, response) => {
      response.end(JSON.stringify({ webSocketDebuggerUrl: `ws://${innerHost}/devtools/browser/1` }));
    });
    const redirecting = await serve((_request, response) => {
      response.writeHead(307, { location: `http://${inner.host}/redirected` }).end();
    });
    const { create } = await startStage({ cdpTargets: `${rogue.host},${redirecting.host}` });
    const answer = await create({ browser: { cdpUrl: `http://${rogue.host}` } });
    refusal(answer, "BATON_CDP_TARGETS", "::ffff:7f00:1");
    expect((await create({ browser: { cdpUrl: `http://${redirecting.host}` } })).status).toBe(502);
    expect(inner.arrived).toEqual([]);
    const open = await startStage({});
    await open.create({ browser: { cdpUrl: `http://${rogue.host}` } });
    expect(inner.arrived).toEqual(["/devtools/browser/1"]);
  });

  it("tells nobody what is behind it, nor itself", async () => {
    const texts: string[] = [];
    const answers: RequestListener[] = [
      (_request, response) => void response.writeHead(500).end("the inner secret"),
      (_request, response) => void response.writeHead(200).end("the inner secret"),
      (_request, response) => void response.writeHead(401, { "x-secret": "the inner secret" }).end(),
      (request) => void request.socket.destroy(),
    ];
    const { create, log } = await startStage({});
    for (const listener of answers) {
      const { host } = await serve(listener);
      for (const scheme of ["http", "ws"]) {
        const cdpUrl = `${scheme}://user:hunter2@${host}/tok3n?key=s3cret`;
        const { status, text } = await create({ browser: { cdpUrl } });
        expect(status).toBe(502);
        texts.push(text);
      }
      for (const line of [...texts, ...log]) expect(line).not.toContain(host);
    }
    expect(new Set(texts).size).toBe(1);
    for (const line of [...texts, ...log]) expect(line).not.toMatch(/inner secret|hunter2|tok3n|s3cret/);
  });

  it("leads every connection to where its name led when it was checked, an agent's own too", async () => {
    const chromium = await startChromium();
    const forward = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(forward, "listening");
    onTestFinished(() => {
      for (const client of forward.clients) client.terminate();
      forward.close();
    });
    forward.on("connection", (client) => {
      const browser = new WebSocket(chromium, { perMessageDeflate: false });
      const opened = once(browser, "open");
      client.on("message", (bytes: Buffer) => void opened.then(() => browser.send(bytes.toString())));
      browser.on("message", (bytes: Buffer) => client.send(bytes.toString()));
      client.on("close", () => browser.terminate());
      browser.on("close", () => client.terminate());
      for (const side of [client, browser]) side.on("error", () => {});
    });
    const provider = chromiumProvider();
    // No resolver knows the name: only what was checked leads there.
    const targets = targetPolicy("browser.invalid", "S", {
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    });
    const stage = await startStage({
      browsers: { ...provider, attach: (options) => provider.attach({ ...options, targets }) },
    });
    const { port } = forward.address() as AddressInfo;
    const cdpUrl = `ws://browser.invalid:${port}/devtools/browser/x`;
    expect((await stage.create({ sandboxId: "s", browser: { cdpUrl } })).status).toBe(200);
    const agent = await stage.agent("s");
    expect(await agent.evaluate("1 + 1", await attachToPage(agent))).toBe(2);
  });
});

describe("a browser that the gateway launches", () => {
  it("reaches only what is allowed, whoever asks for it", async () => {
    const site = await serve();
    const inner = await serve();
    // Its own address is no caller's: no rule need allow it.
    const stage = await startStage({ cdpTargets: "none", navigationTargets: site.host });
    for (const url of [`http://${inner.host}/launch`, "file:///etc/passwd", "chrome://version"]) {
      const answer = await stage.create({ browser: { launch: true, url } });
      refusal(answer, "BATON_NAVIGATION_TARGETS", url.startsWith("http") ? "127.0.0.1" : "");
    }
    const browser = { launch: true, url: `http://${site.host}/launch` };
    expect((await stage.create({ sandboxId: "s", browser })).status).toBe(200);
    const anna = stage.anna("s");
    await until(anna, ({ tabs }) => tabs.some(({ url }) => url === `http://${site.host}/launch`));

    const agent = await stage.agent("s");
    const session = await attachToPage(agent);
    const { errorText } = await agent.done("Page.navigate", { url: `http://${site.host}/agent` }, session);
    expect(errorText).toBeUndefined();
    for (const url of [`http://${inner.host}/agent`, "file:///etc/passwd", "chrome://version"]) {
      for (const refused of [
        await agent.refused("Page.navigate", { url }, session),
        await agent.refused("Target.createTarget", { url }),
      ]) {
        expect(JSON.parse(refused.data ?? "")).toMatchObject({
          code: "target_refused",
          setting: "BATON_NAVIGATION_TARGETS",
        });
      }
    }
    await agent.refused("Target.createBrowserContext", { proxyServer: "direct://" });
    await agent.refused("DOM.setFileInputFiles", { files: ["/etc/passwd"], backendNodeId: 1 }, session);
    const expression = `Promise.allSettled([
      fetch("http://${inner.host}/fetch"),
      new Promise((resolve) => { new WebSocket("ws://${inner.host}/socket").onerror = resolve; }),
      fetch("http://${site.host}/own"),
    ]).then((all) => all.map(({ status }) => status))`;
    const { result } = await agent.done(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true },
      session,
    );
    expect((result as { value: unknown }).value).toEqual(["rejected", "fulfilled", "fulfilled"]);

    await anna.takeControl();
    await expect(anna.input.navigate(`http://${inner.host}/person`)).rejects.toMatchObject({
      code: "target_refused",
      details: { setting: "BATON_NAVIGATION_TARGETS", host: "127.0.0.1" },
    });
    await anna.input.navigate(`http://${site.host}/person`);
    await until(anna, ({ tabs }) => tabs.some(({ title }) => title === "/person"));
    expect(inner.arrived).toEqual([]);
    expect(site.arrived).toEqual(expect.arrayContaining(["/launch", "/agent", "/own", "/person"]));
  });
});

describe("a browser that was attached", () => {
  it("opens only what is allowed, for a person and an agent", async () => {
    const site = await serve();
    const inner = await serve();
    const cdpUrl = await startChromium();
    const stage = await startStage({ navigationTargets: site.host });
    expect((await stage.create({ sandboxId: "s", browser: { cdpUrl } })).status).toBe(200);
    const agent = await stage.agent("s");
    const session = await attachToPage(agent);
    await agent.refused("Page.navigate", { url: `http://${inner.host}/agent` }, session);
    await agent.done("Page.navigate", { url: `http://${site.host}/agent` }, session);
    const anna = stage.anna("s");
    await anna.takeControl();
    await expect(anna.input.navigate(`http://${inner.host}/person`)).rejects.toMatchObject({
      code: "target_refused",
    });
    await anna.input.navigate(`http://${site.host}/person`);
    await until(anna, ({ tabs }) => tabs.some(({ title }) => title === "/person"));
    expect(inner.arrived).toEqual([]);
  });
});

it("rules that cannot be read are named before anything starts", () => {
  expect(() => createGateway({ cdpTargets: "10.0.0.0/99" })).toThrow(
    /"10\.0\.0\.0\/99" is no range.*give a list/,
  );
  expect(() => createGateway({ navigationTargets: "public;private" })).toThrow(/"public;private"/);
});
