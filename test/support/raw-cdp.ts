/** A CDP client that sends whatever a test wants, well-formed or not. */
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { Inbox, WAIT_MS, within } from "./inbox.ts";

export interface CdpAnswer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

export class RawCdp {
  readonly socket: WebSocket;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Whatever is no event. */
  readonly #answers = new Inbox<CdpAnswer>();
  readonly #events = new Inbox<CdpAnswer>();
  #lastId = 0;

  /** @param url `ws:`, of a gateway or of Chromium. It ends with the test. */
  static async open(url: string): Promise<RawCdp> {
    const client = await RawCdp.openForAll(url);
    onTestFinished(() => client.socket.terminate());
    return client;
  }

  /** The same for all tests of a file. */
  static async openForAll(url: string): Promise<RawCdp> {
    const client = new RawCdp(url);
    await within(once(client.socket, "open"), "the CDP handshake");
    return client;
  }

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 256 * 1024 * 1024 });
    this.socket.on("message", (bytes: Buffer) => {
      const message = JSON.parse(bytes.toString("utf8")) as CdpAnswer;
      (message.method === undefined ? this.#answers : this.#events).put(message);
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        this.#answers.end(`the socket was closed with ${code} ${reason.toString()}`);
        this.#events.end(`the socket was closed with ${code} ${reason.toString()}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Every answer and event that came, taken or not. */
  get received(): readonly CdpAnswer[] {
    return [...this.#answers.all, ...this.#events.all];
  }

  raw(bytes: string | Uint8Array, binary = typeof bytes !== "string"): void {
    this.socket.send(bytes, { binary });
  }

  /** Sends with an id of its own, which it returns. */
  post(method: string, params?: object, sessionId?: string): number {
    this.#lastId += 1;
    const id = this.#lastId;
    this.raw(
      JSON.stringify({
        id,
        method,
        ...(params && { params }),
        ...(sessionId !== undefined && { sessionId }),
      }),
    );
    return id;
  }

  /** The answer to this id, refused or not. */
  answer(id: number | undefined, timeoutMs = WAIT_MS): Promise<CdpAnswer> {
    return this.#answers.take(`answer to ${id}`, (message) => message.id === id, timeoutMs);
  }

  call(method: string, params?: object, sessionId?: string): Promise<CdpAnswer> {
    return this.answer(this.post(method, params, sessionId));
  }

  /** The result of a command that must succeed. */
  async done(
    method: string,
    params?: object,
    sessionId?: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { result, error } = await this.call(method, params, sessionId);
    if (!result) throw new Error(`${method} was refused: ${JSON.stringify(error)}`);
    return result;
  }

  /** The error of a command that must be refused. */
  async refused(
    method: string,
    params?: object,
    sessionId?: string,
  ): Promise<NonNullable<CdpAnswer["error"]>> {
    const { result, error } = await this.call(method, params, sessionId);
    if (!error) throw new Error(`${method} was answered: ${JSON.stringify(result)}`);
    return error;
  }

  event(method: string, wants: (message: CdpAnswer) => boolean = () => true): Promise<CdpAnswer> {
    return this.#events.take(method, (message) => message.method === method && wants(message));
  }

  /** A round trip: what was sent before has been read, and the socket works. */
  async sync(): Promise<void> {
    await this.call("Browser.getVersion");
  }

  /** Attaches to a page. @returns the session */
  async attach(targetId: string): Promise<string> {
    const { sessionId } = await this.done("Target.attachToTarget", { targetId, flatten: true });
    return String(sessionId);
  }

  async evaluate(expression: string, sessionId?: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.done(
      "Runtime.evaluate",
      { expression, returnByValue: true },
      sessionId,
    );
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value?: unknown }).value;
  }

  closing(): Promise<{ readonly code: number; readonly reason: string }> {
    return within(this.closed, "the close");
  }

  cut(): void {
    this.socket.terminate();
  }
}
