import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { resolveEndpoint } from "../../../src/browser/endpoint.ts";

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
    expect(await resolveEndpoint("wss://cloud.example/x?token=1", soon())).toBe(
      "wss://cloud.example/x?token=1",
    );
  });

  it("asks an http address, and takes loopback in the answer for the address that was asked", async () => {
    const host = await serve(answer("ws://localhost:9222/devtools/browser/1"));
    expect(await resolveEndpoint(`http://${host}`, soon())).toBe(`ws://${host}/devtools/browser/1`);
  });

  it("keeps another host in the answer, and a path before /json", async () => {
    const host = await serve((request, response) => {
      response.end(JSON.stringify({ webSocketDebuggerUrl: `ws://browsers.example${request.url}` }));
    });
    const found = await resolveEndpoint(`http://${host}/team/7`, soon());
    expect(found).toBe("ws://browsers.example/team/7/json/version");
  });

  it("passes on what the peer says about a refusal", async () => {
    const host = await serve((_request, response) => {
      response.writeHead(500).end("Host header is specified and is not an IP address or localhost.");
    });
    await expect(resolveEndpoint(`http://${host}`, soon())).rejects.toMatchObject({
      code: "browser_attach_failed",
      message: expect.stringContaining('500 "Host header is specified') as string,
    });
  });

  it("does not read an endless answer", async () => {
    const host = await serve((_request, response) => {
      const write = (): void => {
        while (!response.destroyed && response.write("x".repeat(16_384))) continue;
      };
      response.on("drain", write);
      write();
    });
    await expect(resolveEndpoint(`http://${host}`, soon())).rejects.toThrow(/far more than a browser/);
  });
});
