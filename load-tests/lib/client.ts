/** A client on a bare WebSocket: it adds as little as possible of its own to what is measured. */
import { once } from "node:events";
import { WebSocket } from "ws";
import type { DownMessage } from "../../protocol/down.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import type { PreviewOptions } from "../../protocol/preview.ts";
import type { Role, SandboxEvent } from "../../protocol/sandbox.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { within, type Resources } from "./resources.ts";

export const SANDBOX_ID = "bench";
export const PERSON = "bench";

type Call = Extract<UpMessage, { id: string }>;
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

interface Pending {
  readonly resolve: (message: DownMessage) => void;
  readonly reject: (error: Error) => void;
}

export interface Seen {
  readonly event: SandboxEvent;
  /** `performance.now()` of the event's arrival. */
  readonly at: number;
}

interface Waiting {
  readonly check: (event: SandboxEvent) => boolean;
  readonly resolve: (seen: Seen) => void;
  readonly reject: (error: Error) => void;
}

export class Client {
  /** Gets each binary message, and `performance.now()` of its arrival. */
  onBinary: ((bytes: Buffer, at: number) => void) | undefined;
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();
  readonly #waiting = new Set<Waiting>();
  #calls = 0;
  #failed: Error | undefined;

  static async open(resources: Resources, url: string, protocols: string[] = []): Promise<Client> {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
    const client = new Client(socket);
    resources.onClose(() => socket.terminate());
    await within(once(socket, "open"), `the WebSocket handshake with ${url}`);
    return client;
  }

  /** A client of the gateway that is greeted and in the sandbox. */
  static async join(resources: Resources, gatewayUrl: string, role: Role = "operator"): Promise<Client> {
    const address = `${gatewayUrl.replace(/^http/, "ws")}/v1/connect`;
    const client = await Client.open(resources, address, [SUBPROTOCOL]);
    client.send({ type: "hello", version: PROTOCOL_VERSION, role, name: PERSON });
    await client.call({ type: "sandbox.join", sandboxId: SANDBOX_ID });
    return client;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      const at = performance.now();
      if (isBinary) this.onBinary?.(data, at);
      else this.#receive(JSON.parse(data.toString("utf8")) as DownMessage, at);
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", (code, reason) =>
      this.#fail(new Error(`the socket closed with ${code} ${reason.toString()}`)),
    );
  }

  /** Returns `performance.now()` of the moment before it was handed to the socket. */
  send(message: UpMessage): number {
    const text = JSON.stringify(message);
    const at = performance.now();
    this.#socket.send(text);
    return at;
  }

  /** Resolves with the answer; rejects when it is an error. */
  call(message: WithoutId<Call> | WithoutId<Extract<UpMessage, { type: "input" }>>): Promise<DownMessage> {
    if (this.#failed) return Promise.reject(this.#failed);
    this.#calls += 1;
    const id = `c${this.#calls}`;
    const answer = new Promise<DownMessage>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.send({ ...message, id });
    return within(answer, `the answer to ${message.type}`);
  }

  /** The next event that satisfies `check`. */
  next(what: string, check: (event: SandboxEvent) => boolean): Promise<Seen> {
    if (this.#failed) return Promise.reject(this.#failed);
    const seen = new Promise<Seen>((resolve, reject) => this.#waiting.add({ check, resolve, reject }));
    return within(seen, `the event ${what}`);
  }

  /** Takes control, and returns once an input has reached the browser. */
  async drive(): Promise<void> {
    await this.call({ type: "control.take", sandboxId: SANDBOX_ID, controller: PERSON });
    await this.call(move(1, 1));
  }

  /** Starts the frames. `onFrame` gets each one's arrival; it is acknowledged after that. */
  async watch(options: PreviewOptions, onFrame: (at: number) => void): Promise<void> {
    this.onBinary = (bytes, at) => {
      const frame = decodeFrame(bytes);
      if (!frame)
        throw new Error("the gateway sent a binary message that is not a frame; compare protocol/frame.ts");
      onFrame(at);
      this.send({ type: "preview.ack", sandboxId: SANDBOX_ID, seq: frame.header.seq });
    };
    await this.call({ type: "preview.start", sandboxId: SANDBOX_ID, ...options });
  }

  async unwatch(): Promise<void> {
    await this.call({ type: "preview.stop", sandboxId: SANDBOX_ID });
    this.onBinary = undefined;
  }

  #receive(message: DownMessage, at: number): void {
    if (message.type === "event") return this.#tell(message.event, at);
    const id = "id" in message ? message.id : undefined;
    const pending = this.#pending.get(id ?? "");
    if (message.type === "error") {
      const error = new Error(`the gateway answered ${message.code}: ${message.message}`);
      // An error without an id is about a message that expected no answer: what is measured never arrives.
      if (pending) pending.reject(error);
      else this.#fail(error);
    } else pending?.resolve(message);
    this.#pending.delete(id ?? "");
  }

  #tell(event: SandboxEvent, at: number): void {
    for (const waiting of this.#waiting) {
      if (!waiting.check(event)) continue;
      this.#waiting.delete(waiting);
      waiting.resolve({ event, at });
    }
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const pending of [...this.#pending.values(), ...this.#waiting]) pending.reject(error);
    this.#pending.clear();
    this.#waiting.clear();
  }
}

export function move(x: number, y: number) {
  return {
    type: "input" as const,
    sandboxId: SANDBOX_ID,
    events: [{ kind: "mouse" as const, action: "move" as const, x, y }],
  };
}

/** Creates the sandbox that the clients join; without an address, one that has no browser. */
export async function createSandbox(gatewayUrl: string, cdpUrl?: string): Promise<void> {
  const response = await fetch(`${gatewayUrl}/v1/sandboxes`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sandboxId: SANDBOX_ID, ...(cdpUrl !== undefined && { browser: { cdpUrl } }) }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok)
    throw new Error(`creating the sandbox was answered ${response.status}: ${await response.text()}`);
}
