/** The reference for a real browser: nothing between it and whoever measures but one WebSocket. */
import { once } from "node:events";
import type { Protocol } from "devtools-protocol";
import { WebSocket } from "ws";
import { within, type Resources } from "./resources.ts";

interface Incoming {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Where Chromium, and whoever passes its bytes on, begins an answer. */
const ANSWER_START = /^\{"id":(\d+),"(result|error)"/;
/** Enough of a message for that. */
const START_BYTES = 32;

export class CdpClient {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  /** Those who want the answer's bytes. */
  readonly #unread = new Map<number, Pending>();
  #sessionId: string | undefined;
  #lastId = 0;
  #onFrame: ((at: number) => void) | undefined;

  /** Attached to the browser's first page. */
  static async attach(resources: Resources, cdpUrl: string): Promise<CdpClient> {
    const socket = new WebSocket(cdpUrl, { perMessageDeflate: false });
    const client = new CdpClient(socket);
    resources.onClose(() => socket.terminate());
    await within(once(socket, "open"), "the connection to the browser");
    const { targetInfos } = await client.send<Protocol.Target.GetTargetsResponse>("Target.getTargets");
    const targetId = targetInfos.find(({ type }) => type === "page")?.targetId;
    const params = { targetId, flatten: true };
    const attached = await client.send<Protocol.Target.AttachToTargetResponse>(
      "Target.attachToTarget",
      params,
    );
    client.#sessionId = attached.sessionId;
    await client.send("Page.enable");
    return client;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#receive(data, performance.now()));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the browser closed the connection")));
  }

  send<T = unknown>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#sessionId }));
    return within(answer, `the browser's answer to ${method}`) as Promise<T>;
  }

  /**
   * The same without reading the answer, and with no limit to the time it takes: what is measured is its way.
   * Resolves to the number of the answer's bytes.
   */
  ask(method: string, params: object = {}): Promise<number> {
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#unread.set(id, { resolve, reject }));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#sessionId }));
    return answer as Promise<number>;
  }

  /** Reads no more of what comes; the connection stays. */
  stall(): void {
    this.#socket.pause();
  }

  leave(): void {
    this.#socket.terminate();
  }

  /** Each frame is decoded and acknowledged at once. */
  async watch(quality: number, onFrame: (at: number) => void): Promise<void> {
    this.#onFrame = onFrame;
    await this.send("Page.startScreencast", { format: "jpeg", quality });
  }

  async unwatch(): Promise<void> {
    await this.send("Page.stopScreencast");
    this.#onFrame = undefined;
  }

  #receive(data: Buffer, at: number): void {
    if (this.#unread.size > 0 && this.#isUnread(data)) return;
    const message = JSON.parse(data.toString("utf8")) as Incoming;
    if (message.method === "Page.screencastFrame") {
      const frame = message.params as Protocol.Page.ScreencastFrameEvent;
      const jpeg = Buffer.from(frame.data, "base64");
      if (jpeg.length > 0) this.#onFrame?.(at);
      this.send("Page.screencastFrameAck", { sessionId: frame.sessionId }).catch(() => {});
    }
    const pending = this.#pending.get(message.id ?? 0);
    if (!pending) return;
    this.#pending.delete(message.id ?? 0);
    if (message.error) pending.reject(new Error(`the browser refused: ${message.error.message}`));
    else pending.resolve(message.result);
  }

  #isUnread(data: Buffer): boolean {
    const [, id, kind] = ANSWER_START.exec(data.toString("latin1", 0, START_BYTES)) ?? [];
    const asked = this.#unread.get(Number(id));
    if (!asked) return false;
    this.#unread.delete(Number(id));
    if (kind === "result") asked.resolve(data.length);
    else asked.reject(new Error(`the browser refused: ${data.toString("utf8")}`));
    return true;
  }

  #fail(error: Error): void {
    for (const { reject } of [...this.#pending.values(), ...this.#unread.values()]) reject(error);
    this.#pending.clear();
    this.#unread.clear();
  }
}
