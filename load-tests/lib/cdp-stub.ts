/**
 * A browser that costs nothing: it speaks as much CDP as a client needs to attach to one page, answers every command
 * at once, and tells when a command arrived. Its screenshots are large, and its heap snapshot is as large as asked.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { Resources } from "./resources.ts";

const TARGET = { targetId: "page", type: "page", title: "Stub", url: "about:blank", attached: false };
const SESSION_ID = "session";
/** Base64 characters of a screenshot. */
const PICTURE_BYTES = 4_000_000;
/** The same of one event of a heap snapshot. Chromium's are of about this size. */
const CHUNK_BYTES = 100_000;

/** The last of a frame's metadata. */
const TIMESTAMP = '"timestamp":';
/** So long that it is as many digits whatever the time is. */
const TIMESTAMP_BYTES = 24;

interface Command {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
}

export interface Arrival {
  /** `performance.now()` of this process, taken before the message was parsed. */
  readonly at: number;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Snapshot {
  /** Bytes that have left for the operating system so far. */
  readonly sentBytes: () => number;
  /** Resolves when all is sent and the command answered, or the connection has closed. */
  readonly ended: Promise<void>;
}

export class CdpStub {
  /** How much a heap snapshot is. */
  snapshotBytes = 0;
  readonly url: string;
  readonly #waiting = new Map<string, (arrival: Arrival) => void>();
  #casting: WebSocket | undefined;
  #snapshot: ((snapshot: Snapshot) => void) | undefined;

  static async start(resources: Resources): Promise<CdpStub> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    resources.onClose(() => {
      for (const client of server.clients) client.terminate();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    });
    await once(server, "listening");
    return new CdpStub(server);
  }

  private constructor(server: WebSocketServer) {
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/devtools/browser/stub`;
    server.on("connection", (socket) => {
      socket.on("message", (data: Buffer) => this.#receive(socket, data));
    });
  }

  /** The next command of this name that comes in. One wait per name at a time. */
  next(method: string): Promise<Arrival> {
    return new Promise((resolve) => this.#waiting.set(method, resolve));
  }

  /** Resolves when a client has asked for a heap snapshot, which is then under way. */
  nextSnapshot(): Promise<Snapshot> {
    return new Promise((resolve) => (this.#snapshot = resolve));
  }

  /** Text of a frame event for `sendFrame`, so that building it is not part of the measurement. */
  static frame(jpeg: Buffer): Buffer {
    const metadata = {
      offsetTop: 0,
      pageScaleFactor: 1,
      deviceWidth: 1280,
      deviceHeight: 800,
      scrollOffsetX: 0,
      scrollOffsetY: 0,
      timestamp: Date.now() / 1_000,
    };
    const params = { data: jpeg.toString("base64"), metadata, sessionId: 1 };
    return Buffer.from(JSON.stringify({ method: "Page.screencastFrame", params, sessionId: SESSION_ID }));
  }

  /**
   * The same for any moment: what it returns writes that, in milliseconds, where a browser says when it composed the
   * picture. It is the same buffer each time.
   */
  static datedFrame(jpeg: Buffer): (at: number) => Buffer {
    const text = CdpStub.frame(jpeg).toString("latin1");
    const start = text.indexOf(TIMESTAMP) + TIMESTAMP.length;
    const end = text.indexOf("}", start);
    const frame = Buffer.from(text.slice(0, start) + "0".repeat(TIMESTAMP_BYTES) + text.slice(end));
    return (at) => {
      const seconds = at / 1_000;
      const decimals = TIMESTAMP_BYTES - 1 - Math.floor(seconds).toString().length;
      frame.write(seconds.toFixed(decimals), start, "latin1");
      return frame;
    };
  }

  /** Sends to whoever started a screencast last; returns `performance.now()` of the moment before. */
  sendFrame(frame: Buffer): number {
    if (!this.#casting) throw new Error("nobody started a screencast; wait for Page.startScreencast first");
    const at = performance.now();
    this.#casting.send(frame, { binary: false });
    return at;
  }

  #receive(socket: WebSocket, data: Buffer): void {
    const at = performance.now();
    const { id, method, params = {}, sessionId } = JSON.parse(data.toString("utf8")) as Command;
    const send = (message: object): void => socket.send(JSON.stringify(message));
    // In Chromium, too, these events come before the answer.
    if (method === "Target.setDiscoverTargets") {
      send({ method: "Target.targetCreated", params: { targetInfo: TARGET } });
    } else if (method === "Target.attachToTarget") {
      const targetInfo = { ...TARGET, attached: true };
      const attached = { sessionId: SESSION_ID, targetInfo, waitingForDebugger: false };
      send({ method: "Target.attachedToTarget", params: attached });
    } else if (method === "Page.startScreencast") {
      this.#casting = socket;
    }
    const address = { ...(sessionId !== undefined && { sessionId }) };
    if (method === "HeapProfiler.takeHeapSnapshot") {
      this.#snapshot?.(
        streamSnapshot(socket, this.snapshotBytes, () => send({ id, result: {}, ...address })),
      );
    } else if (method === "Page.captureScreenshot") {
      socket.send(withPicture(JSON.stringify({ id, result: { data: "" }, ...address })), { binary: false });
    } else {
      send({ id, result: resultOf(method), ...address });
    }
    const waiting = this.#waiting.get(method);
    this.#waiting.delete(method);
    waiting?.({ at, params });
  }
}

function resultOf(method: string): object {
  switch (method) {
    case "Target.attachToTarget":
      return { sessionId: SESSION_ID };
    case "Target.getTargets":
      return { targetInfos: [TARGET] };
    case "Target.getTargetInfo":
      return { targetInfo: TARGET };
    case "Runtime.evaluate":
      return { result: { type: "string", value: "visible" } };
    case "Page.getNavigationHistory":
      return { currentIndex: 0, entries: [{ id: 0, url: TARGET.url, title: TARGET.title }] };
    default:
      return {};
  }
}

/** The text with the picture in its empty string: written as bytes, since making JSON of it takes longer than its way. */
function withPicture(text: string): Buffer {
  const at = text.indexOf('""') + 1;
  return Buffer.concat([Buffer.from(text.slice(0, at)), PICTURE, Buffer.from(text.slice(at))]);
}

const PICTURE = Buffer.alloc(PICTURE_BYTES, "A");

/** Sends as fast as the other side reads: the next event when the last one has left. */
function streamSnapshot(socket: WebSocket, totalBytes: number, answer: () => void): Snapshot {
  const params = { chunk: "A".repeat(CHUNK_BYTES) };
  const event = Buffer.from(
    JSON.stringify({ method: "HeapProfiler.addHeapSnapshotChunk", params, sessionId: SESSION_ID }),
  );
  const closed = once(socket, "close");
  let sentBytes = 0;
  const stream = async (): Promise<void> => {
    while (sentBytes < totalBytes && socket.readyState === socket.OPEN) {
      const left = new Promise<void>((resolve) => socket.send(event, { binary: false }, () => resolve()));
      await Promise.race([left, closed]);
      sentBytes += event.length;
    }
    if (socket.readyState === socket.OPEN) answer();
  };
  return { sentBytes: () => sentBytes, ended: stream() };
}
