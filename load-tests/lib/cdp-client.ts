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

export class CdpClient {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
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

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
