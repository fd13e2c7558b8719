/** The default transport: Node's HTTP server and `ws`. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket as Connection } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Server as WebSocketServer, WebSocket } from "ws";
import { BatonError } from "../../protocol/errors.ts";
import {
  addressOf,
  firstProtocol,
  garbageStatus,
  handshakeOf,
  hasBody,
  hasTooManyHeaders,
  refuse,
  refuseGarbage,
  shuttingDown,
} from "./handshake.ts";
import { OpenConnections } from "./open-connections.ts";
import {
  MAX_HEADER_BYTES,
  REQUEST_TIMES,
  type Address,
  type Handshake,
  type Transport,
  type TransportOptions,
} from "./transport.ts";
import { Turns } from "./turns.ts";
import { WsPipes, type WsPipe } from "./ws-pipe.ts";
import { webSocketServer } from "./ws-server.ts";
import { OwnedWebSocket, WsSocket, type SocketHost } from "./ws-socket.ts";

/** Longest a shutdown waits for peers to say goodbye. */
const SHUTDOWN_MS = 2_000;
/**
 * Connections that wait to be taken, as far as the system lets them (`net.core.somaxconn`): after a restart everybody
 * comes at once, and whoever finds no place tries again a second later.
 */
const BACKLOG = 4_096;
/**
 * How often Node looks for requests that take too long. Its own 30 s would let one take four times what it may; looking
 * costs nothing that could be measured.
 */
const MAX_CHECK_MS = 1_000;

export class WsTransport implements Transport {
  readonly #options: TransportOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer<typeof OwnedWebSocket>;
  readonly #pipes: WsPipes | undefined;
  readonly #open: OpenConnections<WsSocket | WsPipe>;
  /** Each with its address, which Node forgets when it is closed. */
  readonly #connections = new Map<Connection, string>();
  readonly #host: SocketHost;
  /** Called on the connection itself: with a closure for each, ten thousand would be megabytes. */
  readonly #onConnectionClosed: (this: Connection) => void;
  #toldOne = (): void => {};

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#open = new OpenConnections(options.heartbeatMs);
    const listener = getRequestListener(
      (request, env) =>
        options.fetch(request, { remoteAddress: addressOf((env as { incoming: IncomingMessage }).incoming) }),
      { overrideGlobalObjects: false },
    );
    const { headersMs, requestMs } = options.times ?? REQUEST_TIMES;
    this.#http = createServer(
      {
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.min(MAX_CHECK_MS, Math.ceil(headersMs / 4)),
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (request, response) => {
        if (hasTooManyHeaders(request)) return void response.writeHead(431, { connection: "close" }).end();
        void listener(request, response);
      },
    );
    // Node would leave out what is beyond its limit: a body could come without the header that says how long it is.
    this.#http.maxHeadersCount = 0;
    this.#http.prependListener("connection", (connection) => this.#connected(connection));
    const disconnected = (connection: Connection): void => this.#disconnected(connection);
    this.#onConnectionClosed = function (this: Connection) {
      disconnected(this);
    };
    this.#sockets = webSocketServer({
      WebSocket: OwnedWebSocket,
      maxPayload: options.maxMessageBytes,
      // A stranger's first offer is taken and the socket closed after: a page can read a close code, not an HTTP
      // status, and it fails a handshake that answers none of its offers.
      handleProtocols: (offered) =>
        offered.has(options.subprotocol) ? options.subprotocol : (firstProtocol(offered) ?? false),
    });
    this.#host = {
      turns: new Turns(),
      maxBufferedBytes: options.maxBufferedBytes,
      ended: (socket) => this.#ended(socket),
    };
    this.#pipes = options.pipes && new WsPipes(options.pipes, (ws, pipe) => this.#track(ws, pipe));
    this.#http.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) =>
      this.#upgrade(request, stream, head),
    );
    this.#http.on("clientError", (error, stream) => refuseGarbage(stream, garbageStatus(error)));
  }

  get connections(): number {
    return this.#open.size;
  }

  async listen(host: string, port: number): Promise<Address> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ host, port, backlog: BACKLOG }, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
    this.#open.start();
    const address = this.#http.address() as AddressInfo;
    return { host: address.address, port: address.port };
  }

  async close(): Promise<void> {
    this.#open.stop();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    // The last connection is gone a moment before those who care are told.
    const told = new Promise<void>((resolve) => {
      this.#toldOne = () => {
        if (this.#connections.size === 0 && this.#open.size === 0) resolve();
      };
      this.#toldOne();
    });
    this.#pipes?.shutDown();
    for (const connection of this.#open) connection.close("going_away");
    this.#http.closeIdleConnections();
    // Long polls and event streams have no goodbye of their own: they end with the connection.
    const cut = setTimeout(() => this.#http.closeAllConnections(), SHUTDOWN_MS);
    if (this.#open.size === 0) this.#http.closeAllConnections();
    await Promise.all([closed, told]);
    clearTimeout(cut);
  }

  #connected(connection: Connection): void {
    const { admitConnection } = this.#options;
    // Gone already when it has none.
    const address = connection.remoteAddress ?? "unknown";
    if (admitConnection && !admitConnection(address)) return void connection.destroy();
    this.#connections.set(connection, address);
    connection.on("close", this.#onConnectionClosed);
  }

  #disconnected(connection: Connection): void {
    const address = this.#connections.get(connection);
    this.#connections.delete(connection);
    if (address !== undefined) this.#options.connectionClosed?.(address);
    this.#toldOne();
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on("error", destroy);
    // A connection from before the shutdown: nobody would tell its socket to go.
    if (!this.#http.listening) return refuse(stream, shuttingDown());
    if (hasTooManyHeaders(request)) return refuseGarbage(stream, 431);
    const handshake = handshakeOf(request);
    if (!handshake) return refuse(stream, this.#nothingHere());
    const refusal = this.#options.admit(handshake);
    if (refusal) return refuse(stream, refusal);
    if (hasBody(request)) {
      return refuse(
        stream,
        new BatonError("invalid_message", "A handshake has no body. Send it without one."),
      );
    }
    if (handshake.path === this.#options.socketPath) {
      this.#sockets.handleUpgrade(request, stream, head, (ws) => this.#accept(ws, stream, handshake));
    } else if (this.#pipes) void this.#pipes.upgrade(request, stream, head, handshake);
    else refuse(stream, this.#nothingHere());
  }

  #nothingHere(): BatonError {
    const advice = `Connect to ${this.#options.socketPath}.`;
    return new BatonError("not_found", `No socket is served at this address. ${advice}`);
  }

  #accept(ws: OwnedWebSocket, stream: Duplex, handshake: Handshake): void {
    // `ws` listens itself from here on.
    stream.off("error", destroy);
    const socket = new WsSocket(ws, stream, handshake.remoteAddress, this.#host);
    this.#open.add(socket);
    if (ws.protocol !== this.#options.subprotocol) {
      return socket.close("unsupported_version", `offer the subprotocol ${this.#options.subprotocol}`);
    }
    socket.attach(this.#options.onSocket(socket, handshake));
  }

  #track(ws: WebSocket, pipe: WsPipe): void {
    this.#open.add(pipe);
    ws.once("close", () => this.#ended(pipe));
    // `ws` closes with 1009, 1007 or 1002 by itself; the error event must have a listener all the same.
    ws.on("error", () => {});
  }

  #ended(connection: WsSocket | WsPipe): void {
    this.#open.delete(connection);
    if (this.#open.size > 0 || this.#http.listening) return;
    this.#http.closeAllConnections();
    this.#toldOne();
  }
}

function destroy(this: Duplex): void {
  this.destroy();
}
