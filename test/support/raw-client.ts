/**
 * A client that sends whatever a test wants, well-formed or not, over a real WebSocket. What the gateway answers is
 * checked against the protocol's schema: a message outside of it fails the test that caused it.
 */
import { once } from "node:events";
import { WebSocket, type ClientOptions } from "ws";
import { DownMessage } from "../../protocol/down.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { Inbox, within } from "./inbox.ts";

export type DownType = DownMessage["type"];
export type DownOf<T extends DownType> = Extract<DownMessage, { type: T }>;
export type Failure = DownOf<"error">;

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

export interface RawOptions extends ClientOptions {
  /** Default: Baton's. An empty list offers none. */
  readonly protocols?: readonly string[];
}

export interface Identity {
  readonly role?: Role;
  readonly name?: string;
  readonly clientId?: string;
  /** Says who it is; without `role` and `name` of its own then. */
  readonly token?: string;
}

export class RawClient {
  readonly socket: WebSocket;
  readonly closed: Promise<Closing>;
  readonly #inbox = new Inbox<DownMessage>();
  readonly #binary = new Inbox<Buffer>();
  #calls = 0;

  /** @param url base URL of a gateway, `http:` */
  static async open(url: string, options: RawOptions = {}): Promise<RawClient> {
    const client = new RawClient(url, options);
    await within(once(client.socket, "open"), "the handshake");
    return client;
  }

  /** Opened and greeted. */
  static async greeted(url: string, identity: Identity = {}): Promise<RawClient> {
    const client = await RawClient.open(url);
    client.hello(identity);
    await client.next("welcome");
    return client;
  }

  constructor(url: string, options: RawOptions = {}) {
    const { protocols = [SUBPROTOCOL], ...rest } = options;
    this.socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/connect`, [...protocols], rest);
    this.socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.#binary.put(data);
      else this.#inbox.put(DownMessage.parse(JSON.parse(data.toString("utf8"))));
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        const closing = { code, reason: reason.toString() };
        this.#inbox.end(`the socket was closed with ${code} ${closing.reason}`);
        this.#binary.end(`the socket was closed with ${code} ${closing.reason}`);
        resolve(closing);
      });
    });
  }

  /** Everything that arrived, in order. */
  get received(): readonly DownMessage[] {
    return this.#inbox.all;
  }

  hello({ token, clientId, ...self }: Identity = {}): void {
    const who = token === undefined ? { role: "operator", name: "ann", ...self } : { token, ...self };
    this.send({ type: "hello", version: PROTOCOL_VERSION, ...who, ...(clientId && { clientId }) });
  }

  send(message: object): void {
    this.raw(JSON.stringify(message));
  }

  raw(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  /** Sends with an id of its own, and resolves with the answer. */
  async call(message: { readonly type: string; readonly [field: string]: unknown }): Promise<DownMessage> {
    this.#calls += 1;
    const id = `call-${this.#calls}`;
    this.send({ id, ...message });
    return this.answer(id);
  }

  /** The answer to a call that must succeed. */
  async done<T extends DownType>(
    expected: T,
    message: { readonly type: string; readonly [field: string]: unknown },
  ): Promise<DownOf<T>> {
    const answer = await this.call(message);
    if (answer.type !== expected) {
      throw new Error(`${message.type} was answered by ${JSON.stringify(answer)} instead of ${expected}`);
    }
    return answer as DownOf<T>;
  }

  /** The refusal of a call that must be refused. */
  async refused(
    message: { readonly type: string; readonly [field: string]: unknown },
    code?: ErrorCode,
  ): Promise<Failure> {
    const answer = await this.call(message);
    if (answer.type !== "error" || (code !== undefined && answer.code !== code)) {
      throw new Error(
        `${message.type} was answered by ${JSON.stringify(answer)} instead of ${code ?? "error"}`,
      );
    }
    return answer;
  }

  answer(id: string): Promise<DownMessage> {
    return this.#inbox.take(`answer to ${id}`, (message) => "id" in message && message.id === id);
  }

  /** The oldest message of this type that nobody has taken. */
  async next<T extends DownType>(
    type: T,
    wants: (message: DownOf<T>) => boolean = () => true,
  ): Promise<DownOf<T>> {
    const message = await this.#inbox.take(
      type,
      (message) => message.type === type && wants(message as DownOf<T>),
    );
    return message as DownOf<T>;
  }

  frame(): Promise<Buffer> {
    return this.#binary.take("binary message");
  }

  /** A round trip: what was sent before has been read, and the socket works. */
  async ping(): Promise<void> {
    await this.done("pong", { type: "ping" });
  }

  closing(): Promise<Closing> {
    return within(this.closed, "the close");
  }

  /** Closes and waits until the socket is gone. */
  async close(): Promise<void> {
    this.socket.close();
    await this.closing();
  }
}
