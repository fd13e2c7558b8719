/**
 * Pipes on uWebSockets.js: the open connection.
 *
 * A WebSocket of uWebSockets.js has no `pause`; an HTTP response has, for the same native socket. Its two functions are
 * called on the WebSocket; `UwsTransport` takes them from the first connection. What they do beside: `pause` stops the
 * socket's idle timer and its waiting writes too, and `resume` sets the timer to ten seconds, until the next byte comes.
 * So a paused pipe is held only while nothing waits to be sent. While something does, what its peer sends meanwhile is
 * kept here, up to a bound, beyond which it is held all the same: a peer that sends without end and reads nothing.
 */
import { MAX_BATCH_BYTES } from "./shared-text.ts";
import type { Pipe, PipeHandler } from "./transport.ts";
import { UwsConnection, type NativeSocket, type Surroundings } from "./uws-connection.ts";

/**
 * Beats for a peer that takes nothing of what was sent to it: enough for one that is busy, and an end to one that is gone.
 */
const MAX_STUCK_BEATS = 20;
/** Kept of a paused peer's bytes beside one message, while bytes for it are leaving. */
const MAX_HELD_BYTES = 1024 * 1024;

/** Shared by all pipes of a transport. */
export interface PipeSurroundings extends Surroundings {
  readonly maxMessageBytes: number;
  readonly hold: (ws: NativeSocket) => void;
  readonly release: (ws: NativeSocket) => void;
}

export class UwsPipe extends UwsConnection<PipeSurroundings> implements Pipe {
  #handler: PipeHandler | undefined;
  /** Not given to uWebSockets.js yet, which copies what it cannot send at once: one message at a time. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #leavingBytes = 0;
  #owesDrained = false;
  #paused = false;
  /** The native socket is paused. */
  #holding = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #stuckBeats = 0;

  attach(handler: PipeHandler): void {
    this.#handler = handler;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#leavingBytes;
  }

  send(message: Uint8Array): void {
    if (!this.open) return;
    this.#queue.push(message);
    this.#queuedBytes += message.byteLength;
    this.#owesDrained = true;
    this.schedule();
  }

  pause(): void {
    if (!this.open || this.#paused) return;
    this.#paused = true;
    this.#holdOrRelease();
  }

  resume(): void {
    if (!this.open || !this.#paused) return;
    this.#paused = false;
    this.schedule();
  }

  received(message: ArrayBuffer): void {
    if (!this.open) return;
    if (message.byteLength > this.surroundings.maxMessageBytes) {
      return this.closeWith(1009, "A message may have fewer bytes.");
    }
    const copy = Buffer.from(new Uint8Array(message));
    if (!this.#paused && this.#held.length === 0) return this.#handler?.message(copy);
    this.#held.push(copy);
    this.#heldBytes += copy.byteLength;
    this.#holdOrRelease();
  }

  alive(): void {}

  /** Silence is not held against it here, where nobody sees the bytes of a message that is still coming. */
  beat(): void {
    if (!this.open) return;
    if (!this.isEmpty()) {
      this.#stuckBeats += 1;
      if (this.#stuckBeats > MAX_STUCK_BEATS) this.close("heartbeat_timeout");
      return;
    }
    this.#stuckBeats = 0;
    // A paused peer is pinged too: writing is how a connection that is gone is noticed when nobody reads.
    this.ws?.ping();
    this.#holdOrRelease();
  }

  override drained(): void {
    this.#stuckBeats = 0;
    super.drained();
  }

  protected override closeWith(code: number, reason: string): void {
    if (!this.open) return;
    // The peer's answer is behind all it sent. Left unread, that would end in a reset, which may overtake the reason.
    this.#release();
    this.#held = [];
    super.closeWith(code, reason);
  }

  protected override isEmpty(): boolean {
    return this.#queue.length === 0 && super.isEmpty();
  }

  protected flush(): void {
    while (this.ws && this.#queue.length > 0 && this.ws.getBufferedAmount() === 0) this.#sendSome(this.ws);
    this.#holdOrRelease();
  }

  /** One large message, or as many small ones as one write takes. */
  #sendSome(ws: NativeSocket): void {
    let count = 0;
    let bytes = 0;
    for (const { byteLength } of this.#queue) {
      if (count > 0 && bytes + byteLength > MAX_BATCH_BYTES) break;
      count += 1;
      bytes += byteLength;
    }
    const messages = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    this.#leavingBytes += bytes;
    const [only] = messages;
    if (only && count === 1) ws.send(only, false);
    else {
      ws.cork(() => {
        for (const message of messages) ws.send(message, false);
      });
    }
  }

  protected settle(): void {
    this.#deliver();
    this.flush();
    if (!this.open || !this.isEmpty()) return;
    this.#leavingBytes = 0;
    if (!this.#owesDrained) return;
    this.#owesDrained = false;
    this.#handler?.drained();
  }

  #deliver(): void {
    while (this.open && !this.#paused) {
      const message = this.#held.shift();
      if (!message) break;
      this.#heldBytes -= message.byteLength;
      this.#handler?.message(message);
    }
    this.#holdOrRelease();
  }

  #holdOrRelease(): void {
    if (!this.ws || !this.open) return;
    const isFull = this.#heldBytes > this.surroundings.maxMessageBytes + MAX_HELD_BYTES;
    const mayHold = this.#paused || this.#held.length > 0;
    if (!mayHold || (!isFull && this.ws.getBufferedAmount() > 0)) return this.#release();
    if (this.#holding) return;
    this.#holding = true;
    this.surroundings.hold(this.ws);
  }

  #release(): void {
    if (!this.#holding || !this.ws) return;
    this.#holding = false;
    this.surroundings.release(this.ws);
    // Its answer ends the ten seconds.
    if (this.open) this.ws.ping();
  }

  protected ended(): void {
    this.#queue = [];
    this.#held = [];
    this.#queuedBytes = this.#leavingBytes = 0;
    this.#handler?.closed();
  }
}
