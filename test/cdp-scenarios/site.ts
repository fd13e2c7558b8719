/** A web site that scripts are run against. It keeps a record of what its pages saw and of what it was asked. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { within } from "../support/inbox.ts";
import { PAGES, SCRIPTS } from "./pages.ts";

/** A trusted DOM event. `on`: id of the target, else its tag. */
export interface Recorded {
  readonly page: string;
  readonly event: string;
  readonly on: string;
  readonly key?: string;
  readonly button?: number;
  /** Modifier keys, such as `ctrl+shift`. */
  readonly held?: string;
  readonly value?: string | boolean;
}

/** What `/private` wants. */
export const ACCOUNT = { username: "baton", password: "relay" } as const;

interface Held {
  readonly arrived: Promise<ServerResponse>;
  readonly arrive: (response: ServerResponse) => void;
}

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

export class ScenarioSite {
  readonly url: string;
  /** The same pages under another host name, so that its frames get a process of their own. */
  readonly otherUrl: string;
  readonly #servers: readonly Server[];
  readonly #sockets: WebSocketServer;
  #record: Recorded[] = [];
  #requests: string[] = [];
  readonly #held = new Map<string, Held>();

  static async start(): Promise<ScenarioSite> {
    const servers = [createServer(), createServer()] as const;
    for (const server of servers) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return new ScenarioSite(servers);
  }

  private constructor(servers: readonly [Server, Server]) {
    const [own, other] = servers.map((server) => (server.address() as AddressInfo).port);
    this.url = `http://127.0.0.1:${own}`;
    this.otherUrl = `http://localhost:${other}`;
    this.#servers = servers;
    this.#sockets = new WebSocketServer({ server: servers[0], path: "/socket" });
    this.#sockets.on("connection", (socket) => {
      socket.on("message", (data: Buffer, binary) => socket.send(binary ? data : `echo ${data.toString()}`));
    });
    for (const server of servers)
      server.on("request", (request, response) => this.#answer(request, response));
  }

  /** What the pages saw since the last `clear`, in order. */
  record(): readonly Recorded[] {
    return [...this.#record];
  }

  /** The record as lines such as `keydown name a`. */
  lines(...events: readonly string[]): readonly string[] {
    return this.#record
      .filter(({ event }) => events.length === 0 || events.includes(event))
      .map(({ event, on, key, button, held, value }) =>
        [event, on, key, button || undefined, held, value].filter((part) => part !== undefined).join(" "),
      );
  }

  /** Requests since the last `clear`, such as `GET /form`; without those of the record. */
  requests(): readonly string[] {
    return [...this.#requests];
  }

  clear(): void {
    this.#record = [];
    this.#requests = [];
    this.#held.clear();
  }

  /** Resolves when somebody asks for `/held?name=…`, which is not answered before `release`. */
  async asked(name: string): Promise<void> {
    await within(this.#hold(name).arrived, `the request for /held?name=${name}`);
  }

  /** Answers `/held?name=…` with a page of that title. */
  async release(name: string): Promise<void> {
    const response = await within(this.#hold(name).arrived, `the request for /held?name=${name}`);
    this.#held.delete(name);
    if (!response.headersSent) response.setHeader("content-type", "text/html");
    response.end(`<title>${name}</title><p id="text">${name}</p>`);
  }

  /** Sends the head and the beginning of the body, and goes on with `release`. */
  async begin(name: string): Promise<void> {
    const response = await within(this.#hold(name).arrived, `the request for /held?name=${name}`);
    response.setHeader("content-type", "text/html").write("<p id=first>first</p>".padEnd(2_048));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    for (const server of this.#servers) {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    }
  }

  #hold(name: string): Held {
    let held = this.#held.get(name);
    if (!held) {
      let arrive: Held["arrive"] = () => {};
      const arrived = new Promise<ServerResponse>((resolve) => {
        arrive = resolve;
      });
      held = { arrived, arrive };
      this.#held.set(name, held);
    }
    return held;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname !== "/record") this.#requests.push(`${request.method} ${url.pathname}${url.search}`);
    response.setHeader("cache-control", "no-store");
    response.on("error", () => {});
    const page = PAGES[url.pathname];
    const script = SCRIPTS[url.pathname];
    const route = this.#routes[url.pathname];
    if (page !== undefined) {
      const html = page.replace("<body>", `<body data-other="${this.otherUrl}">`);
      response.setHeader("content-type", "text/html").end(html);
    } else if (script !== undefined) {
      response.setHeader("content-type", "text/javascript").end(script);
    } else if (route) {
      Promise.resolve(route(request, response, url)).catch(() => response.destroy());
    } else {
      response.writeHead(404, { "content-type": "text/html" }).end("<title>not found</title>");
    }
  }

  readonly #routes: Readonly<Record<string, Route>> = {
    "/record": async (request, response) => {
      this.#record.push(JSON.parse((await body(request)).toString()) as Recorded);
      response.writeHead(204).end();
    },
    "/submitted": async (request, response) => {
      const fields = [...new URLSearchParams((await body(request)).toString())];
      response.setHeader("content-type", "text/html");
      response.end(`<title>submitted</title><pre id="fields">${JSON.stringify(fields)}</pre>`);
    },
    "/echo": async (request, response) => {
      const { cookie, "user-agent": agent, "accept-language": language, "x-baton": custom } = request.headers;
      const text = (await body(request)).toString();
      response.setHeader("content-type", "application/json").setHeader("x-answer", "from the site");
      response.end(JSON.stringify({ method: request.method, cookie, agent, language, custom, text }));
    },
    "/upload": async (request, response, { searchParams }) => {
      const bytes = await body(request);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const answer = {
        name: searchParams.get("name"),
        type: searchParams.get("type"),
        size: bytes.length,
        sha256,
      };
      response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
    },
    "/download": (_request, response) => {
      response.setHeader("content-type", "application/octet-stream");
      response.setHeader("content-disposition", 'attachment; filename="report.csv"');
      response.end("day,passes\nmonday,4\n");
    },
    "/held": (_request, response, { searchParams }) => {
      this.#hold(searchParams.get("name") ?? "").arrive(response);
    },
    "/redirect": (_request, response, { searchParams }) => {
      response.writeHead(302, { location: searchParams.get("to") ?? "/plain" }).end();
    },
    "/empty": (_request, response) => void response.writeHead(204).end(),
    "/cut": (_request, response) => void response.destroy(),
    "/private": ({ headers: { authorization } }, response) => {
      const wanted = Buffer.from(`${ACCOUNT.username}:${ACCOUNT.password}`).toString("base64");
      const known = authorization === `Basic ${wanted}`;
      response.writeHead(known ? 200 : 401, {
        "content-type": "text/html",
        ...(!known && { "www-authenticate": 'Basic realm="scenarios"' }),
      });
      response.end(`<title>${known ? "members" : "strangers"}</title>`);
    },
    "/cookie": (_request, response, { searchParams }) => {
      response.setHeader("set-cookie", [
        `seen=${searchParams.get("value") ?? "yes"}; Path=/`,
        "hidden=1; Path=/; HttpOnly; SameSite=Lax",
      ]);
      response.setHeader("content-type", "text/html").end("<title>cookie set</title>");
    },
    "/ticks": (_request, response) => {
      response.setHeader("content-type", "text/event-stream").end("data: one\n\ndata: two\n\n");
    },
    "/large": (_request, response, { searchParams }) => {
      response.setHeader("content-type", "text/plain").end("x".repeat(Number(searchParams.get("bytes"))));
    },
  };
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
