/** The default transport: Node's HTTP server and `ws`. */
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { WebSocket, WebSocketServer, type ServerOptions } from "ws";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import type { Address, Socket, SocketHandler, Transport, TransportOptions } from "./transport.ts";

/** `ws` waits 30 s for a peer's close frame; a stuck one would keep its buffers that long. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Longest a shutdown waits for peers to say goodbye. */
const SHUTDOWN_MS = 2_000;
/** A close reason's limit is 123 bytes of UTF-8; ASCII details are cut well below. */
const MAX_REASON_LENGTH = 100;

export class WsTransport implements Transport {
  readonly #options: TransportOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #open = new Set<WsSocket>();
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
    const listener = getRequestListener(
      (request, env) =>
        options.fetch(request, { remoteAddress: addressOf((env as { incoming: IncomingMessage }).incoming) }),
      { overrideGlobalObjects: false },
    );
    this.#http = createServer(
      { requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16_384 },
      (request, response) => {
        void listener(request, response);
      },
    );
    // `closeTimeout` is not in the types yet.
    const settings: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      maxPayload: options.maxMessageBytes,
      perMessageDeflate: false,
      // Whoever closes: `ws` does so itself on a broken frame.
      closeTimeout: CLOSE_TIMEOUT_MS,
      // A stranger's first offer is taken and the socket closed after: a page can read a close code, not an HTTP
      // status, and it fails a handshake that answers none of its offers.
      handleProtocols: (offered) =>
        offered.has(options.subprotocol) ? options.subprotocol : ([...offered][0] ?? false),
    };
    this.#sockets = new WebSocketServer(settings);
    this.#http.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) =>
      this.#upgrade(request, stream, head),
    );
    this.#http.on("clientError", (_error, stream) => refuseUpgrade(stream, 400));
  }

  get connections(): number {
    return this.#open.size;
  }

  async listen(host: string, port: number): Promise<Address> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ host, port }, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
    this.#heartbeat = setInterval(() => {
      for (const socket of this.#open) socket.beat();
    }, this.#options.heartbeatMs);
    const address = this.#http.address() as AddressInfo;
    return { host: address.address, port: address.port };
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const socket of this.#open) socket.close("going_away");
    this.#http.closeIdleConnections();
    // Long polls and event streams have no goodbye of their own: they end with the connection.
    const cut = setTimeout(() => this.#http.closeAllConnections(), SHUTDOWN_MS);
    if (this.#open.size === 0) this.#http.closeAllConnections();
    await closed;
    clearTimeout(cut);
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on("error", () => stream.destroy());
    const { origin, host } = request.headers;
    // A connection from before the shutdown: nobody would tell its socket to go.
    if (!this.#http.listening) return refuseUpgrade(stream, 503);
    if (pathOf(request.url) !== this.#options.socketPath) return refuseUpgrade(stream, 404);
    if (origin !== undefined && !this.#options.originAllowed(origin, host)) return refuseUpgrade(stream, 403);
    this.#sockets.handleUpgrade(request, stream, head, (ws) => this.#accept(ws, request));
  }

  #accept(ws: WebSocket, request: IncomingMessage): void {
    const socket = new WsSocket(ws, addressOf(request), this.#options.maxBufferedBytes);
    this.#open.add(socket);
    ws.once("close", () => {
      this.#open.delete(socket);
      if (this.#open.size === 0 && !this.#http.listening) this.#http.closeAllConnections();
    });
    // `ws` closes with 1009, 1007 or 1002 by itself; the error event must have a listener all the same.
    ws.on("error", () => {});
    if (ws.protocol !== this.#options.subprotocol) {
      return socket.close("unsupported_version", `offer the subprotocol ${this.#options.subprotocol}`);
    }
    socket.attach(this.#options.onSocket(socket));
  }
}

class WsSocket implements Socket {
  readonly remoteAddress: string;
  readonly #ws: WebSocket;
  readonly #maxBufferedBytes: number;
  #missedBeats = 0;
  #frameBytes = 0;

  constructor(ws: WebSocket, remoteAddress: string, maxBufferedBytes: number) {
    this.#ws = ws;
    this.remoteAddress = remoteAddress;
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  attach(handler: SocketHandler): void {
    this.#ws.on("message", (data: Buffer, isBinary: boolean) => {
      this.#missedBeats = 0;
      if (isBinary) handler.binary();
      else handler.text(data.toString("utf8"));
    });
    this.#ws.on("pong", () => {
      this.#missedBeats = 0;
    });
    this.#ws.once("close", () => handler.closed());
  }

  send(text: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#ws.send(text);
    if (this.#ws.bufferedAmount - this.#frameBytes > this.#maxBufferedBytes) {
      this.close("slow_consumer");
    }
  }

  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#frameBytes += bytes.byteLength;
    this.#ws.send(bytes, { binary: true }, (error) => {
      this.#frameBytes -= bytes.byteLength;
      // Node reports no error for what was under way when the connection broke.
      if (!error && this.#ws.readyState === WebSocket.OPEN) flushed();
    });
  }

  close(reason: CloseReason, detail?: string): void {
    if (this.#ws.readyState >= WebSocket.CLOSING) return;
    this.#ws.close(
      CLOSE[reason].code,
      detail === undefined ? reason : `${reason}: ${detail}`.slice(0, MAX_REASON_LENGTH),
    );
  }

  beat(): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#missedBeats >= 2) return this.close("heartbeat_timeout");
    this.#missedBeats += 1;
    this.#ws.ping();
  }
}

/** Undefined for targets such as `//`, which are no address: whoever sends one must not end the process. */
function pathOf(target = "/"): string | undefined {
  const base = "http://gateway";
  return URL.canParse(target, base) ? new URL(target, base).pathname : undefined;
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "unknown";
}

function refuseUpgrade(stream: Duplex, status: 400 | 403 | 404 | 503): void {
  if (!stream.writable) return void stream.destroy();
  // Destroyed once it is out: a peer that keeps its end open would hold the connection for ever.
  stream.once("finish", () => stream.destroy());
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
