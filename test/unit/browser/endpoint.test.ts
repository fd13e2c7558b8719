import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { resolveEndpoint } from "../../../src/browser/endpoint.ts";
import { targetPolicy, type TargetPolicyOptions } from "../../../src/targets/policy.ts";

let close = async (): Promise<void> => {};
afterEach(() => close());

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(webSocketDebuggerUrl: string): RequestListener {
  return (request, response) => {
    if (request.url !== "/json/version") response.writeHead(404);
    response.end(JSON.stringify({ Browser: "Chrome", webSocketDebuggerUrl }));
  };
}

const soon = (): AbortSignal => AbortSignal.timeout(5_000);

describe("resolveEndpoint", () => {
  it("takes a ws address as it is", async () => {
    const { url } = await resolveEndpoint("wss://cloud.example/x?token=1", soon());
    expect(url).toBe("wss://cloud.example/x?token=1");
  });

  it("asks an http address, and takes loopback in the answer for the address that was asked", async () => {
    const host = await serve(answer("ws://localhost:9222/devtools/browser/1"));
    const { url } = await resolveEndpoint(`http://${host}`, soon());
    expect(url).toBe(`ws://${host}/devtools/browser/1`);
  });

  it("keeps another host in the answer, and a path before /json", async () => {
    const host = await serve((request, response) => {
      response.end(JSON.stringify({ webSocketDebuggerUrl: `ws://browsers.example${request.url}` }));
    });
    const { url } = await resolveEndpoint(`http://${host}/team/7`, soon());
    expect(url).toBe("ws://browsers.example/team/7/json/version");
  });

  it("shows a password to the peer that it is for", async () => {
    const given: (string | undefined)[] = [];
    const host = await serve((request, response) => {
      given.push(request.headers.authorization);
      answer("ws://localhost/devtools/browser/1")(request, response);
    });
    await resolveEndpoint(`http://user:secret@${host}`, soon());
    expect(given).toEqual([`Basic ${btoa("user:secret")}`]);
  });

  it("stops when it is told to", async () => {
    const abort = new AbortController();
    const host = await serve(() => abort.abort(new Error("enough")));
    await expect(resolveEndpoint(`http://${host}`, abort.signal)).rejects.toThrow("enough");
  });

  const secret = "the inner secret";
  const failures: readonly (readonly [string, RequestListener])[] = [
    ["an error", (_request, response) => void response.writeHead(500).end(secret)],
    [
      "an error beside an address",
      (request, response) => {
        response.statusCode = 503;
        answer("ws://localhost/devtools/browser/1")(request, response);
      },
    ],
    ["a page", (_request, response) => void response.end(secret)],
    ["JSON of its own", (_request, response) => void response.end(JSON.stringify({ secret }))],
    ["no object", (_request, response) => void response.end("null")],
    ["an address that is none", answer(`ws://${secret}/`)],
    ["another protocol", answer(`http://127.0.0.1/${secret}`)],
    ["nothing", (request) => void request.socket.destroy()],
    ["half an answer", (_request, response) => void (response.write('{"a'), response.destroy())],
    [
      "an endless answer",
      (_request, response) => {
        const write = (): void => {
          while (!response.destroyed && response.write("x".repeat(16_384))) continue;
        };
        response.on("drain", write);
        write();
      },
    ],
    [
      "a redirect",
      (request, response) => {
        if (request.url === "/json/version") response.writeHead(302, { location: "/there" }).end(secret);
        else answer("ws://localhost/devtools/browser/1")(request, response);
      },
    ],
  ];

  it.each(failures)(
    "says the same of a peer that sends %s, and nothing of what it sent",
    async (_, listener) => {
      const host = await serve(listener);
      const failed = resolveEndpoint(`http://user:password@${host}/token?key=1`, soon());
      await expect(failed).rejects.toMatchObject({ code: "browser_attach_failed" });
      const error = (await failed.catch((error: unknown) => error)) as Error;
      expect(error.message).toMatch(
        /^No browser answers at its address; start it with --remote-debugging-port/,
      );
      const told = `${error.message} ${error.stack} ${inspect(error.cause)}`;
      for (const each of [secret, "password", "token", "key=1", host]) expect(told).not.toContain(each);
    },
  );

  it.each(["localhost:9222", "ftp://secret@host/", "http://", "ws://secret host/"])(
    "says what is wrong with %s without repeating it",
    async (endpoint) => {
      const failed = resolveEndpoint(endpoint, soon());
      await expect(failed).rejects.toThrow(
        "This is not a CDP address; give ws(s)://… or http(s)://host:port",
      );
    },
  );
});

describe("resolveEndpoint with a policy", () => {
  const names = (addresses: Record<string, string>): TargetPolicyOptions => ({
    resolve: async (host) => [{ address: addresses[host] ?? "", family: 4 }],
  });

  it.each(["http", "ws"])("refuses an %s address before it connects", async (scheme) => {
    let asked = 0;
    const host = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    const failed = resolveEndpoint(
      `${scheme}://user:secret@${host}/token`,
      soon(),
      targetPolicy("public", "S"),
    );
    await expect(failed).rejects.toMatchObject({
      code: "target_refused",
      details: { setting: "S", host: "127.0.0.1" },
      message: expect.not.stringMatching(/secret|token/) as string,
    });
    expect(asked).toBe(0);
  });

  it("refuses what an allowed browser says its address is", async () => {
    const host = await serve(answer("ws://169.254.169.254/latest"));
    const policy = targetPolicy("loopback", "S");
    await expect(resolveEndpoint(`http://${host}`, soon(), policy)).rejects.toMatchObject({
      code: "target_refused",
      details: { host: "169.254.169.254" },
    });
  });

  it("refuses another port of the same host", async () => {
    const host = await serve(answer("ws://[::ffff:127.0.0.1]:1/"));
    const policy = targetPolicy(host, "S");
    await expect(resolveEndpoint(`http://${host}`, soon(), policy)).rejects.toMatchObject({
      code: "target_refused",
    });
  });

  it("connects to where the name led when it was checked, and leads the next connection there too", async () => {
    const host = await serve(answer("ws://localhost:9222/devtools/browser/1"));
    const port = host.split(":")[1];
    const policy = targetPolicy("browser.example", "S", names({ "browser.example": "127.0.0.1" }));
    const { url, lookup } = await resolveEndpoint(`http://browser.example:${port}`, soon(), policy);
    expect(url).toBe(`ws://browser.example:${port}/devtools/browser/1`);
    const found = await new Promise((resolve) =>
      lookup?.("browser.example", { all: true }, (_error, addresses) => resolve(addresses)),
    );
    expect(found).toEqual([{ address: "127.0.0.1", family: 4 }]);
  });
});
