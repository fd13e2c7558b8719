/**
 * Between an agent's client and the gate: keeps every byte that the client was sent, and stops what the client sends at
 * a chosen command, so that a test can act at exactly that moment of a script.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { Inbox, within } from "./inbox.ts";
import type { CdpAnswer } from "./raw-cdp.ts";

/** Accepts a command by its method, and by some of its parameters. */
export type Wanted = readonly [method: string, params?: Readonly<Record<string, unknown>>];

export interface Stop {
  /** Resolves when the client has sent it. */
  readonly reached: Promise<CdpAnswer>;
  /** Lets it and everything behind it go on. */
  release(): void;
}

/** The tap's own commands count from here; clients count from 1. */
const FIRST_OWN_ID = 2_000_000_000;

export class CdpTap {
  readonly url: string;
  readonly #upstreamUrl: string;
  readonly #server: WebSocketServer;
  #client: WebSocket | undefined;
  #upstream: WebSocket | undefined;
  readonly #bytes: Buffer[] = [];
  readonly #answers = new Inbox<CdpAnswer>();
  readonly #events = new Inbox<CdpAnswer>();
  #stop: { readonly wanted: Wanted; readonly reach: (message: CdpAnswer) => void } | undefined;
  #stopped: Buffer[] | undefined;
  #lastId = FIRST_OWN_ID;

  /** @param url of the gate, `ws:`. One client may connect. */
  static async start(url: string): Promise<CdpTap> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    await once(server, "listening");
    return new CdpTap(url, server);
  }

  private constructor(url: string, server: WebSocketServer) {
    this.#upstreamUrl = url;
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (client) => this.#connected(client));
  }

  /** Every byte that the client was sent, in order. */
  get received(): Buffer {
    return Buffer.concat(this.#bytes);
  }

  /** What the client was sent, parsed. */
  get messages(): CdpAnswer[] {
    return this.#bytes.map((bytes) => JSON.parse(bytes.toString("utf8")) as CdpAnswer);
  }

  /** Stops at the next such command: neither it nor what follows it reaches the gate before `release`. */
  stopAt(...wanted: Wanted): Stop {
    let reach: (message: CdpAnswer) => void = () => {};
    const reached = new Promise<CdpAnswer>((resolve) => (reach = resolve));
    this.#stop = { wanted, reach };
    return {
      reached: within(reached, `the client's ${wanted[0]} ${JSON.stringify(wanted[1] ?? {})}`),
      release: () => {
        this.#stop = undefined;
        const stopped = this.#stopped ?? [];
        this.#stopped = undefined;
        for (const bytes of stopped) this.#forward(bytes);
      },
    };
  }

  /** The next such event that the client is sent and no test has taken. */
  event(method: string, wants: (message: CdpAnswer) => boolean = () => true): Promise<CdpAnswer> {
    return this.#events.take(`event ${method}`, (message) => message.method === method && wants(message));
  }

  /** A command beside the client's. Resolves to its answer, refused or not. */
  async command(method: string, params: object = {}, sessionId?: string): Promise<CdpAnswer> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#upstream?.send(
      JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }),
    );
    return this.#answers.take(`answer to ${method}`, (message) => message.id === id);
  }

  /** The gate has read everything that has passed here. */
  async sync(): Promise<void> {
    await this.command("Baton.disable");
  }

  /** Cuts the client off, as a crash does. */
  cut(): void {
    this.#client?.terminate();
    this.#upstream?.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #connected(client: WebSocket): void {
    const upstream = new WebSocket(this.#upstreamUrl, {
      perMessageDeflate: false,
      maxPayload: 256 * 1024 * 1024,
    });
    this.#client = client;
    this.#upstream = upstream;
    const early: Buffer[] = [];
    upstream.once("open", () => early.splice(0).forEach((bytes) => this.#sent(bytes)));
    client.on("message", (bytes: Buffer) => {
      if (upstream.readyState === WebSocket.OPEN) this.#sent(bytes);
      else early.push(bytes);
    });
    upstream.on("message", (bytes: Buffer) => this.#got(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => {});
      one.once("close", () => other.close());
    }
  }

  #sent(bytes: Buffer): void {
    if (this.#stopped) return void this.#stopped.push(bytes);
    const stop = this.#stop;
    const message = stop && (JSON.parse(bytes.toString("utf8")) as CdpAnswer);
    if (!stop || !message || !fits(message, stop.wanted)) return this.#forward(bytes);
    this.#stopped = [bytes];
    stop.reach(message);
  }

  #forward(bytes: Buffer): void {
    this.#upstream?.send(bytes, { binary: false });
  }

  #got(bytes: Buffer): void {
    const message = JSON.parse(bytes.toString("utf8")) as CdpAnswer;
    this.#bytes.push(bytes);
    if (message.id !== undefined && message.id > FIRST_OWN_ID) return this.#answers.put(message);
    if (message.method !== undefined) this.#events.put(message);
    this.#client?.send(bytes, { binary: false });
  }
}

function fits({ method, params = {} }: CdpAnswer, [wanted, some = {}]: Wanted): boolean {
  return method === wanted && Object.entries(some).every(([name, value]) => params[name] === value);
}
