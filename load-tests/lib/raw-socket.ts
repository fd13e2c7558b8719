/**
 * A WebSocket client that costs as little as Node allows, so that one core can read for a thousand subscribers: every
 * socket reads into one buffer, no message is copied but one that a read has split, and nothing is decoded.
 */
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { clientFrame, OPCODE } from "./frame-reader.ts";

/** Of one message. `end` is short of its end when the message is long: only a beginning is kept. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void;

export interface RawSocketOptions {
  /** `ws://` with host, port and path. */
  readonly url: string;
  readonly protocol?: string;
  readonly onMessage: OnMessage;
  /** Called once when the connection ends, unless this side ended it. */
  readonly onEnd: (why: Error) => void;
}

const READ_BYTES = 64 * 1024;
/** Messages longer than this are not read beyond their beginning when a read has split them. */
const KEPT_BYTES = 8 * 1024;
/** What of those is waited for. */
const BEGINNING_BYTES = 64;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_END = "\r\n\r\n";

/** Shared: each read is looked at before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

export class RawSocket {
  /** Calls of the system that read something. */
  static reads = 0;
  onMessage: OnMessage;
  readonly #socket: Socket;
  readonly #onEnd: (why: Error) => void;
  /** What a read has split. */
  #rest: Buffer | undefined;
  /** Bytes of a long message that nobody looks at. */
  #skip = 0;
  #ended = false;
  #head: ((head: string) => void) | undefined;

  /** Resolves when the handshake is done. */
  static async open(options: RawSocketOptions): Promise<RawSocket> {
    const raw = new RawSocket(options);
    try {
      await raw.#shakeHands(options);
    } catch (error) {
      raw.terminate();
      throw error;
    }
    return raw;
  }

  private constructor({ url, onMessage, onEnd }: RawSocketOptions) {
    const { hostname, port } = new URL(url);
    this.onMessage = onMessage;
    this.#onEnd = onEnd;
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(new Error("the server closed the connection")));
  }

  send(message: string, opcode: number = OPCODE.text): void {
    this.#socket.write(clientFrame(opcode, message));
  }

  /** Without a goodbye, and without a port that stays taken. */
  terminate(): void {
    this.#ended = true;
    this.#socket.resetAndDestroy();
  }

  async #shakeHands({ url, protocol }: RawSocketOptions): Promise<void> {
    const { host, pathname, search } = new URL(url);
    const key = randomBytes(16).toString("base64");
    const answered = new Promise<string>((resolve) => (this.#head = resolve));
    const lines = [
      `GET ${pathname}${search} HTTP/1.1`,
      `host: ${host}`,
      "upgrade: websocket",
      "connection: Upgrade",
      "sec-websocket-version: 13",
      `sec-websocket-key: ${key}`,
      ...(protocol === undefined ? [] : [`sec-websocket-protocol: ${protocol}`]),
    ];
    this.#socket.write(`${lines.join("\r\n")}${HEAD_END}`);
    const head = await answered;
    const accept = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    if (!head.startsWith("HTTP/1.1 101") || !head.includes(accept))
      throw new Error(`the handshake with ${url} was answered: ${head.slice(0, 200)}`);
  }

  #read(length: number): void {
    RawSocket.reads += 1;
    let bytes: Buffer = readBuffer;
    let end = length;
    if (this.#rest) {
      bytes = Buffer.concat([this.#rest, readBuffer.subarray(0, length)]);
      end = bytes.length;
      this.#rest = undefined;
    }
    const at = this.#head ? this.#readHead(bytes, end) : 0;
    const used = this.#head ? 0 : this.#frames(bytes, at, end);
    if (used < end) this.#rest = Buffer.from(bytes.subarray(used, end));
  }

  /** Answers where the frames begin. */
  #readHead(bytes: Buffer, end: number): number {
    const headEnd = bytes.subarray(0, end).indexOf(HEAD_END);
    if (headEnd < 0) return 0;
    this.#head?.(bytes.toString("latin1", 0, headEnd));
    this.#head = undefined;
    return headEnd + HEAD_END.length;
  }

  /** Answers where the first frame that is not whole begins. */
  #frames(bytes: Buffer, from: number, end: number): number {
    const skipped = Math.min(this.#skip, end - from);
    this.#skip -= skipped;
    let at = from + skipped;
    while (end - at >= 2) {
      const opcode = (bytes[at] ?? 0) & 0xf;
      const short = bytes[at + 1] ?? 0;
      const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (end - at < headerBytes) return at;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
      const start = at + headerBytes;
      const frameEnd = start + length;
      if (frameEnd > end) {
        if (length <= KEPT_BYTES || end - start < BEGINNING_BYTES) return at;
        this.#skip = frameEnd - end;
        this.onMessage(bytes, start, end);
        return end;
      }
      if (opcode < OPCODE.close) this.onMessage(bytes, start, frameEnd);
      else this.#control(opcode, bytes.subarray(start, frameEnd));
      at = frameEnd;
    }
    return at;
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#socket.write(clientFrame(OPCODE.pong, payload));
    if (opcode !== OPCODE.close) return;
    const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    this.#end(new Error(`the server closed with ${code} ${payload.toString("utf8", 2)}`));
    this.terminate();
  }

  #end(why: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#head?.(why.message);
    this.#onEnd(why);
  }
}
