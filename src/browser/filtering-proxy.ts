/**
 * A forward proxy through which a launched browser must go, so that a policy holds for all that its pages ask for:
 * redirects, subresources, frames, WebSockets, and names that lead elsewhere on the second look.
 *
 * It listens on loopback and knows no password, since Chromium takes none with `--proxy-server`: every process of this
 * machine may use it, to reach what the policy allows, and nothing more. Where that is more than those processes could
 * reach by themselves, give the gateway a machine, or a container, of its own.
 */
import { createServer, request as openRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BatonError } from "../../protocol/errors.ts";
import type { Destination, TargetPolicy } from "../targets/policy.ts";
import { DEBUGGING_PORTS } from "./debugging-ports.ts";

/** Above what one Chromium opens (32 for pages, 255 WebSockets). More are closed as they come. */
const MAX_CONNECTIONS = 512;
const CONNECT_MS = 30_000;
/** Of a connection through which nothing goes. Longer than the pings of the usual WebSocket servers. */
const IDLE_MS = 10 * 60_000;
/** As much as Chromium itself takes. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Of one connection only, and not for whoever is behind the next one. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export class FilteringProxy {
  readonly #policy: TargetPolicy;
  readonly #sockets = new Set<Duplex>();
  readonly #server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 0 });
  #closed = false;

  constructor(policy: TargetPolicy) {
    this.#policy = policy;
    const server = this.#server;
    server.maxConnections = MAX_CONNECTIONS;
    server.timeout = IDLE_MS;
    server.on("connection", (socket) => this.#keep(socket));
    server.on("request", (request, response) => {
      this.#forward(request, response).catch((error: unknown) => answerFailure(response, error));
    });
    server.on("connect", (request, client, head) => {
      this.#tunnel(request, client, head).catch((error: unknown) => client.end(tunnelFailure(error)));
    });
  }

  /** Resolves to what `--proxy-server` takes. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      // A worker of several would share the port with those of the others, and get their browsers' connections.
      this.#server.listen({ host: "127.0.0.1", port: 0, exclusive: true }, resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `GET http://host/path`: what Chromium sends for pages without TLS. */
  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.canParse(request.url ?? "") ? new URL(request.url ?? "") : undefined;
    if (url?.protocol !== "http:") {
      response.writeHead(400, { connection: "close" }).end("This is a proxy for Baton's browsers.\n");
      return;
    }
    const destination = await this.#destination(url.href);
    if (response.destroyed) return;
    const upstream = openRequest({
      ...destination,
      agent: false,
      method: request.method ?? "GET",
      path: url.pathname + url.search,
      // `setHost` would put the host behind the others; some servers mind.
      setHost: false,
      headers: ["Host", url.host, ...endToEnd(request, "host")],
      maxHeaderSize: MAX_HEADER_BYTES,
      timeout: IDLE_MS,
    });
    upstream.on("timeout", () => upstream.destroy());
    upstream.once("socket", (socket) => this.#connecting(socket));
    response.once("close", () => upstream.destroy());
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once("response", resolve);
      upstream.once("error", reject);
      upstream.once("close", () => reject(new Error("closed")));
      // It asked for none, and whoever switches protocols does not speak HTTP any more.
      upstream.once("upgrade", (_answer, socket) => socket.destroy());
    });
    // A server may answer, and close, before it has read everything.
    pipeline(request, upstream).catch(() => {});
    const answer = await answered;
    upstream.on("error", () => response.destroy());
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer));
    await pipeline(answer, response).catch(() => response.destroy());
  }

  /** `CONNECT host:port`: TLS and WebSockets. */
  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    const destination = await this.#destination(tunnelUrl(request.url ?? ""));
    if (this.#closed || client.destroyed) return;
    const upstream = await this.#open(destination, client);
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    upstream.write(head);
    upstream.setTimeout(IDLE_MS, () => upstream.destroy());
    upstream.once("close", () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
  }

  /** At every host: many names, and addresses, are this machine's. */
  async #destination(url: string): Promise<Destination> {
    const destination = await this.#policy.destination(url);
    const { setting } = this.#policy;
    const { host, port } = destination;
    if (!DEBUGGING_PORTS.has(port)) return destination;
    const message = `${setting} allows no page to reach a browser's own port.`;
    throw new BatonError("target_refused", message, { setting, host: host.slice(0, 255) });
  }

  #open({ host, port, lookup }: Destination, client: Duplex): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const upstream = this.#keep(connect({ host, port, lookup, allowHalfOpen: true }));
      this.#connecting(upstream);
      client.once("close", () => upstream.destroy());
      upstream.once("connect", () => resolve(upstream));
      upstream.once("close", () => reject(new Error("closed")));
    });
  }

  /** Known until it ends: whoever closes the proxy closes them all. */
  #keep<T extends Duplex>(socket: T): T {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  #connecting(socket: Socket): void {
    const late = setTimeout(() => socket.destroy(), CONNECT_MS);
    socket.once("connect", () => clearTimeout(late)).once("close", () => clearTimeout(late));
  }
}

/** Throws away what is no authority: the port must be there. */
function tunnelUrl(authority: string): string {
  return /^(?:\[[0-9a-f:.]+\]|[^\s:/?#@[\]\\]+):\d{1,5}$/i.test(authority) ? `https://${authority}/` : "";
}

/** Names and values in turn, as they came. @param without another one, in lower case */
function endToEnd({ rawHeaders, headers }: IncomingMessage, without?: string): string[] {
  const named = (headers.connection ?? "").toLowerCase().split(/\s*,\s*/);
  return rawHeaders.flatMap((name, index) => {
    if (index % 2 === 1) return [];
    const lower = name.toLowerCase();
    return HOP_BY_HOP.has(lower) || lower === without || named.includes(lower)
      ? []
      : [name, rawHeaders[index + 1] ?? ""];
  });
}

function answerFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const [status, text] = failure(error);
  // A page that asks for it can tell from the answer that it was refused, and nothing of what is there.
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${text}\n`);
}

function tunnelFailure(error: unknown): string {
  const [status, text] = failure(error);
  return `HTTP/1.1 ${status} ${text.replace(/[^ -~]/g, " ")}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
}

function failure(error: unknown): readonly [number, string] {
  if (error instanceof BatonError && error.code === "target_refused") return [403, error.message];
  return [502, "This address cannot be reached."];
}
