/**
 * Many viewers of one sandbox's picture: it acknowledges each and tells how late it came. Arguments: how many watch, how
 * many stop to read, and what paces those (`ack` or `none`).
 */
import type { PreviewOptions } from "../../protocol/preview.ts";
import { decodeFrame, FRAME_HEADER_BYTES } from "../../protocol/frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { SANDBOX_ID } from "./client.ts";
import { sharedNow } from "./clock.ts";
import { OPCODE, type Frame } from "./frame-reader.ts";
import { LightSocket } from "./light-socket.ts";
import { serve } from "./processes.ts";
import { within } from "./resources.ts";

/** Handshakes under way at a time. */
const BATCH = 100;
/** Of a message: a picture's header, or the beginning of an answer. */
const HEAD_BYTES = 128;

export type ViewersQuestion =
  /** All come. Those who stall stop to read at once, or, where nothing but the socket paces them, one after the other. */
  | { readonly do: "watch"; readonly url: string }
  /** Answered with `Seen`: what was sent between these moments, by the system's clock. Pictures before them are forgotten. */
  | { readonly do: "tell"; readonly from: number; readonly to: number };

export interface Seen {
  /** Of each of the viewers that read. */
  readonly pictures: readonly number[];
  /** Of each of those pictures: milliseconds on its way. */
  readonly lateMs: readonly number[];
}

class Viewer {
  readonly pacing: NonNullable<PreviewOptions["pacing"]>;
  /** Pictures until it stops to read. */
  #patience: number;
  readonly #socket: LightSocket;
  readonly #started: () => void;
  readonly started: Promise<void>;
  /** When each picture was sent, and how long it was on its way. */
  arrived: { readonly sentAt: number; readonly lateMs: number }[] = [];

  constructor(url: string, index: number, patience: number, pacing: Viewer["pacing"]) {
    this.pacing = pacing;
    this.#patience = patience;
    let started = (): void => {};
    let failed: (error: Error) => void = () => {};
    this.started = new Promise((resolve, reject) => {
      started = resolve;
      failed = reject;
    });
    this.#started = started;
    const handler = {
      opened: () => this.#opened(`v${index}`),
      message: (frame: Frame) => this.#receive(frame),
      closed: (why: string) => failed(new Error(`viewer ${index}: ${why}`)),
    };
    this.#socket = new LightSocket(url, handler, { headBytes: HEAD_BYTES });
  }

  cut(): void {
    this.#socket.cut();
  }

  #opened(name: string): void {
    const to = { sandboxId: SANDBOX_ID };
    this.#socket.send(
      { type: "hello", version: PROTOCOL_VERSION, role: "viewer", name },
      { type: "sandbox.join", id: "join", ...to },
      { type: "preview.start", id: "watch", ...to, pacing: this.pacing },
    );
  }

  #receive({ opcode, head }: Frame): void {
    if (opcode === OPCODE.binary) return this.#picture(head);
    const text = head.toString("latin1");
    if (text.startsWith('{"type":"error"')) throw new Error(`the gateway answered a viewer ${text}`);
    if (!text.startsWith('{"type":"preview.started"')) return;
    if (this.#patience === 0) this.#socket.stall();
    this.#started();
  }

  #picture(head: Buffer): void {
    const header = decodeFrame(head.subarray(0, FRAME_HEADER_BYTES))?.header;
    if (!header) throw new Error("the gateway sent a binary message that is not a frame");
    this.#patience -= 1;
    if (this.#patience === 0) this.#socket.stall();
    // The stub says by the system's clock when it sent it.
    const sentAt = header.capturedAt;
    this.arrived.push({ sentAt, lateMs: sharedNow() - sentAt });
    if (this.pacing === "ack")
      this.#socket.send({ type: "preview.ack", sandboxId: SANDBOX_ID, seq: header.seq });
  }
}

serve(async ([watching = "0", stalled = "0", pacing = "ack"]) => {
  const viewers: Viewer[] = [];
  const reading = Number(watching);
  const all = reading + Number(stalled);
  return {
    info: {},
    answer: async (question) => {
      const asked = question as ViewersQuestion;
      switch (asked.do) {
        case "watch":
          while (viewers.length < all) {
            const batch = Array.from({ length: Math.min(BATCH, all - viewers.length) }, (_, index) => {
              const number = viewers.length + index;
              if (number < reading) return new Viewer(asked.url, number, Infinity, "ack");
              // So that no two are left with the same picture.
              if (pacing === "none") return new Viewer(asked.url, number, number - reading + 1, "none");
              return new Viewer(asked.url, number, 0, "ack");
            });
            viewers.push(...batch);
            await within(Promise.all(batch.map(({ started }) => started)), "the viewers' start");
          }
          return all;
        case "tell": {
          const { from, to } = asked;
          const counted = viewers
            .slice(0, reading)
            .map(({ arrived }) => arrived.filter(({ sentAt }) => sentAt >= from && sentAt < to));
          for (const viewer of viewers) viewer.arrived = [];
          const lateMs = counted.flatMap((arrived) => arrived.map((each) => each.lateMs));
          return { pictures: counted.map(({ length }) => length), lateMs } satisfies Seen;
        }
      }
    },
    close: async () => {
      for (const viewer of viewers) viewer.cut();
    },
  };
});
