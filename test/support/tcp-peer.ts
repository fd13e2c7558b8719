/**
 * The other end of a WebSocket on bare TCP, for peers that no library lets one be: they stop reading, answer neither
 * pings nor closes, or send bytes that no client would.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Inbox, within } from "./inbox.ts";

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Received {
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface PeerOptions {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class TcpPeer {
  readonly socket: Socket;
  /** HTTP status of the answer to the handshake, 101 when it was accepted. */
  readonly status: number;
  readonly ended: Promise<void>;
  readonly #frames = new Inbox<Received>();
  #pending: Buffer;
  #onFrame: (frame: Received) => void = () => {};

  /** Connects and sends an upgrade request; resolves with the answer's head. */
  static async upgrade(port: number, { path, headers = {} }: PeerOptions): Promise<TcpPeer> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    await within(once(socket, "connect"), "the TCP connection");
    const lines = {
      host: `127.0.0.1:${port}`,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      ...headers,
    };
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\n${head.join("")}\r\n`);
    const answer = new Promise<{ status: number; rest: Buffer }>((resolve, reject) => {
      let bytes = Buffer.alloc(0);
      const read = (chunk: Buffer): void => {
        bytes = Buffer.concat([bytes, chunk]);
        const end = bytes.indexOf("\r\n\r\n");
        if (end < 0) return;
        socket.off("data", read);
        resolve({ status: Number(bytes.toString("latin1").split(" ")[1]), rest: bytes.subarray(end + 4) });
      };
      socket.on("data", read);
      socket.once("close", () => reject(new Error("the connection ended before the handshake was answered")));
    });
    const { status, rest } = await within(answer, "the answer to the handshake");
    return new TcpPeer(socket, status, rest);
  }

  private constructor(socket: Socket, status: number, rest: Buffer) {
    this.socket = socket;
    this.status = status;
    this.#pending = rest;
    this.ended = new Promise((resolve) => {
      socket.once("close", () => {
        this.#frames.end("the connection ended");
        resolve();
      });
    });
    socket.on("data", (chunk) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      this.#parse();
    });
    this.#parse();
  }

  get received(): readonly Received[] {
    return this.#frames.all;
  }

  /** Called for each frame before a test can take it. */
  onFrame(listener: (frame: Received) => void): void {
    this.#onFrame = listener;
  }

  /** From now on the sender's bytes stay where they are. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  next(opcode: number): Promise<Received> {
    return this.#frames.take(`frame of opcode ${opcode}`, (frame) => frame.opcode === opcode);
  }

  /** Close code of the next close frame. */
  async closeCode(): Promise<number> {
    return (await this.next(OPCODE.close)).payload.readUInt16BE(0);
  }

  send(opcode: number, payload: string | Uint8Array = ""): void {
    const body = Buffer.from(payload);
    const mask = randomBytes(4);
    for (let index = 0; index < body.length; index += 1) body[index] = (body[index] ?? 0) ^ (mask[index % 4] ?? 0);
    const length =
      body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff];
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode, ...length]), mask, body]));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #parse(): void {
    for (;;) {
      const bytes = this.#pending;
      if (bytes.length < 2) return;
      let length = (bytes[1] ?? 0) & 0x7f;
      let start = 2;
      if (length === 126) {
        if (bytes.length < 4) return;
        length = bytes.readUInt16BE(2);
        start = 4;
      } else if (length === 127) {
        if (bytes.length < 10) return;
        length = Number(bytes.readBigUInt64BE(2));
        start = 10;
      }
      if (bytes.length < start + length) return;
      const frame = { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(start, start + length) };
      this.#pending = bytes.subarray(start + length);
      this.#onFrame(frame);
      this.#frames.put(frame);
    }
  }
}
