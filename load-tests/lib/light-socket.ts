/** A WebSocket client that is little more than its TCP socket, so that thousands of them leave the core to the server. */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import type { UpMessage } from "../../protocol/up.ts";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { clientFrame, FrameReader, OPCODE, type Frame } from "./frame-reader.ts";

const HEAD_END = "\r\n\r\n";
const HANDSHAKE_BYTES = 8_192;
/** Any 16 bytes: that the server hashes them is not what is measured. */
const KEY = Buffer.alloc(16).toString("base64");
/** All sockets read into the same memory: each chunk is handled before the next one is read. */
const CHUNK = Buffer.allocUnsafeSlow(64 * 1024);

export interface LightHandler {
  /** The handshake is done. */
  opened(): void;
  /** A text or binary message. */
  message(frame: Frame): void;
  /** Called once, also for a socket that never opened, but not after `cut`. */
  closed(why: string): void;
}

export interface LightOptions {
  /** How much of each message the handler wants to see. */
  readonly headBytes: number;
  /** Default: the gateway's. Empty: none is offered. */
  readonly subprotocol?: string;
}

export class LightSocket {
  readonly #socket: Socket;
  readonly #handler: LightHandler;
  readonly #reader: FrameReader;
  /** What has come of the server's answer; undefined once that is read. */
  #answer: string | undefined = "";
  #why = "the connection ended";

  /** @param url `ws://host:port/path` */
  constructor(url: string, handler: LightHandler, { headBytes, subprotocol = SUBPROTOCOL }: LightOptions) {
    const { hostname, port, pathname } = new URL(url);
    this.#handler = handler;
    this.#reader = new FrameReader(headBytes, (frame) => this.#receive(frame));
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: CHUNK,
        callback: (length, chunk) => {
          this.#read(Buffer.from(chunk.buffer, chunk.byteOffset, length));
          return true;
        },
      },
    });
    this.#socket.once("connect", () => {
      const lines = [
        `GET ${pathname} HTTP/1.1`,
        `Host: ${hostname}:${port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Key: ${KEY}`,
        "Sec-WebSocket-Version: 13",
        ...(subprotocol === "" ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
      ];
      this.#socket.write(lines.join("\r\n") + HEAD_END);
    });
    this.#socket.once("error", (error) => (this.#why = error.message));
    this.#socket.once("close", () => handler.closed(this.#why));
  }

  /** All of them leave in one write. */
  send(...messages: readonly UpMessage[]): void {
    const frames = messages.map((message) => clientFrame(OPCODE.text, JSON.stringify(message)));
    const [only] = frames;
    if (!this.#socket.destroyed)
      this.#socket.write(frames.length === 1 && only ? only : Buffer.concat(frames));
  }

  /** Reads no more of what comes; the connection stays. */
  stall(): void {
    this.#socket.pause();
  }

  /** As a network does that breaks: no goodbye, and no port of this machine stays taken for a minute. */
  cut(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.resetAndDestroy();
  }

  #read(chunk: Buffer): void {
    if (this.#answer === undefined) return this.#reader.push(chunk);
    this.#answer += chunk.toString("latin1");
    const end = this.#answer.indexOf(HEAD_END);
    if (end < 0) {
      if (this.#answer.length > HANDSHAKE_BYTES) this.#fail("the server's answer has no end");
      return;
    }
    const [status = ""] = this.#answer.split("\r\n", 1);
    if (!status.startsWith("HTTP/1.1 101 ")) return this.#fail(`the handshake was answered ${status}`);
    const behind = this.#answer.length - end - HEAD_END.length;
    this.#answer = undefined;
    this.#handler.opened();
    if (behind > 0) this.#reader.push(chunk.subarray(chunk.length - behind));
  }

  #receive(frame: Frame): void {
    const { opcode, head } = frame;
    if (opcode === OPCODE.text || opcode === OPCODE.binary) return this.#handler.message(frame);
    if (opcode === OPCODE.ping) this.#socket.write(clientFrame(OPCODE.pong, head));
    if (opcode === OPCODE.close)
      this.#fail(
        `closed with ${head.length < 2 ? "no code" : head.readUInt16BE(0)} ${head.toString("utf8", 2)}`,
      );
  }

  #fail(why: string): void {
    this.#why = why;
    this.#socket.destroy();
  }
}
