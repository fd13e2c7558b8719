/** What the transport's contract is tested with: a transport of the given kind, and clients for it. */
import { once } from "node:events";
import { expect, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { BatonError } from "../../protocol/errors.ts";
import type {
  Socket,
  SocketHandler,
  Transport,
  TransportFactory,
  TransportOptions,
} from "../../src/transport/transport.ts";
import { Inbox, within } from "../support/inbox.ts";
import { TcpPeer } from "../support/tcp-peer.ts";

export const PATH = "/socket";
export const PROTOCOL = "test.v1";
export const ALLOWED_ORIGIN = "http://gateway.test";
export const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_BUFFERED_BYTES = 256 * 1024;
/** More than the system's buffers on both ends of a local connection take. */
export const BEYOND_SYSTEM_BUFFERS = 48 * 1024 * 1024;

/** One accepted socket, as the gateway sees it. */
export class Served implements SocketHandler {
  readonly socket: Socket;
  readonly texts = new Inbox<string>();
  readonly ended: Promise<void>;
  binaries = 0;
  closes = 0;
  readonly #end: () => void;
  readonly #reply: ((text: string) => void) | undefined;

  constructor(socket: Socket, echo: boolean) {
    this.socket = socket;
    this.#reply = echo ? (text) => socket.send(text) : undefined;
    let end = (): void => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  text(text: string): void {
    this.texts.put(text);
    this.#reply?.(text);
  }
  binary(): void {
    this.binaries += 1;
  }
  closed(): void {
    this.closes += 1;
    this.#end();
  }
}

export interface Bench {
  readonly transport: Transport;
  readonly port: number;
  readonly http: string;
  readonly served: Inbox<Served>;
  /** A connected client, and its other end. */
  readonly connect: () => Promise<{ client: Client; served: Served }>;
  /** The same with a client that is no library. */
  readonly peer: () => Promise<{ peer: TcpPeer; served: Served }>;
}

/** A client of the library, with what it received. */
export class Client {
  readonly ws: WebSocket;
  readonly texts = new Inbox<string>();
  readonly binary = new Inbox<Buffer>();
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(port: number, protocols: string[] = [PROTOCOL], path = PATH, origin?: string) {
    this.ws = new WebSocket(
      `ws://127.0.0.1:${port}${path}`,
      protocols,
      origin === undefined ? {} : { origin },
    );
    this.ws.on("error", () => {});
    this.ws.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.binary.put(data);
      else this.texts.put(data.toString("utf8"));
    });
    this.closed = new Promise((resolve) => {
      this.ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    onTestFinished(() => this.ws.terminate());
  }

  async open(): Promise<this> {
    await within(once(this.ws, "open"), "the handshake");
    return this;
  }

  closing(): Promise<{ code: number; reason: string }> {
    return within(this.closed, "the close");
  }

  /** HTTP status that refused the handshake. */
  async refusal(): Promise<number | undefined> {
    const [, response] = (await within(once(this.ws, "unexpected-response"), "a refusal")) as [
      unknown,
      { statusCode?: number },
    ];
    return response.statusCode;
  }

  /** Sends `text` to a gateway that sends it back. */
  async roundTrip(text: string): Promise<void> {
    this.ws.send(text);
    await this.texts.take(`echo of ${text.slice(0, 20)}`, (received) => received === text);
  }
}

export type Start = (over?: Partial<TransportOptions> & { echo?: boolean }) => Promise<Bench>;

/** Starts transports that end with the test. By default they send back the text they get. */
export function starter(create: TransportFactory): Start {
  return async function start(over: Partial<TransportOptions> & { echo?: boolean } = {}): Promise<Bench> {
    const { echo = true, ...options } = over;
    const served = new Inbox<Served>();
    const transport = create({
      fetch: () => new Response("nothing here", { status: 404 }),
      socketPath: PATH,
      subprotocol: PROTOCOL,
      admit: ({ headers: { origin } }) =>
        origin === undefined || origin === ALLOWED_ORIGIN
          ? undefined
          : new BatonError("forbidden", `Pages of ${origin} may not connect.`, { origin }),
      onSocket: (socket) => {
        const one = new Served(socket, echo);
        served.put(one);
        return one;
      },
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      heartbeatMs: 60_000,
      ...options,
    });
    const { port } = await transport.listen("127.0.0.1", 0);
    onTestFinished(() => transport.close());
    return {
      transport,
      port,
      http: `http://127.0.0.1:${port}`,
      served,
      async connect() {
        const client = await new Client(port).open();
        return { client, served: await served.take("accepted socket") };
      },
      async peer() {
        const peer = await TcpPeer.upgrade(port, {
          path: PATH,
          headers: { "sec-websocket-protocol": PROTOCOL },
        });
        onTestFinished(() => peer.destroy());
        expect(peer.status).toBe(101);
        return { peer, served: await served.take("accepted socket") };
      },
    };
  };
}
