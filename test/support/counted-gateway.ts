/**
 * A gateway without sockets, whose clients keep what they were sent: nothing in the process is a client's or a
 * connection's, so that what is counted is the gateway's.
 */
import { onTestFinished } from "vitest";
import type { DownMessage } from "../../protocol/down.ts";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import type { Store } from "../../src/store/store.ts";
import type { SharedText } from "../../src/transport/shared-text.ts";
import type { Socket, SocketHandler, TransportOptions } from "../../src/transport/transport.ts";

export interface CountedGateway {
  readonly gateway: Gateway;
  /** A client of this name, greeted. */
  readonly client: (name: string) => Promise<CountedClient>;
}

export async function startCountedGateway(store: Store): Promise<CountedGateway> {
  let options: TransportOptions | undefined;
  const open = new Set<CountedClient>();
  const gateway = createGateway({
    store,
    transport: (given) => {
      options = given;
      return {
        listen: async (host, port) => ({ host, port }),
        get connections() {
          return open.size;
        },
        close: async () => {
          for (const client of open) client.closed();
        },
      };
    },
  });
  await gateway.listen();
  onTestFinished(() => gateway.close());
  return {
    gateway,
    client: async (name) => {
      if (!options) throw new Error("the gateway asked for no transport");
      const client = new CountedClient(options);
      open.add(client);
      await client.greet(name);
      return client;
    },
  };
}

export class CountedClient {
  /** Everything that it was sent, as the transport was given it. */
  sent: (string | SharedText)[] = [];
  readonly #handler: SocketHandler;
  readonly #waiting = new Set<(message: DownMessage) => void>();

  constructor(options: TransportOptions) {
    const socket: Socket = {
      remoteAddress: "127.0.0.1",
      send: (message) => this.#receive(message),
      sendBinary: (_bytes, flushed) => void setImmediate(flushed),
      close: () => this.closed(),
    };
    this.#handler = options.onSocket(socket, {
      path: options.socketPath,
      query: new URLSearchParams(),
      remoteAddress: "127.0.0.1",
      headers: {},
      protocols: [SUBPROTOCOL],
    });
  }

  async greet(name: string): Promise<void> {
    const welcome = this.#next(({ type }) => type === "welcome");
    this.send({ type: "hello", version: PROTOCOL_VERSION, role: "operator", name });
    await welcome;
  }

  async join(sandboxId: string): Promise<void> {
    const joined = this.#next(({ type }) => type === "sandbox.joined" || type === "error");
    this.send({ type: "sandbox.join", id: "join", sandboxId });
    const { type } = await joined;
    if (type === "error") throw new Error(`${sandboxId} could not be joined`);
  }

  /** The next event that it is told of. */
  async event(): Promise<SandboxEvent> {
    const message = await this.#next(({ type }) => type === "event");
    if (message.type !== "event") throw new Error("never");
    return message.event;
  }

  send(message: UpMessage): void {
    this.#handler.text(JSON.stringify(message));
  }

  closed(): void {
    this.#handler.closed();
  }

  /** The test's own time bounds it: a timer would be counted. */
  #next(wants: (message: DownMessage) => boolean): Promise<DownMessage> {
    return new Promise((resolve) => {
      const look = (message: DownMessage): void => {
        if (!wants(message)) return;
        this.#waiting.delete(look);
        resolve(message);
      };
      this.#waiting.add(look);
    });
  }

  #receive(message: string | SharedText): void {
    this.sent.push(message);
    const parsed = JSON.parse(textOf(message)) as DownMessage;
    for (const look of this.#waiting) look(parsed);
  }
}

export function textOf(message: string | SharedText): string {
  return typeof message === "string" ? message : message.text;
}
