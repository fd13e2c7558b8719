/** Somebody in Chromium's place: takes agents' connections, and answers each command as Chromium's form has it. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { shown } from "./violation.ts";

interface Command {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
}

/** The one page that every browser here has. */
export const TARGET_ID = "FAKE1";
const TARGET = {
  targetId: TARGET_ID,
  type: "page",
  title: "t",
  url: "https://page.example/",
  attached: true,
  canAccessOpener: false,
};
const CONTEXT = {
  id: 1,
  origin: "https://page.example",
  name: "",
  uniqueId: "1.1",
  auxData: { isDefault: true, type: "default", frameId: "F" },
};
const REQUEST = {
  url: "https://page.example/x",
  method: "GET",
  headers: {},
  initialPriority: "High",
  referrerPolicy: "origin",
};
/** Sessions of one connection; later ones replace none, they are refused. */
const MAX_SESSIONS = 50;

export class CdpUpstream {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #peers = new Map<string, Set<Peer>>();
  readonly #faults: string[] = [];

  static async listen(): Promise<CdpUpstream> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CdpUpstream(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({ server, perMessageDeflate: false });
    this.#sockets.on("connection", (socket, request) => {
      const name = request.url?.split("/").at(-1) ?? "";
      const peers = this.#peers.get(name) ?? new Set();
      const peer = new Peer(socket, (what) => this.#faults.push(what));
      this.#peers.set(name, peers.add(peer));
      socket.on("error", () => {});
      socket.once("close", () => {
        peers.delete(peer);
        if (peers.size === 0) this.#peers.delete(name);
      });
    });
  }

  get connections(): number {
    return [...this.#peers.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Something that the sandbox's browser says by itself. */
  say(sandboxId: string, text: string): void {
    for (const peer of this.#peers.get(sandboxId) ?? []) peer.say(text);
  }

  /** What came here and should not have, since the last call. */
  takeFaults(): string[] {
    return this.#faults.splice(0);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

class Peer {
  readonly #socket: WebSocket;
  /** Sessions, each with the one that it was attached through. */
  readonly #sessions = new Map<string, string | undefined>();
  #last = 0;

  constructor(socket: WebSocket, wrong: (what: string) => void) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      let command: Command;
      try {
        // Chromium takes control characters in strings as they are.
        command = JSON.parse(text.replaceAll(/\p{Cc}/gu, " ")) as Command;
      } catch {
        return wrong(`the gate let something pass that is no command: ${shown(text)}`);
      }
      this.#command(command);
    });
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  #write(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  #event(method: string, params: object, sessionId?: string): void {
    this.#write({ method, params, ...(sessionId !== undefined && { sessionId }) });
  }

  #command({ id, method, params = {}, sessionId }: Command): void {
    const answer = (result: object): void =>
      this.#write({ id, result, ...(sessionId !== undefined && { sessionId }) });
    if (sessionId !== undefined && !this.#sessions.has(sessionId))
      return this.#write({
        id,
        error: { code: -32_001, message: "Session with given id not found." },
        sessionId,
      });
    switch (method) {
      case "Target.attachToTarget": {
        const session = this.#attach(sessionId);
        return answer(session === undefined ? {} : { sessionId: session });
      }
      case "Target.setAutoAttach":
        if (params.autoAttach === true) this.#attach(sessionId);
        return answer({});
      case "Target.detachFromTarget": {
        const gone = String(params.sessionId);
        if (!this.#sessions.has(gone) || this.#sessions.get(gone) !== sessionId)
          return this.#write({
            id,
            error: { code: -32_602, message: "No session with given id" },
            ...(sessionId !== undefined && { sessionId }),
          });
        this.#detach(gone);
        return answer({});
      }
      case "Target.getTargets":
        return answer({ targetInfos: [TARGET] });
      case "Target.setDiscoverTargets":
        this.#event("Target.targetCreated", { targetInfo: TARGET });
        return answer({});
      case "Runtime.enable":
        this.#event("Runtime.executionContextCreated", { context: CONTEXT }, sessionId);
        return answer({});
      case "Runtime.evaluate":
      case "Runtime.callFunctionOn":
        return answer({ result: { type: "object", objectId: "1", value: true } });
      case "Network.enable":
        this.#event("Network.requestWillBeSent", { requestId: "N1", request: REQUEST }, sessionId);
        return answer({});
      case "Fetch.enable":
        this.#last += 1;
        this.#event(
          "Fetch.requestPaused",
          { requestId: `P${this.#last}`, request: REQUEST, frameId: "F" },
          sessionId,
        );
        return answer({});
      case "Page.navigate":
        this.#event("Runtime.executionContextsCleared", {}, sessionId);
        this.#event("Runtime.executionContextCreated", { context: CONTEXT }, sessionId);
        return answer({ frameId: "F", loaderId: "L" });
      case "Browser.getVersion":
        return answer({
          protocolVersion: "1.3",
          product: "Fuzz/1",
          revision: "@1",
          userAgent: "Fuzz",
          jsVersion: "1",
        });
      default:
        return answer({});
    }
  }

  #attach(parent: string | undefined): string | undefined {
    if (this.#sessions.size >= MAX_SESSIONS) return undefined;
    this.#last += 1;
    const sessionId = `S${this.#last}`;
    this.#sessions.set(sessionId, parent);
    this.#event(
      "Target.attachedToTarget",
      { sessionId, targetInfo: TARGET, waitingForDebugger: false },
      parent,
    );
    return sessionId;
  }

  /** With what was attached through it. */
  #detach(sessionId: string): void {
    for (const [child, parent] of this.#sessions) if (parent === sessionId) this.#detach(child);
    const parent = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    this.#event("Target.detachedFromTarget", { sessionId, targetId: TARGET_ID }, parent);
  }
}
