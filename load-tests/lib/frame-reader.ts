/** Reads a server's WebSocket frames at next to no cost: it copies nothing but what two chunks share. */
import { Buffer } from "node:buffer";

/** RFC 6455, 5.2. */
export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FIN = 0x80;
const MASKED = 0x80;
const MASK_BYTES = 4;
const LENGTH_16 = 126;

export interface Frame {
  readonly opcode: number;
  /** As much of the payload's beginning as was asked for, or all of it. Valid until the handler returns. */
  readonly head: Buffer;
  /** Of the whole payload. */
  readonly bytes: number;
}

export class FrameReader {
  readonly #headBytes: number;
  readonly #handle: (frame: Frame) => void;
  /** The beginning of a frame whose head has not all come yet. */
  #rest: Buffer | undefined;
  /** A frame whose head has come, and how much of it is still to come. */
  #open: Frame | undefined;
  #missing = 0;

  /**
   * @param headBytes how much of each payload is kept
   * @param handle called once for each frame, when its last byte has come
   */
  constructor(headBytes: number, handle: (frame: Frame) => void) {
    this.#headBytes = headBytes;
    this.#handle = handle;
  }

  /**
   * @param chunk not kept: it may be overwritten once this returns
   * @throws Error when these are no frames of a server, or messages in pieces: the gateway sends none
   */
  push(chunk: Buffer): void {
    let at = 0;
    if (this.#open) {
      at = Math.min(this.#missing, chunk.length);
      this.#missing -= at;
      if (this.#missing > 0) return;
      const open = this.#open;
      this.#open = undefined;
      this.#handle(open);
    }
    let data = chunk;
    if (this.#rest) {
      data = Buffer.concat([this.#rest, chunk.subarray(at)]);
      this.#rest = undefined;
      at = 0;
    }
    while (at < data.length) {
      const next = this.#read(data, at);
      if (next === undefined) {
        this.#rest = Buffer.from(data.subarray(at));
        return;
      }
      at = next;
    }
  }

  /** Where the next frame begins; undefined: the head of this one has not all come. */
  #read(data: Buffer, at: number): number | undefined {
    const available = data.length - at;
    if (available < 2) return undefined;
    const [first = 0, second = 0] = [data[at], data[at + 1]];
    if ((first & FIN) === 0 || (second & MASKED) !== 0)
      throw new Error("the server sent a frame that is masked or a part of a message; this reads neither");
    const headerBytes = second < LENGTH_16 ? 2 : second === LENGTH_16 ? 4 : 10;
    if (available < headerBytes) return undefined;
    const bytes =
      second < LENGTH_16
        ? second
        : second === LENGTH_16
          ? data.readUInt16BE(at + 2)
          : Number(data.readBigUInt64BE(at + 2));
    const start = at + headerBytes;
    const opcode = first & 0x0f;
    // Control frames are short, and a pong repeats the ping.
    const headEnd = start + (opcode < OPCODE.close ? Math.min(bytes, this.#headBytes) : bytes);
    if (data.length < headEnd) return undefined;
    const frame: Frame = { opcode, head: data.subarray(start, headEnd), bytes };
    const end = start + bytes;
    if (end <= data.length) {
      this.#handle(frame);
      return end;
    }
    this.#open = { ...frame, head: Buffer.from(frame.head) };
    this.#missing = end - data.length;
    return data.length;
  }
}

/** A client's frame. Its mask is all zeros: a random one protects proxies, and there are none. */
export function clientFrame(opcode: number, payload: string | Buffer): Buffer {
  const length = Buffer.byteLength(payload);
  if (length > 0xffff) throw new RangeError("a message of more than 64 KB; send less");
  const headerBytes = length < LENGTH_16 ? 2 : 4;
  const frame = Buffer.alloc(headerBytes + MASK_BYTES + length);
  frame[0] = FIN | opcode;
  if (headerBytes === 2) frame[1] = MASKED | length;
  else {
    frame[1] = MASKED | LENGTH_16;
    frame.writeUInt16BE(length, 2);
  }
  if (typeof payload === "string") frame.write(payload, headerBytes + MASK_BYTES, "utf8");
  else payload.copy(frame, headerBytes + MASK_BYTES);
  return frame;
}
