/** A TCP proxy that fails as networks do. Links are told apart by a text that their client sends early. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client sent first. */
  head: string;
  frozen: boolean;
}

const HEAD_CHARS = 4_096;

export class LinkProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #onRequest: ((link: Link, chunk: Buffer) => void) | undefined;
  #refusing = false;

  static async to(port: number): Promise<LinkProxy> {
    const server = createServer();
    const proxy = new LinkProxy(server, port);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on("connection", (client) => this.#open(client, connect(port, "127.0.0.1")));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Links whose client sent `text` stay open and carry nothing any more. Answers how many. */
  freeze(text: string): number {
    const links = [...this.#links].filter(({ head }) => head.includes(text));
    for (const link of links) link.frozen = true;
    return links.length;
  }

  /** The next request that contains `text` reaches the server; its answer and the link are lost. */
  loseAnswerTo(text: string): void {
    this.#onRequest = (link, chunk) => {
      if (!chunk.includes(text)) return;
      this.#onRequest = undefined;
      link.frozen = true;
      // The server has executed it when it answers.
      link.server.once("data", () => link.client.destroy());
    };
  }

  /** New links end at once until `false` is given. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    await once(this.#server, "close");
  }

  #open(client: Socket, server: Socket): void {
    if (this.#refusing) {
      client.destroy();
      server.destroy();
      return;
    }
    const link: Link = { client, server, head: "", frozen: false };
    this.#links.add(link);
    client.on("data", (chunk) => {
      if (link.head.length < HEAD_CHARS) link.head += chunk.toString("latin1");
      if (link.frozen) return;
      server.write(chunk);
      this.#onRequest?.(link, chunk);
    });
    server.on("data", (chunk) => {
      if (!link.frozen) client.write(chunk);
    });
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      end.on("error", () => {});
      end.on("close", () => {
        this.#links.delete(link);
        other.destroy();
      });
    }
  }
}
