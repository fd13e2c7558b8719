/**
 * Sockets for the SDK that find a living node, and write down what passes over them: the history holds what the
 * gateways said, not what the SDK made of it.
 */
import { WebSocket } from "ws";
import type { DownMessage } from "../../protocol/down.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { UpMessage } from "../../protocol/up.ts";
import type { SocketConstructor } from "../../src/sdk/api.ts";
import type { History } from "./history.ts";

/** A node that does not greet by then counts as dead: a paused one takes connections, and never answers. */
const GREETING_MS = 1_500;
/** Who had to go to another node returns after this long, so that both stay in use. */
const AWAY_MS = 4_000;

export interface WireNode {
  readonly name: string;
  readonly url: string;
}

export interface WireOptions {
  readonly actor: string;
  readonly nodes: readonly WireNode[];
  /** Where this actor belongs; it goes elsewhere only while nobody answers there. */
  readonly home: number;
  readonly history: History;
  /** Sends input without the epoch that the SDK puts in: an agent that does not care whose turn it is. */
  readonly rogue?: boolean;
  /** For whom the gateway takes the input: the agent, or a person by name. */
  readonly hand: string;
}

export class Wire {
  readonly WebSocket: SocketConstructor;
  readonly #options: WireOptions;
  /** Of unanswered input, by message id. */
  readonly #tags = new Map<string, string>();
  /** Handoffs of unanswered claims, by message id. */
  readonly #claims = new Map<string, string>();
  #socket: WebSocket | undefined;
  #sockets = 0;
  /** Connections in a row that were not greeted. */
  #failures = 0;
  #closed = false;

  constructor(options: WireOptions) {
    this.#options = options;
    this.WebSocket = socketClass(this);
  }

  /** Cuts the connection as a broken network does: no close frame. */
  cut(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#closed = true;
    this.cut();
  }

  nextNode(): { node: WireNode; away: boolean } {
    const { nodes, home } = this.#options;
    // Each node is given two chances before the next one is asked.
    const steps = Math.floor(this.#failures / 2) % nodes.length;
    const node = nodes[(home + steps) % nodes.length];
    if (!node) throw new Error("there is no node to connect to");
    return { node, away: steps > 0 };
  }

  opened(socket: WebSocket): number {
    this.#socket = socket;
    this.#sockets += 1;
    return this.#sockets;
  }

  ended(socket: WebSocket, greeted: boolean): void {
    if (socket !== this.#socket) return;
    this.#failures = greeted ? 0 : this.#failures + 1;
    this.#tags.clear();
    this.#claims.clear();
  }

  sent(message: UpMessage, socket: number, node: WireNode): string {
    const { history, actor, rogue, hand } = this.#options;
    if (message.type === "sandbox.join") {
      const { id, since } = message;
      history.add({ kind: "join", actor, socket, id, ...(since && { since }) });
    }
    if (message.type === "resume.claim") this.#claims.set(message.id, message.requestId);
    if (message.type !== "input") return JSON.stringify(message);
    const { epoch, ...rest } = message;
    const [event] = message.events;
    if (event?.kind === "text") {
      const tag = event.text;
      const known = rogue === true || epoch === undefined ? {} : { epoch };
      history.add({ kind: "input", tag, hand, node: node.name, ...known });
      if (message.id !== undefined) this.#tags.set(message.id, tag);
    }
    return JSON.stringify(rogue === true ? rest : message);
  }

  received(message: DownMessage, socket: number, { name: node }: WireNode): void {
    if (this.#closed) return;
    const { history, actor } = this.#options;
    if (message.type === "event") {
      history.add({ kind: "event", actor, socket, node, event: message.event });
    } else if (message.type === "sandbox.joined") {
      const { id, position, snapshot } = message;
      history.add({ kind: "joined", actor, socket, node, id, position, ...(snapshot && { snapshot }) });
    } else if (message.type === "resume.prompt") {
      history.add({ kind: "prompt", actor, node, requestId: message.requestId });
    } else if ((message.type === "done" || message.type === "error") && message.id !== undefined) {
      this.#answered(message.id, message.type === "error" ? message.code : undefined, node);
    }
  }

  /** @param code of the refusal, if it was one */
  #answered(id: string, code: ErrorCode | undefined, node: string): void {
    const { history, actor } = this.#options;
    const tag = this.#tags.get(id);
    const requestId = this.#claims.get(id);
    this.#tags.delete(id);
    this.#claims.delete(id);
    if (tag !== undefined && code === undefined) history.add({ kind: "input.done", tag });
    else if (tag !== undefined && code !== undefined) history.add({ kind: "input.refused", tag, code });
    else if (requestId !== undefined)
      history.add({ kind: "claimed", actor, node, requestId, ...(code !== undefined && { code }) });
  }
}

function socketClass(wire: Wire): SocketConstructor {
  return class extends WebSocket {
    readonly #number: number;
    readonly #node: WireNode;

    constructor(address: string, protocols: string[]) {
      const { node, away } = wire.nextNode();
      const url = new URL(address);
      url.port = new URL(node.url).port;
      super(url, protocols, { handshakeTimeout: GREETING_MS });
      this.#node = node;
      this.#number = wire.opened(this);
      const dead = setTimeout(() => this.terminate(), GREETING_MS);
      const home = away ? setTimeout(() => this.terminate(), AWAY_MS) : undefined;
      let greeted = false;
      this.on("message", (data: Buffer, isBinary: boolean) => {
        if (isBinary) return;
        const message = JSON.parse(data.toString("utf8")) as DownMessage;
        if (message.type === "welcome") {
          greeted = true;
          clearTimeout(dead);
        }
        wire.received(message, this.#number, node);
      });
      this.once("close", () => {
        clearTimeout(dead);
        clearTimeout(home);
        wire.ended(this, greeted);
      });
    }

    override send(data: unknown): void {
      super.send(wire.sent(JSON.parse(String(data)) as UpMessage, this.#number, this.#node));
    }
  };
}
