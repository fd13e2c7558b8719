/** Requests as bytes, for peers that no library lets one be, and the bytes that answer them. */
import type { Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { within } from "../support/inbox.ts";
import { OPCODE, TcpPeer } from "../support/tcp-peer.ts";
import { PATH, PROTOCOL, type Bench } from "./transport-bench.ts";

/** A transport may have times of its own that cannot be set: they are waited for. */
export const SLOW_MS = 18_000;

export class RawPeer {
  readonly socket: Socket;
  /** The other end hung up, or cut the connection. */
  readonly ended: Promise<void>;
  hasEnded = false;
  #bytes = "";
  #look = (): void => {};

  static async connect(port: number): Promise<RawPeer> {
    return new RawPeer(await TcpPeer.connect(port));
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay();
    socket.on("data", (chunk) => {
      this.#bytes += chunk.toString("latin1");
      this.#look();
    });
    this.ended = new Promise((resolve) => {
      for (const event of ["end", "close"]) {
        socket.once(event, () => {
          this.hasEnded = true;
          this.#look();
          resolve();
        });
      }
    });
    onTestFinished(() => void socket.destroy());
  }

  /** Everything that came, a character each byte. */
  get answer(): string {
    return this.#bytes;
  }

  send(bytes: string): this {
    this.socket.write(bytes, "latin1");
    return this;
  }

  /** Everything that came before the end. */
  async untilEnd(): Promise<string> {
    await within(this.ended, "the end of the connection", SLOW_MS);
    return this.#bytes;
  }

  /** The head of an answer, or as much as came of it. */
  async head(): Promise<Head> {
    const complete = new Promise<void>((resolve) => {
      this.#look = () => {
        if (this.#bytes.includes("\r\n\r\n") || this.hasEnded) resolve();
      };
      this.#look();
    });
    await within(complete, "the head of an answer", SLOW_MS);
    return headOf(this.#bytes);
  }
}

export interface Head {
  /** Undefined: hung up without a word. */
  readonly status: number | undefined;
  readonly lines: readonly string[];
  readonly headers: ReadonlyMap<string, string>;
}

export function headOf(answer: string): Head {
  const [first = "", ...lines] = answer.split("\r\n\r\n", 1)[0]?.split("\r\n") ?? [];
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
  const headers = new Map(
    lines.map((line) => {
      const [name = "", value = ""] = line.split(/: ?(.*)/s);
      return [name.toLowerCase(), value];
    }),
  );
  return { status: status === undefined ? undefined : Number(status), lines: [first, ...lines], headers };
}

/** A handshake that is one, but for what a test changes. */
export function handshake(path: string, headers: readonly string[] = []): string {
  return [
    `GET ${path} HTTP/1.1`,
    "host: gateway.test",
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "",
    "",
  ].join("\r\n");
}

/** The code that a peer's connection is closed with, or undefined: cut without one. */
export async function endOf(peer: TcpPeer): Promise<number | undefined> {
  await within(peer.ended, "the end of the connection", SLOW_MS);
  return peer.received.find(({ opcode }) => opcode === OPCODE.close)?.payload.readUInt16BE(0);
}

/**
 * Resolves after so many pings of an open connection, each followed by `each`: time that passes for the transport too.
 * The transport must have been started with short heartbeats.
 */
export async function beats({ port }: Bench, count: number, each: () => void = () => {}): Promise<void> {
  const clock = await TcpPeer.upgrade(port, { path: PATH, headers: { "sec-websocket-protocol": PROTOCOL } });
  onTestFinished(() => clock.destroy());
  expect(clock.status).toBe(101);
  clock.onFrame(({ opcode, payload }) => {
    if (opcode === OPCODE.ping) clock.send(OPCODE.pong, payload);
  });
  for (let beat = 0; beat < count; beat += 1) {
    await clock.next(OPCODE.ping);
    each();
  }
  clock.destroy();
}
