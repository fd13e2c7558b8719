/** A client's connection on uWebSockets.js. There are many: it has no closures and no timers of its own. */
import { MAX_BATCH_BYTES, SharedText, type Batch } from "./shared-text.ts";
import type { Socket, SocketHandler } from "./transport.ts";
import { UwsConnection, type Surroundings } from "./uws-connection.ts";
import type { CorkedSends } from "./uws-corked.ts";

const MAX_MISSED_BEATS = 2;
/** What `send` returns when the system took less than all of it. */
const KEPT = 0;

/** Shared by all sockets of a transport. */
export interface SocketSurroundings extends Surroundings {
  readonly corked: CorkedSends<unknown>;
  readonly maxMessageBytes: number;
  readonly maxBufferedBytes: number;
}

export class UwsSocket extends UwsConnection<SocketSurroundings> implements Socket {
  #handler: SocketHandler | undefined;
  #batch: Batch | undefined;
  #flushed: (() => void) | undefined;
  /** Of the binary message that is under way, and of what was sent behind it. */
  #binaryBytes = 0;
  #bytesBehind = 0;
  #missedBeats = 0;

  attach(handler: SocketHandler): void {
    this.#handler = handler;
  }

  send(message: string | SharedText): void {
    if (!this.open) return;
    const shared = typeof message === "string" ? new SharedText(message) : message;
    if (this.#batch) this.#batch = this.#batch.with(shared);
    else {
      this.#batch = shared.alone;
      this.schedule();
    }
    if (this.#batch.bytes > MAX_BATCH_BYTES) this.flush();
  }

  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    if (!this.open) return;
    this.flush();
    if (!this.open) return;
    const earlier = this.#flushed;
    this.#flushed = earlier
      ? () => {
          earlier();
          flushed();
        }
      : flushed;
    this.#binaryBytes += bytes.byteLength;
    this.#bytesBehind = 0;
    this.ws?.send(bytes, true);
    this.schedule();
  }

  received(message: ArrayBuffer, isBinary: boolean): void {
    if (!this.open) return;
    this.#missedBeats = 0;
    if (message.byteLength > this.surroundings.maxMessageBytes) {
      return this.closeWith(1009, "A message may have fewer bytes.");
    }
    if (isBinary) this.#handler?.binary();
    else this.#handler?.text(Buffer.from(message).toString("utf8"));
  }

  alive(): void {
    this.#missedBeats = 0;
  }

  beat(): void {
    if (!this.open) return;
    if (this.#missedBeats >= MAX_MISSED_BEATS) return this.close("heartbeat_timeout");
    this.#missedBeats += 1;
    this.ws?.ping();
  }

  protected flush(): void {
    const batch = this.#batch;
    if (!batch || !this.ws) return;
    this.#batch = undefined;
    this.#bytesBehind += batch.bytes;
    const { messages } = batch;
    const [only] = messages;
    if (only && messages.length === 1) {
      if (this.ws.send(only.payload, false) !== KEPT) return;
    } else this.surroundings.corked.send(this.ws, messages);
    const unsentBytes = this.ws.getBufferedAmount() - this.#binaryBytes;
    if (unsentBytes > this.surroundings.maxBufferedBytes) this.close("slow_consumer");
  }

  protected settle(): void {
    const flushed = this.#flushed;
    if (!flushed || !this.ws || this.ws.getBufferedAmount() > this.#bytesBehind) return;
    this.#flushed = undefined;
    this.#binaryBytes = 0;
    flushed();
  }

  protected ended(): void {
    this.#batch = undefined;
    this.#flushed = undefined;
    this.#handler?.closed();
  }
}
