/** What DevTools clients read over HTTP before they connect. */
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { freePort } from "../support/redis.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly webSocketDebuggerUrl?: string; readonly code?: string; readonly title?: string };
}

/** Not `fetch`: that sets no `Host` of ours. */
function get({ url }: TestGateway, path: string, host?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(new URL(path, url), { headers: host === undefined ? {} : { host } }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer["body"] }),
      );
    })
      .on("error", reject)
      .end();
  });
}

async function gatewayWith(...sandboxes: string[]): Promise<TestGateway> {
  const gateway = await startGateway();
  for (const sandboxId of sandboxes) await gateway.create(sandboxId);
  return gateway;
}

const host = (gateway: TestGateway): string => new URL(gateway.url).host;

describe("DevTools discovery", () => {
  it("names the sandbox's socket under the host that was asked, with the query that chooses the policy", async () => {
    const gateway = await gatewayWith("one");
    const paths = ["/json/version", "/json/version/"];
    for (const path of paths) {
      const { status, body } = await get(gateway, `/v1/sandboxes/one/cdp${path}?policy=reject`);
      expect(status).toBe(200);
      expect(body.webSocketDebuggerUrl).toBe(`ws://${host(gateway)}/v1/sandboxes/one/cdp?policy=reject`);
    }
    const { body } = await get(
      gateway,
      "/v1/sandboxes/one/cdp/json/version",
      `localhost:${new URL(gateway.url).port}`,
    );
    expect(body.webSocketDebuggerUrl).toBe(
      `ws://localhost:${new URL(gateway.url).port}/v1/sandboxes/one/cdp`,
    );
  });

  it("is wss where the public address is https", async () => {
    const port = await freePort();
    const started = await startGateway({ port, publicUrl: "https://baton.example" });
    const gateway = { ...started, url: `http://127.0.0.1:${port}` };
    const created = await fetch(`${gateway.url}/v1/sandboxes`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sandboxId: "one", browser: { cdpUrl: "ws://127.0.0.1:1/fake" } }),
    });
    expect(created.status).toBe(200);
    const { body } = await get(gateway, "/v1/sandboxes/one/cdp/json/version", "baton.example");
    expect(body.webSocketDebuggerUrl).toBe("wss://baton.example/v1/sandboxes/one/cdp");
  });

  it("lists the tabs, each with a socket of its own", async () => {
    const gateway = await gatewayWith("one");
    for (const path of ["/json/list", "/json"]) {
      const { body } = await get(gateway, `/v1/sandboxes/one/cdp${path}`);
      const [tab] = body as unknown as { id: string; type: string; webSocketDebuggerUrl: string }[];
      expect(tab?.type).toBe("page");
      expect(tab?.webSocketDebuggerUrl).toBe(
        `ws://${host(gateway)}/v1/sandboxes/one/cdp/devtools/page/${tab?.id}`,
      );
    }
  });

  it("G3: lists nothing while a person drives in private", async () => {
    const gateway = await gatewayWith("one");
    const ana = gateway.client({ role: "operator", name: "ana" }).sandbox("one");
    await ana.takeControl({ controller: "ana", privacy: "private" });
    expect((await get(gateway, "/v1/sandboxes/one/cdp/json/list")).body).toEqual([]);
  });

  it("finds at the root the only sandbox, or the one that the host names", async () => {
    const gateway = await gatewayWith("one");
    const only = await get(gateway, "/json/version");
    expect(only.body.webSocketDebuggerUrl).toContain("/v1/sandboxes/one/cdp");
    await gateway.create("two");
    const several = await get(gateway, "/json/version");
    expect([several.status, several.body.code]).toEqual([404, "not_found"]);
    const named = await get(gateway, "/json/version", `two.localhost:${new URL(gateway.url).port}`);
    expect(named.body.webSocketDebuggerUrl).toContain("/v1/sandboxes/two/cdp");
  });

  it.each([
    ["a sandbox that is not there", "/v1/sandboxes/none/cdp/json/version", 404, "sandbox_not_found"],
    ["an id that is none", "/v1/sandboxes/no%20id/cdp/json/version", 400, "invalid_message"],
    ["a host that is not the gateway's", "/json/version", 403, "forbidden"],
  ])("refuses %s", async (what, path, status, code) => {
    const gateway = await gatewayWith("one");
    const answer = await get(gateway, path, what.startsWith("a host") ? "rebound.example" : undefined);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });
});
