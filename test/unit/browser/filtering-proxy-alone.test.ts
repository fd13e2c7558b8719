import { once } from "node:events";
import { createServer, request as openRequest, type IncomingMessage } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { onTestFinished, describe, expect, it } from "vitest";
import { FilteringProxy } from "../../../src/browser/filtering-proxy.ts";
import { targetPolicy, type TargetPolicy } from "../../../src/targets/policy.ts";
import { portOf, listening, startInner } from "./proxy-stage.ts";

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
