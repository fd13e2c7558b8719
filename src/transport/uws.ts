/**
 * The transport on uWebSockets.js: less memory for an idle socket and less work for a message than Node's server. What it
 * cannot do as the other one does stands in docs/transports.md, and in the tests of each.
 */
import { lookup } from "node:dns/promises";
import type {
  App,
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_listen_socket_close,
  us_socket_context_t,
  us_socket_local_port,
} from "uWebSockets.js";
import { BatonError } from "../../protocol/errors.ts";
import { firstProtocol, readHandshake, shuttingDown } from "./handshake.ts";
import { OpenConnections } from "./open-connections.ts";
import {
  MAX_HEADER_BYTES,
  MAX_HEADERS,
  REQUEST_TIMES,
  type Address,
  type Handshake,
  type Opening,
  type Transport,
  type TransportOptions,
} from "./transport.ts";
import { Turns } from "./turns.ts";
import { behaviorOf, type NativeSocket, type UserData, type UwsConnection } from "./uws-connection.ts";
import { addressOf, Exchange, headOf, type RequestHead, type Upgrade } from "./uws-exchange.ts";
import { asksForUpgrade, flawIn, UwsOpenings } from "./uws-handshake.ts";
import { hasBody, hasUnclearBody, serve } from "./uws-http.ts";
import { listen } from "./uws-listen.ts";
import { UwsPipe, type PipeSurroundings } from "./uws-pipe.ts";
import { UwsSocket, type SocketSurroundings } from "./uws-socket.ts";
import { CorkedSends } from "./uws-corked.ts";

/** What is used of the package. */
export interface Uws {
  readonly App: typeof App;
  readonly us_listen_socket_close: typeof us_listen_socket_close;
  readonly us_socket_local_port: typeof us_socket_local_port;
}

export interface UwsOptions {
  /**
   * Several processes may listen on one port, each with this set; the system spreads connections over them. Default: a
   * second listener fails, as a mistake should.
   */
  readonly sharePort?: boolean;
}

/** Longest a shutdown waits for peers to say goodbye. */
const SHUTDOWN_MS = 2_000;
/** For goodbyes on their way: what is cut with bytes unread ends in a reset, which may overtake them. */
const GOODBYE_MS = 200;
const METHODS = ["get", "post", "options", "del", "patch", "put", "head", "connect", "trace"] as const;

/** A request between the routes that it passes: all see the same one, each with a handle of its own. */
interface Passing {
  readonly handle: HttpResponse;
  readonly kind?: "socket" | "pipe";
  readonly context?: us_socket_context_t;
}

/** Functions of every HTTP response, which work on any native socket: see `uws-pipe.ts`. */
interface Flow {
  pause(this: unknown): void;
  resume(this: unknown): void;
}

export class UwsTransport implements Transport {
  readonly #uws: Uws;
  readonly #options: TransportOptions;
  readonly #sharePort: boolean;
  readonly #app: TemplatedApp;
  readonly #openings: UwsOpenings | undefined;
  readonly #sockets: SocketSurroundings;
  readonly #pipes: PipeSurroundings;
  readonly #open: OpenConnections<UwsConnection>;
  #tcpConnections = 0;
  #listening: us_listen_socket | undefined;
  #closing = false;
  #passing: Passing | undefined;
  /** What becomes of the WebSocket that is being made. */
  #opened: ((ws: NativeSocket) => void) | undefined;
  #flow: Flow | undefined;
  #toldOne = (): void => {};

  constructor(uws: Uws, options: TransportOptions, { sharePort = false }: UwsOptions = {}) {
    this.#uws = uws;
    this.#options = options;
    this.#open = new OpenConnections(options.heartbeatMs);
    this.#sharePort = sharePort;
    const over = (connection: UwsConnection): void => {
      this.#open.delete(connection);
      this.#connectionClosed(connection.remoteAddress);
    };
    const turns = new Turns();
    const { maxMessageBytes, maxBufferedBytes, pipes } = options;
    this.#sockets = { turns, over, maxMessageBytes, maxBufferedBytes, corked: new CorkedSends() };
    this.#pipes = {
      turns,
      over,
      maxMessageBytes: pipes?.maxMessageBytes ?? 0,
      hold: (ws) => this.#flow?.pause.call(ws),
      release: (ws) => this.#flow?.resume.call(ws),
    };
    this.#openings = pipes && new UwsOpenings(pipes, (...made) => this.#acceptPipe(...made));
    this.#app = uws.App();
    this.#route();
  }

  get connections(): number {
    return this.#open.size;
  }

  async listen(host: string, port: number): Promise<Address> {
    const { address } = await lookup(host);
    const listening = await listen(this.#app, this.#uws, address, port, this.#sharePort);
    this.#listening = listening.token;
    this.#open.start();
    return { host: address, port: listening.port };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#open.stop();
    if (this.#listening) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
    this.#openings?.shutDown();
    for (const connection of this.#open) connection.close("going_away");
    await this.#told(() => this.#open.size === 0, SHUTDOWN_MS);
    await this.#told(() => this.#tcpConnections === 0, GOODBYE_MS);
    // Long polls and event streams have no goodbye of their own: they end with the connection.
    this.#app.close();
    await this.#told(() => this.#tcpConnections === 0 && this.#open.size === 0);
  }

  /** Resolves when `isSo`, looked at whenever a connection has ended, or after a while. */
  #told(isSo: () => boolean, timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#toldOne = () => {
        if (!isSo()) return;
        clearTimeout(timer);
        resolve();
      };
      this.#toldOne();
    });
  }

  #route(): void {
    const { socketPath, maxMessageBytes, pipes, heartbeatMs } = this.#options;
    const app = this.#app;
    app.filter((res, count) => {
      if (Number(count) > 0) this.#connected(res);
    });
    // The routes that only look come first, the one that answers is last.
    const pass = (res: HttpResponse, req: HttpRequest, more: Omit<Passing, "handle"> = {}): void => {
      this.#passing = { handle: res, ...more, ...(this.#passing?.context && this.#passing) };
      req.setYield(true);
    };
    const upgrades = (kind: "socket" | "pipe", bytes: number, beats: number): void => {
      app.ws<UserData>(kind === "socket" ? socketPath : "/*", {
        ...behaviorOf(bytes, (beats * heartbeatMs) / 1_000, (ws) => this.#made(ws)),
        upgrade: (res, req, context) => pass(res, req, { kind, context }),
      });
    };
    upgrades("socket", maxMessageBytes, 4);
    if (pipes) upgrades("pipe", pipes.maxMessageBytes, 3);
    for (const method of METHODS) app[method]("/*", (res, req) => pass(res, req));
    app.any("/*", (res, req) => {
      const passing = this.#passing;
      this.#passing = undefined;
      // A method of none of the routes: there is nothing to hold on to the connection with.
      if (!passing) return void res.close();
      this.#request(res, headOf(req), passing);
    });
  }

  #made(ws: NativeSocket): void {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened) opened(ws);
    else ws.close();
  }

  #connected(res: HttpResponse): void {
    const { admitConnection } = this.#options;
    const address = addressOf(res);
    if (admitConnection && !admitConnection(address)) return void res.close();
    this.#flow ??= Object.getPrototypeOf(res) as Flow;
    this.#tcpConnections += 1;
    res.onAborted(() => this.#connectionClosed(address));
  }

  #connectionClosed(address: string): void {
    this.#tcpConnections -= 1;
    this.#options.connectionClosed?.(address);
    this.#toldOne();
  }

  #request(res: HttpResponse, head: RequestHead, { handle, kind, context }: Passing): void {
    const exchange = new Exchange(res, handle, addressOf(res), (address) => this.#connectionClosed(address));
    if (head.count > MAX_HEADERS || head.bytes > MAX_HEADER_BYTES) {
      return exchange.end({ status: 431, headers: [] }, "", true);
    }
    if (hasUnclearBody(head)) return exchange.end({ status: 400, headers: [] }, "", true);
    if (asksForUpgrade(head)) return this.#upgrade(exchange, head, kind, context);
    const { requestMs } = this.#options.times ?? REQUEST_TIMES;
    void serve(exchange, head, this.#options.fetch, requestMs);
  }

  #upgrade(
    exchange: Exchange,
    head: RequestHead,
    kind: Passing["kind"],
    context: us_socket_context_t | undefined,
  ): void {
    if (this.#closing) return exchange.refuse(shuttingDown());
    const handshake = readHandshake(head.target, exchange.remoteAddress, (name) => head.headers.get(name));
    if (!handshake) return exchange.refuse(this.#nothingHere());
    const refusal = this.#options.admit(handshake);
    if (refusal) return exchange.refuse(refusal);
    if (hasBody(head)) {
      return exchange.refuse(
        new BatonError("invalid_message", "A handshake has no body. Send it without one."),
      );
    }
    const isSocket = handshake.path === this.#options.socketPath;
    if (!isSocket && !this.#openings) return exchange.refuse(this.#nothingHere());
    const flaw = flawIn(head, handshake);
    if (flaw) return exchange.refuse(flaw);
    // Another spelling of the path was caught by the other route.
    if (!context || (kind === "socket") !== isSocket) return exchange.refuse(this.#nothingHere());
    const upgrade = { key: head.headers.get("sec-websocket-key") ?? "", context };
    if (isSocket) this.#acceptSocket(exchange, handshake, upgrade);
    else void this.#openings?.upgrade(exchange, handshake, upgrade);
  }

  #nothingHere(): BatonError {
    const advice = `Connect to ${this.#options.socketPath}.`;
    return new BatonError("not_found", `No socket is served at this address. ${advice}`);
  }

  #acceptSocket(exchange: Exchange, handshake: Handshake, upgrade: Omit<Upgrade, "protocol">): void {
    const { subprotocol, onSocket } = this.#options;
    const isKnown = handshake.protocols.includes(subprotocol);
    // A stranger's first offer is taken and the socket closed after: a page can read a close code, not an HTTP status.
    const protocol = isKnown ? subprotocol : (firstProtocol(handshake.protocols) ?? "");
    this.#accept(exchange, { ...upgrade, protocol }, (ws) => {
      const socket = new UwsSocket(ws, exchange.remoteAddress, this.#sockets);
      this.#open.add(socket);
      if (isKnown) socket.attach(onSocket(socket, handshake));
      else socket.close("unsupported_version", `offer the subprotocol ${subprotocol}`);
    });
  }

  #acceptPipe(exchange: Exchange, opening: Opening, upgrade: Upgrade): void {
    this.#accept(exchange, upgrade, (ws) => {
      const pipe = new UwsPipe(ws, exchange.remoteAddress, this.#pipes);
      this.#open.add(pipe);
      pipe.attach(opening.accept(pipe));
    });
  }

  #accept(exchange: Exchange, upgrade: Upgrade, opened: (ws: NativeSocket) => void): void {
    this.#opened = opened;
    exchange.upgrade({ connection: undefined }, upgrade);
  }
}
