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
  /** A connection that is there already. Default: a new one. */
  readonly over?: Socket;
}

export class TcpPeer {
  readonly socket: Socket;
  /** HTTP status of the answer to the handshake, 101 when it was accepted. */
  readonly status: number;
  /** The other end hung up. */
  readonly ended: Promise<void>;
  readonly #frames = new Inbox<Received>();
  #chunks: Buffer[];
  /** Bytes without which the next frame is not complete. */
  #needed = 2;
  #onFrame: (frame: Received) => void = () => {};

  /** A connection that never hangs up by itself, also when the other end has. */
  static async connect(port: number): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    await within(once(socket, "connect"), "the TCP connection");
    return socket;
  }

  /** Connects and sends an upgrade request; resolves with the answer's head. */
  static async upgrade(port: number, { path, headers = {}, over }: PeerOptions): Promise<TcpPeer> {
    const socket = over ?? (await TcpPeer.connect(port));
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
    this.#chunks = [rest];
    this.ended = new Promise((resolve) => {
      for (const event of ["end", "close"]) {
        socket.once(event, () => {
          this.#frames.end("the connection ended");
          resolve();
        });
      }
    });
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
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
    for (let index = 0; index < body.length; index += 1)
      body[index] = (body[index] ?? 0) ^ (mask[index % 4] ?? 0);
    const length =
      body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff];
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode, ...length]), mask, body]));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #parse(): void {
    // Joined only when there is enough: large frames come in thousands of chunks.
    if (this.#chunks.reduce((sum, { length }) => sum + length, 0) < this.#needed) return;
    let bytes = Buffer.concat(this.#chunks);
    for (;;) {
      const size = frameSize(bytes);
      if (size === undefined || bytes.length < size.header + size.payload) {
        this.#needed = size === undefined ? bytes.length + 1 : size.header + size.payload;
        break;
      }
      const end = size.header + size.payload;
      const frame = { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(size.header, end) };
      bytes = bytes.subarray(end);
      this.#onFrame(frame);
      this.#frames.put(frame);
    }
    this.#chunks = [bytes];
  }
}

/** Bytes of the first frame's parts; undefined while its head is not complete. */
function frameSize(bytes: Buffer): { header: number; payload: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  if (short < 126) return { header: 2, payload: short };
  if (short === 126) return bytes.length < 4 ? undefined : { header: 4, payload: bytes.readUInt16BE(2) };
  return bytes.length < 10 ? undefined : { header: 10, payload: Number(bytes.readBigUInt64BE(2)) };
}
