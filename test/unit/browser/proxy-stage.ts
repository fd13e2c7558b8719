/** Servers inside and outside of what a policy allows, and a Chromium that tries to reach them. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { CdpConnection, type CdpSession } from "../../../src/browser/cdp-connection.ts";
import { type TargetPolicy } from "../../../src/targets/policy.ts";
import { chromiumProcess } from "./bench.ts";

export const soon = (): AbortSignal => AbortSignal.timeout(15_000);

export function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

export async function listening<T extends Server | TcpServer>(server: T): Promise<T> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    if ("closeAllConnections" in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return server;
}

/** A server that nobody may reach: it counts who comes, by any protocol. */
export interface Inner {
  readonly port: number;
  /** Requests, as `METHOD path`; `tcp` and `udp` for what is no request. */
  readonly arrived: string[];
}

export async function startInner(): Promise<Inner> {
  const arrived: string[] = [];
  const server = await listening(
    createServer((request, response) => {
      arrived.push(`${request.method} ${request.url}`);
      response.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/html" });
      response.end("<title>inner</title>the inner secret");
    }),
  );
  new WebSocketServer({ server }).on("connection", (_socket, { url }) => arrived.push(`WS ${url}`));
  return { port: portOf(server), arrived };
}

export interface Mute {
  /** Ports: for WebRTC's STUN and TURN, the same over TCP, and for WebTransport. */
  readonly rtc: number;
  readonly tcp: number;
  readonly transport: number;
  readonly arrived: Set<string>;
  /** Resolves once something has arrived at each. */
  readonly all: Promise<void>;
}

/** Takes whatever comes, and answers nothing. */
export async function startMute(): Promise<Mute> {
  const arrived = new Set<string>();
  let everywhere: () => void = () => {};
  const all = new Promise<void>((resolve) => (everywhere = resolve));
  const note = (what: string): void => {
    arrived.add(what);
    if (arrived.size === 3) everywhere();
  };
  const udp = async (name: string): Promise<number> => {
    const socket = createSocket("udp4").on("message", () => note(name));
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    onTestFinished(() => void socket.close());
    return portOf(socket);
  };
  const tcp = await listening(
    createTcpServer((socket) => {
      note("tcp");
      socket.destroy();
    }),
  );
  return { rtc: await udp("rtc"), tcp: portOf(tcp), transport: await udp("transport"), arrived, all };
}

export type Pages = Readonly<Record<string, string | ((response: ServerResponse) => void)>>;

export async function startSite(pages: Pages): Promise<{ origin: string; port: number }> {
  const server = await listening(
    createServer((request, response) => {
      const page = pages[request.url ?? ""];
      if (typeof page === "function") return page(response);
      response.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html" });
      response.end(page === undefined ? "" : `<!doctype html><title>site</title>${page}`);
    }),
  );
  new WebSocketServer({ server }).on("connection", (socket) => socket.send("hello"));
  return { origin: `http://127.0.0.1:${portOf(server)}`, port: portOf(server) };
}

export interface Tab {
  readonly session: CdpSession;
  readonly connection: CdpConnection;
  /** Resolves to the page's title once it has loaded. */
  readonly open: (url: string) => Promise<string>;
  /** Promises are awaited. */
  readonly evaluate: (expression: string) => Promise<unknown>;
}

export async function startTab(navigation: TargetPolicy): Promise<Tab> {
  const browser = await chromiumProcess({ navigation });
  onTestFinished(() => browser.close());
  const connection = await CdpConnection.connect(await browser.endpoint(soon()), soon());
  onTestFinished(() => connection.close());
  const { targetInfos } = await connection.browser.send("Target.getTargets", {});
  return tabOf(connection, targetInfos.find(({ type }) => type === "page")?.targetId ?? "");
}

export async function tabOf(connection: CdpConnection, targetId: string): Promise<Tab> {
  const session = await connection.attach(targetId);
  await session.send("Page.enable");
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as unknown;
  };
  return {
    session,
    connection,
    evaluate,
    async open(url) {
      const loaded = new Promise<void>((resolve) => {
        const off = session.on("Page.loadEventFired", () => {
          off();
          resolve();
        });
      });
      await session.send("Page.navigate", { url });
      await loaded;
      return String(await evaluate("document.title"));
    },
  };
}

/** A page that tries every way there is, and says when all have come to an end. */
export function tryEverything(inner: string): string {
  const outcome = (promise: string): string => `${promise}.then(() => "arrived", () => "failed")`;
  return `<script>
    const inner = ${JSON.stringify(inner)};
    const element = (name, attributes) => new Promise((resolve, reject) => {
      const made = Object.assign(document.createElement(name), attributes);
      made.onload = resolve; made.onerror = reject;
      document.documentElement.append(made);
    });
    const socket = () => new Promise((resolve, reject) => {
      const made = new WebSocket(inner.replace("http", "ws") + "/socket");
      made.onopen = resolve; made.onerror = reject;
    });
    const source = () => new Promise((resolve, reject) => {
      const made = new EventSource(inner + "/events");
      made.onerror = () => { made.close(); resolve(); };
    });
    window.done = Promise.all([
      ${outcome('fetch(inner + "/fetch")')},
      ${outcome('fetch("/redirect")')},
      ${outcome('element("img", { src: inner + "/img" })')},
      ${outcome('element("script", { src: inner + "/script" })')},
      ${outcome('element("link", { rel: "stylesheet", href: inner + "/style" })')},
      ${outcome('element("iframe", { src: inner + "/iframe" })')},
      ${outcome('element("iframe", { src: "/redirect" })')},
      ${outcome("socket()")},
      ${outcome("source()")},
      Promise.resolve(navigator.sendBeacon(inner + "/beacon")),
    ]);
  </script>`;
}

export const WAYS = [
  "GET /fetch",
  "GET /redirected",
  "GET /img",
  "GET /script",
  "GET /style",
  "GET /iframe",
  "WS /socket",
];

export async function startTrial(): Promise<{ inner: Inner; site: { origin: string; port: number } }> {
  const inner = await startInner();
  const innerUrl = `http://127.0.0.1:${inner.port}`;
  const site = await startSite({
    "/plain": "<p>plain</p>",
    "/all": tryEverything(innerUrl),
    "/redirect": (response) =>
      response
        .writeHead(302, { location: `${innerUrl}/redirected`, "access-control-allow-origin": "*" })
        .end(),
  });
  return { inner, site };
}
