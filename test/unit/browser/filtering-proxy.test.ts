import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  createServer,
  request as openRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
} from "node:net";
import { onTestFinished, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { CdpConnection, type CdpSession } from "../../../src/browser/cdp-connection.ts";
import { FilteringProxy } from "../../../src/browser/filtering-proxy.ts";
import { targetPolicy, type TargetPolicy } from "../../../src/targets/policy.ts";
import { chromiumProcess } from "./bench.ts";

const soon = (): AbortSignal => AbortSignal.timeout(15_000);

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

async function listening<T extends Server | TcpServer>(server: T): Promise<T> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    if ("closeAllConnections" in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return server;
}

/** A server that nobody may reach: it counts who comes, by any protocol. */
interface Inner {
  readonly port: number;
  /** Requests, as `METHOD path`; `tcp` and `udp` for what is no request. */
  readonly arrived: string[];
}

async function startInner(): Promise<Inner> {
  const arrived: string[] = [];
  const server = await listening(
    createServer((request, response) => {
      arrived.push(`${request.method} ${request.url}`);
      response.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/html" });
      response.end("<title>inner</title>the inner secret");
    }),
  );
  new WebSocketServer({ server }).on("connection", (_socket, { url }) => arrived.push(`WS ${url}`));
  return { port: portOf(server), arrived };
}

interface Mute {
  /** Ports: for WebRTC's STUN and TURN, the same over TCP, and for WebTransport. */
  readonly rtc: number;
  readonly tcp: number;
  readonly transport: number;
  readonly arrived: Set<string>;
  /** Resolves once something has arrived at each. */
  readonly all: Promise<void>;
}

/** Takes whatever comes, and answers nothing. */
async function startMute(): Promise<Mute> {
  const arrived = new Set<string>();
  let everywhere: () => void = () => {};
  const all = new Promise<void>((resolve) => (everywhere = resolve));
  const note = (what: string): void => {
    arrived.add(what);
    if (arrived.size === 3) everywhere();
  };
  const udp = async (name: string): Promise<number> => {
    const socket = createSocket("udp4").on("message", () => note(name));
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    onTestFinished(() => void socket.close());
    return portOf(socket);
  };
  const tcp = await listening(
    createTcpServer((socket) => {
      note("tcp");
      socket.destroy();
    }),
  );
  return { rtc: await udp("rtc"), tcp: portOf(tcp), transport: await udp("transport"), arrived, all };
}

type Pages = Readonly<Record<string, string | ((response: ServerResponse) => void)>>;

async function startSite(pages: Pages): Promise<{ origin: string; port: number }> {
  const server = await listening(
    createServer((request, response) => {
      const page = pages[request.url ?? ""];
      if (typeof page === "function") return page(response);
      response.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html" });
      response.end(page === undefined ? "" : `<!doctype html><title>site</title>${page}`);
    }),
  );
  new WebSocketServer({ server }).on("connection", (socket) => socket.send("hello"));
  return { origin: `http://127.0.0.1:${portOf(server)}`, port: portOf(server) };
}

interface Tab {
  readonly session: CdpSession;
  readonly connection: CdpConnection;
  /** Resolves to the page's title once it has loaded. */
  readonly open: (url: string) => Promise<string>;
  /** Promises are awaited. */
  readonly evaluate: (expression: string) => Promise<unknown>;
}

async function startTab(navigation: TargetPolicy): Promise<Tab> {
  const browser = await chromiumProcess({ navigation });
  onTestFinished(() => browser.close());
  const connection = await CdpConnection.connect(await browser.endpoint(soon()), soon());
  onTestFinished(() => connection.close());
  const { targetInfos } = await connection.browser.send("Target.getTargets", {});
  return tabOf(connection, targetInfos.find(({ type }) => type === "page")?.targetId ?? "");
}

async function tabOf(connection: CdpConnection, targetId: string): Promise<Tab> {
  const session = await connection.attach(targetId);
  await session.send("Page.enable");
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as unknown;
  };
  return {
    session,
    connection,
    evaluate,
    async open(url) {
      const loaded = new Promise<void>((resolve) => {
        const off = session.on("Page.loadEventFired", () => {
          off();
          resolve();
        });
      });
      await session.send("Page.navigate", { url });
      await loaded;
      return String(await evaluate("document.title"));
    },
  };
}

/** A page that tries every way there is, and says when all have come to an end. */
function tryEverything(inner: string): string {
  const outcome = (promise: string): string => `${promise}.then(() => "arrived", () => "failed")`;
  return `<script>
    const inner = ${JSON.stringify(inner)};
    const element = (name, attributes) => new Promise((resolve, reject) => {
      const made = Object.assign(document.createElement(name), attributes);
      made.onload = resolve; made.onerror = reject;
      document.documentElement.append(made);
    });
    const socket = () => new Promise((resolve, reject) => {
      const made = new WebSocket(inner.replace("http", "ws") + "/socket");
      made.onopen = resolve; made.onerror = reject;
    });
    const source = () => new Promise((resolve, reject) => {
      const made = new EventSource(inner + "/events");
      made.onerror = () => { made.close(); resolve(); };
    });
    window.done = Promise.all([
      ${outcome('fetch(inner + "/fetch")')},
      ${outcome('fetch("/redirect")')},
      ${outcome('element("img", { src: inner + "/img" })')},
      ${outcome('element("script", { src: inner + "/script" })')},
      ${outcome('element("link", { rel: "stylesheet", href: inner + "/style" })')},
      ${outcome('element("iframe", { src: inner + "/iframe" })')},
      ${outcome('element("iframe", { src: "/redirect" })')},
      ${outcome("socket()")},
      ${outcome("source()")},
      Promise.resolve(navigator.sendBeacon(inner + "/beacon")),
    ]);
  </script>`;
}

const WAYS = [
  "GET /fetch",
  "GET /redirected",
  "GET /img",
  "GET /script",
  "GET /style",
  "GET /iframe",
  "WS /socket",
];

async function startTrial(): Promise<{ inner: Inner; site: { origin: string; port: number } }> {
  const inner = await startInner();
  const innerUrl = `http://127.0.0.1:${inner.port}`;
  const site = await startSite({
    "/plain": "<p>plain</p>",
    "/all": tryEverything(innerUrl),
    "/redirect": (response) =>
      response
        .writeHead(302, { location: `${innerUrl}/redirected`, "access-control-allow-origin": "*" })
        .end(),
  });
  return { inner, site };
}

describe("a launched browser with a policy", () => {
  it("loads an allowed site, and never reaches another address, whatever its pages try", async () => {
    const { inner, site } = await startTrial();
    const { open, evaluate, session, connection } = await startTab(
      targetPolicy(`127.0.0.1:${site.port}`, "BATON_NAVIGATION_TARGETS"),
    );
    expect(await open(`${site.origin}/all`)).toBe("site");
    expect(await evaluate("done")).toHaveLength(10);
    // A WebSocket to the site itself, and a page behind a redirect that the browser follows by itself.
    const hello = `new Promise((resolve) => (new WebSocket(${JSON.stringify(site.origin.replace("http", "ws"))}).onmessage = ({ data }) => resolve(data)))`;
    expect(await evaluate(hello)).toBe("hello");
    await open(`${site.origin}/redirect`);
    expect(await evaluate("document.body.innerText")).toMatch(/BATON_NAVIGATION_TARGETS does not allow/);
    // Addresses that Chromium would reach without any proxy by default.
    for (const host of [`127.0.0.1:${inner.port}`, `localhost:${inner.port}`, "169.254.169.254"]) {
      await open(`http://${host}/`);
      expect(await evaluate("document.body.innerText")).toMatch(/does not allow to reach/);
    }
    // A context of an agent's has the same way out.
    const { browserContextId } = await connection.browser.send("Target.createBrowserContext", {});
    const { targetId } = await connection.browser.send("Target.createTarget", {
      url: "about:blank",
      browserContextId,
    });
    const other = await tabOf(connection, targetId);
    expect(await other.open(`${site.origin}/plain`)).toBe("site");
    expect(await other.open(`http://127.0.0.1:${inner.port}/context`)).not.toBe("inner");
    // Loads that a client of CDP starts beside the page.
    const { frameTree } = await session.send("Page.getFrameTree");
    await open(`${site.origin}/plain`);
    const { resource } = await session
      .send("Network.loadNetworkResource", {
        frameId: frameTree.frame.id,
        url: `http://127.0.0.1:${inner.port}/resource`,
        options: { disableCache: true, includeCredentials: false },
      })
      .catch(() => ({ resource: { success: false } }));
    expect(resource.success && inner.arrived.length > 0).toBe(false);
    expect(inner.arrived).toEqual([]);
  });

  it("reaches all of it without one", async () => {
    const { inner, site } = await startTrial();
    const { open, evaluate } = await startTab(targetPolicy("*", "BATON_NAVIGATION_TARGETS"));
    expect(await open(`${site.origin}/all`)).toBe("site");
    await evaluate("done");
    expect(inner.arrived).toEqual(expect.arrayContaining(WAYS));
  });

  /** Resolves when gathering has ended, and the handshake has failed. */
  const pastProxies = ({ rtc, tcp, transport }: Mute): string => `(async () => {
    const made = new WebTransport("https://127.0.0.1:${transport}/");
    made.closed.catch(() => {});
    const peer = new RTCPeerConnection({ iceServers: [
      { urls: "stun:127.0.0.1:${rtc}" },
      { urls: "turn:127.0.0.1:${tcp}?transport=tcp", username: "u", credential: "c" },
    ] });
    const ended = new Promise((resolve) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    });
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
    await ended;
    await made.ready.catch(() => {});
    return "over";
  })()`;

  it("sends nothing past the proxy by WebRTC or WebTransport", async () => {
    const { site } = await startTrial();
    const mute = await startMute();
    const { open, evaluate } = await startTab(targetPolicy(`127.0.0.1:${site.port}`, "S"));
    await open(`${site.origin}/plain`);
    expect(await evaluate(pastProxies(mute))).toBe("over");
    expect([...mute.arrived]).toEqual([]);
  });

  it("sends all of that without one", async () => {
    const { site } = await startTrial();
    const mute = await startMute();
    const { open, evaluate } = await startTab(targetPolicy("*", "S"));
    await open(`${site.origin}/plain`);
    // Whoever is not answered goes on trying for long.
    evaluate(pastProxies(mute)).catch(() => {});
    await mute.all;
  });

  it("goes where a name led when it was checked, and asks again for the next connection (DNS rebinding)", async () => {
    const { inner, site } = await startTrial();
    let address = "127.0.0.1";
    const policy = targetPolicy(`127.0.0.1:${site.port}`, "S", {
      resolve: async () => [{ address, family: 4 }],
    });
    const { open, evaluate } = await startTab(policy);
    expect(await open(`http://rebind.example:${site.port}/plain`)).toBe("site");
    address = "127.0.0.2";
    const again = await evaluate(`fetch("/plain", { cache: "no-store" }).then(({ status }) => status)`);
    expect(again).toBe(403);
    address = "127.0.0.1";
    const port = await evaluate(
      `fetch("http://rebind.example:${inner.port}/port").then(() => "arrived", () => "failed")`,
    );
    expect(port).toBe("failed");
    expect(inner.arrived).toEqual([]);
  });
});

describe("the proxy", () => {
  async function startProxy(policy: TargetPolicy): Promise<{ proxy: FilteringProxy; port: number }> {
    const proxy = new FilteringProxy(policy);
    const url = await proxy.listen();
    onTestFinished(() => proxy.close());
    return { proxy, port: Number(new URL(url).port) };
  }

  async function ask(
    port: number,
    path: string,
    headers: Record<string, string> = {},
    method = "GET",
    body = "",
  ): Promise<{ status: number | undefined; headers: IncomingMessage["headers"]; body: string }> {
    const request = openRequest({ host: "127.0.0.1", port, path, method, headers, agent: false });
    request.end(body);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
  }

  /** What comes back for raw bytes, until the other side ends or `enough`. */
  async function say(port: number, text: string, enough: RegExp): Promise<string> {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    onTestFinished(() => void socket.destroy());
    socket.write(text);
    let heard = "";
    return new Promise((resolve) => {
      socket.on("close", () => resolve(heard));
      socket.on("data", (bytes) => {
        heard += bytes.toString("latin1");
        if (enough.test(heard)) resolve(heard);
      });
    });
  }

  it("passes a request on as it is, but for what is of the connection, and the answer back", async () => {
    const seen: IncomingMessage[] = [];
    const bodies: string[] = [];
    const server = await listening(
      createServer((request, response) => {
        seen.push(request);
        request.on("data", (chunk: Buffer) => bodies.push(chunk.toString()));
        request.on("end", () => {
          response.writeHead(207, "Odd", [
            ["Set-Cookie", "a=1"],
            ["Set-Cookie", "b=2"],
            ["Connection", "close, X-Hop"],
            ["X-Hop", "1"],
            ["X-End", "2"],
          ] as unknown as string[]);
          response.end("body");
        });
      }),
    );
    const { port } = await startProxy(targetPolicy("loopback", "S"));
    const target = `127.0.0.1:${portOf(server)}`;
    const answer = await ask(
      port,
      `http://user:secret@${target}/a%20b?c=d#e`,
      {
        host: "other.example",
        "proxy-authorization": "x",
        connection: "x-mine",
        "x-mine": "1",
        "x-kept": "2",
      },
      "POST",
      "hello",
    );
    expect(answer).toMatchObject({ status: 207, body: "body" });
    expect(answer.headers).toMatchObject({ "set-cookie": ["a=1", "b=2"], "x-end": "2" });
    expect(answer.headers).not.toHaveProperty("x-hop");
    expect(seen[0]).toMatchObject({ method: "POST", url: "/a%20b?c=d" });
    expect(seen[0]?.headers).toMatchObject({ host: target, "x-kept": "2", "content-length": "5" });
    for (const name of ["proxy-authorization", "x-mine", "authorization"])
      expect(seen[0]?.headers).not.toHaveProperty(name);
    expect(bodies.join("")).toBe("hello");
  });

  it("refuses without a word on what is there, and says the same of names that do not exist", async () => {
    const inner = await startInner();
    const { port } = await startProxy(targetPolicy("public", "S", { resolve: async () => [] }));
    for (const host of [`127.0.0.1:${inner.port}`, "[::1]:1", "missing.example", "169.254.169.254"]) {
      const { status, body } = await ask(port, `http://${host}/`);
      expect(status).toBe(403);
      expect(body).toMatch(/^S does not allow to reach \S+, or there is no such host/);
      const tunnel = host.includes(":") ? host : `${host}:443`;
      expect(await say(port, `CONNECT ${tunnel} HTTP/1.1\r\nHost: x\r\n\r\n`, /\r\n\r\n/)).toMatch(
        /^HTTP\/1\.1 403 /,
      );
    }
    expect(inner.arrived).toEqual([]);
  });

  it.each([
    "GET / HTTP/1.1",
    "GET https://127.0.0.1/ HTTP/1.1",
    "GET file:///etc/passwd HTTP/1.1",
    "CONNECT / HTTP/1.1",
    "CONNECT 127.0.0.1 HTTP/1.1",
    "CONNECT user@127.0.0.1:80 HTTP/1.1",
    "CONNECT 127.0.0.1:80/x HTTP/1.1",
    "CONNECT 127.0.0.1:99999 HTTP/1.1",
  ])("takes no %s", async (line) => {
    const { port } = await startProxy(targetPolicy("loopback", "S"));
    expect(await say(port, `${line}\r\nHost: x\r\n\r\n`, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 40[03] /);
  });

  it("answers 502 for an allowed address where nobody listens", async () => {
    const gone = createTcpServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const free = portOf(gone);
    await new Promise((resolve) => gone.close(resolve));
    const { port } = await startProxy(targetPolicy("loopback", "S"));
    expect(await ask(port, `http://127.0.0.1:${free}/`)).toMatchObject({ status: 502 });
    const tunnel = `CONNECT 127.0.0.1:${free} HTTP/1.1\r\nHost: x\r\n\r\n`;
    expect(await say(port, tunnel, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("tunnels both ways, and cuts everything when it closes", async () => {
    const echo = await listening(createTcpServer((socket) => void socket.on("error", () => {}).pipe(socket)));
    const { port, proxy } = await startProxy(targetPolicy("loopback", "S"));
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.write(`CONNECT 127.0.0.1:${portOf(echo)} HTTP/1.1\r\nHost: x\r\n\r\nearly`);
    let heard = "";
    await new Promise<void>((resolve) => {
      socket.on("data", (bytes) => {
        heard += bytes.toString();
        if (heard.endsWith("early")) socket.write("late");
        if (heard.endsWith("late")) resolve();
      });
    });
    expect(heard).toBe("HTTP/1.1 200 Connection Established\r\n\r\nearlylate");
    const closed = once(socket, "close");
    await proxy.close();
    await closed;
  });

  it("takes a bounded number of connections, and the next when one of them ends", async () => {
    const { port } = await startProxy(targetPolicy("none", "S"));
    const sockets = Array.from({ length: 512 }, () => connect(port, "127.0.0.1").on("error", () => {}));
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    const request = "GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n";
    expect(await say(port, request, /\r\n\r\n/)).toBe("");
    const [first] = sockets;
    const ended = first && once(first, "close");
    first?.write("GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    first?.resume();
    await ended;
    expect(await say(port, request, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 403 /);
  });
});
