/**
 * A web site whose pages tell it every trusted DOM event that they see, before the event is over: its one list is the
 * order in which everything happened, of all pages, together with the requests and with what the test itself noted.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { within } from "./inbox.ts";
import { HTML } from "./cdp-site-pages.ts";

interface Held {
  readonly arrived: Promise<ServerResponse>;
  readonly arrive: (response: ServerResponse) => void;
}

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
}

export class RecordingSite {
  readonly url: string;
  /** The same under another host name: a frame from there has a process of its own. */
  readonly otherUrl: string;
  readonly #server: Server;
  readonly #record: string[] = [];
  readonly #held = new Map<string, Held>();
  #waiting: Waiting[] = [];

  static async start(): Promise<RecordingSite> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new RecordingSite(server);
  }

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}`;
    this.otherUrl = `http://localhost:${port}`;
    this.#server = server;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  /**
   * Everything so far. Lines such as `/desk keydown name a`, `/desk mousemove 30,40`, `GET /popup`, and the marks.
   */
  get record(): readonly string[] {
    return this.#record;
  }

  /** Notes a moment. */
  mark(moment: string): void {
    this.#note(`-- ${moment}`);
  }

  /** What happened between two marks, or since one. */
  between(from: string, to?: string): readonly string[] {
    const begin = this.#record.lastIndexOf(`-- ${from}`);
    const end = to === undefined ? this.#record.length : this.#record.lastIndexOf(`-- ${to}`);
    if (begin < 0 || end < 0) throw new Error(`no mark ${begin < 0 ? from : String(to)}`);
    return this.#record.slice(begin + 1, end);
  }

  /** Resolves when this line is on record, now or later. */
  async has(line: string): Promise<void> {
    if (this.#record.includes(line)) return;
    const noted = new Promise<void>((resolve) => this.#waiting.push({ line, resolve }));
    await within(noted, `"${line}" on record (${this.#record.slice(-12).join(" | ")})`);
  }

  clear(): void {
    this.#record.length = 0;
    this.#held.clear();
    this.#waiting = [];
  }

  /** Resolves when somebody asks for `/held/NAME`, which is not answered before `release`. */
  async asked(name: string): Promise<void> {
    await within(this.#hold(name).arrived, `the request for /held/${name}`);
  }

  async release(name: string): Promise<void> {
    const response = await within(this.#hold(name).arrived, `the request for /held/${name}`);
    response.setHeader("content-type", "text/html").end(HTML["/desk"]);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #note(line: string): void {
    this.#record.push(line);
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.line !== line) return true;
      waiting.resolve();
      return false;
    });
  }

  #hold(name: string): Held {
    let held = this.#held.get(name);
    if (!held) {
      let arrive: Held["arrive"] = () => {};
      const arrived = new Promise<ServerResponse>((resolve) => (arrive = resolve));
      held = { arrived, arrive };
      this.#held.set(name, held);
    }
    return held;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? "/", this.url);
    response.on("error", () => {});
    response.setHeader("cache-control", "no-store");
    if (pathname === "/record") {
      this.#note(await body(request));
      return void response.writeHead(204).end();
    }
    this.#note(`${request.method} ${pathname}${search}`);
    const held = /^\/held\/(\w+)$/.exec(pathname)?.[1];
    if (held !== undefined) return this.#hold(held).arrive(response);
    const page = HTML[pathname];
    if (page !== undefined)
      return void response
        .setHeader("content-type", "text/html")
        .end(page.replaceAll("OTHER_URL", this.otherUrl));
    if (pathname === "/worker.js")
      return void response
        .setHeader("content-type", "text/javascript")
        .end("onmessage = ({ data }) => { console.log('worker', data); postMessage('heard'); };");
    if (pathname === "/data" || pathname === "/post") {
      const text = await body(request);
      const session = new URLSearchParams(search).get("session");
      if (session !== null) response.setHeader("set-cookie", `session=${session}; HttpOnly; SameSite=Lax`);
      return void response.setHeader("content-type", "text/plain").end(text || "data");
    }
    response.writeHead(404).end();
  }
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
