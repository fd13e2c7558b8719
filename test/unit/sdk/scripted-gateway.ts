/** A gateway that says what a test tells it to, over real sockets. What the SDK sends is checked against the protocol. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { decodeUp } from "../../../protocol/codec.ts";
import { DownMessage } from "../../../protocol/down.ts";
import { ERRORS, type ErrorCode } from "../../../protocol/errors.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import type { UpMessage, UpType } from "../../../protocol/up.ts";
import type { BatonClient, ClientOptions, SandboxHandle } from "../../../src/sdk/api.ts";
import { connect } from "../../../src/sdk/node.ts";

type UpOf<T extends UpType> = Extract<UpMessage, { type: T }>;
type Down = DownMessage;

/** Items that arrive, handed out in order to whoever asks. */
class Inbox<T> {
  #items: T[] = [];
  #takers: { wants: (item: T) => boolean; take: (item: T) => void }[] = [];

  put(item: T): void {
    const index = this.#takers.findIndex(({ wants }) => wants(item));
    if (index >= 0) this.#takers.splice(index, 1)[0]?.take(item);
    else this.#items.push(item);
  }

  take(wants: (item: T) => boolean = () => true): Promise<T> {
    const index = this.#items.findIndex(wants);
    if (index >= 0) return Promise.resolve(this.#items.splice(index, 1)[0] as T);
    return new Promise((resolve) => this.#takers.push({ wants, take: resolve }));
  }
}

/** One socket of the client, seen from the gateway. */
export class Peer {
  readonly socket: WebSocket;
  /** Everything the client sent on this socket, pings left out. */
  readonly received: UpMessage[] = [];
  readonly #inbox = new Inbox<UpMessage>();
  answersPings = true;
  hello: UpOf<"hello"> | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      const message = decodeUp(data.toString());
      if (message.type === "ping") {
        if (this.answersPings) this.send({ type: "pong", id: message.id, serverTime: Date.now() });
        return;
      }
      this.received.push(message);
      this.#inbox.put(message);
    });
  }

  /** The oldest message of this type that no test has taken yet, once there is one. */
  async next<T extends UpType>(type: T): Promise<UpOf<T>> {
    return (await this.#inbox.take((message) => message.type === type)) as UpOf<T>;
  }

  types(): UpType[] {
    return this.received.map((message) => message.type);
  }

  send(message: Down): void {
    this.socket.send(JSON.stringify(DownMessage.parse(message)));
  }

  raw(text: string | Uint8Array): void {
    this.socket.send(text);
  }

  welcome(over: Partial<Extract<Down, { type: "welcome" }>> = {}): void {
    this.send({
      type: "welcome",
      version: 1,
      connectionId: "connection-1",
      clientId: "client-id",
      name: this.hello?.name ?? "sdk",
      role: this.hello?.role ?? "sdk",
      serverTime: Date.now(),
      heartbeatMs: 10_000,
      maxMessageBytes: 256 * 1024,
      ...over,
    });
  }

  refuse(id: string, code: ErrorCode, details?: Record<string, unknown>): void {
    const { retryable, summary } = ERRORS[code];
    this.send({ type: "error", id, code, message: summary, retryable, ...(details && { details }) });
  }

  done(id: string): void {
    this.send({ type: "done", id });
  }

  event(event: SandboxEvent): void {
    this.send({ type: "event", event });
  }

  /** Answers the next join with a snapshot. */
  async acceptJoin(snapshot: Sandbox): Promise<UpOf<"sandbox.join">> {
    const join = await this.next("sandbox.join");
    this.joined(join, snapshot);
    return join;
  }

  joined(join: UpOf<"sandbox.join">, snapshot: Sandbox): void {
    const { sandboxId, id } = join;
    const position = { epoch: snapshot.epoch, seq: snapshot.seq };
    this.send({ ...around, type: "sandbox.joined", id, sandboxId, snapshot, position });
  }

  /** Answers a join that named its position: the events up to `seq` follow. */
  continues(join: UpOf<"sandbox.join">, position: { epoch: number; seq: number }): void {
    const { sandboxId, id } = join;
    this.send({ ...around, type: "sandbox.joined", id, sandboxId, position });
  }

  /**
   * Resolves once the client has handled all that was sent to it, and what it sent in return is in `received`: the
   * first call's answer comes after the one, the second call after the other.
   */
  async handledBy(handle: SandboxHandle): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      const call = handle.getHandoff();
      const { id } = await this.next("handoff.get");
      this.send({ type: "result", id, result: { ok: true, handoff: null, preview: null } });
      await call;
    }
  }

  /** The connection is cut, without a goodbye. */
  kill(): void {
    this.socket.terminate();
  }
}

const around = { members: [], tabs: [], dialog: null, serverTime: 0 };

export class ScriptedGateway {
  readonly url: string;
  /** A test that speaks for itself sets it to false before the client connects. */
  greets = true;
  heartbeatMs = 10_000;
  maxMessageBytes = 256 * 1024;
  readonly hellos: UpOf<"hello">[] = [];
  readonly protocols: string[] = [];
  /** Path and query of each socket. */
  readonly paths: (string | undefined)[] = [];
  readonly #server;
  readonly #sockets;
  readonly #peers = new Inbox<Peer>();
  readonly #clients: BatonClient[] = [];

  static async start(): Promise<ScriptedGateway> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ScriptedGateway(server);
  }

  constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({ server, path: "/v1/connect" });
    this.#sockets.on("connection", (socket, request) => {
      this.paths.push(request.url);
      void this.#greet(new Peer(socket));
    });
  }

  async #greet(peer: Peer): Promise<void> {
    this.protocols.push(peer.socket.protocol);
    peer.hello = await peer.next("hello");
    this.hellos.push(peer.hello);
    if (this.greets) {
      peer.welcome({ heartbeatMs: this.heartbeatMs, maxMessageBytes: this.maxMessageBytes });
    }
    this.#peers.put(peer);
  }

  /** The next socket that said hello. */
  peer(): Promise<Peer> {
    return this.#peers.take();
  }

  /** A client of this gateway that reconnects at once. */
  client(options: Partial<ClientOptions> = {}): BatonClient {
    const client = connect({ url: this.url, reconnectMinMs: 1, reconnectMaxMs: 4, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Handles plain HTTP requests. */
  onRequest(listener: Parameters<typeof createServer>[1]): void {
    if (listener) this.#server.on("request", listener);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
