/**
 * Text messages as a transport sends them. What many sockets get is encoded once, framed once, and, where several
 * messages leave in one turn of the event loop, joined once.
 */

/** Most bytes that one batch joins: what is larger leaves in several writes, so that no join copies much. */
export const MAX_BATCH_BYTES = 64 * 1024;

const FIN_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** One text message, for any number of sockets. Its encodings are made when the first of them asks. */
export class SharedText {
  readonly text: string;
  #frame: Buffer | undefined;
  #payload: Buffer | undefined;
  #alone: Batch | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** As UTF-8. Shared: nobody writes to it. */
  get payload(): Buffer {
    return (this.#payload ??= payloadOf(this.frame));
  }

  /** As a WebSocket frame of a server: final, unmasked, uncompressed. Shared: nobody writes to it. */
  get frame(): Buffer {
    return (this.#frame ??= frameOf(this.text));
  }

  /** The batch of nothing but this. */
  get alone(): Batch {
    return (this.#alone ??= new Batch(undefined, this));
  }
}

/**
 * Messages that leave together, in order. Immutable: a longer one is another batch, and sockets that were given the same
 * messages have the same one, so that giving a message to a thousand sockets makes one object.
 */
export class Batch {
  readonly #before: Batch | undefined;
  readonly #last: SharedText;
  /** Of all frames. */
  readonly bytes: number;
  /** The batch that was made of this one last. */
  #longer: Batch | undefined;
  #frames: Buffer | undefined;
  #messages: readonly SharedText[] | undefined;

  constructor(before: Batch | undefined, last: SharedText) {
    this.#before = before;
    this.#last = last;
    this.bytes = (before?.bytes ?? 0) + last.frame.byteLength;
  }

  with(message: SharedText): Batch {
    const longer = this.#longer;
    if (longer && longer.#last === message) return longer;
    return (this.#longer = new Batch(this, message));
  }

  /** All frames, one behind the other. Shared: nobody writes to it. */
  get frames(): Buffer {
    if (!this.#before) return this.#last.frame;
    return (this.#frames ??= Buffer.concat(
      this.messages.map(({ frame }) => frame),
      this.bytes,
    ));
  }

  get messages(): readonly SharedText[] {
    return (this.#messages ??= Batch.#listed(this));
  }

  /** Not by recursion: a batch may be thousands of small messages long. */
  static #listed(last: Batch): SharedText[] {
    const messages: SharedText[] = [];
    for (let batch: Batch | undefined = last; batch; batch = batch.#before) messages.push(batch.#last);
    return messages.toReversed();
  }
}

/** RFC 6455, 5.2. */
function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const headerBytes = headerBytesFor(length);
  const frame = Buffer.allocUnsafeSlow(headerBytes + length);
  frame[0] = FIN_TEXT;
  if (headerBytes === 2) frame[1] = length;
  else if (headerBytes === 4) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_64;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
  frame.write(text, headerBytes, "utf8");
  return frame;
}

function payloadOf(frame: Buffer): Buffer {
  const short = frame[1] ?? 0;
  return frame.subarray(short < LENGTH_16 ? 2 : short === LENGTH_16 ? 4 : 10);
}

function headerBytesFor(length: number): number {
  if (length < LENGTH_16) return 2;
  return length <= 0xffff ? 4 : 10;
}
