/** Each limit of what is open at a time: refused beyond it, and free again when something is over, however it ended. */
import { once } from "node:events";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { AddressInfo } from "node:net";
import type { AttachOptions } from "../../src/browser/browser.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import type { FakeBrowserLink } from "../../src/browser/fake-link.ts";
import { CLOSE } from "../../protocol/errors.ts";
import { Limits } from "../../src/limits/limits.ts";
import { type LimitSettings } from "../../src/limits/settings.ts";
import { within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { token } from "../support/tokens.ts";
import {
  tooMany,
  limited,
  trusting,
  refusalOf,
  greet,
  greeted,
  shake,
  eventually,
  post,
  ok,
} from "../support/limited.ts";

/** The fake browser, but agents' connections lead to this address. */
class BrowserAt extends FakeBrowserProvider {
  readonly #endpoint: string;
  constructor(endpoint: string) {
    super();
    this.#endpoint = endpoint;
  }
  override attach(options: AttachOptions): FakeBrowserLink {
    return Object.defineProperty(super.attach(options), "endpoint", { get: () => this.#endpoint });
  }
}

describe("a limit of open sockets", () => {
  it("socketsPerSubject is free again when one is closed, or cut", async () => {
    const gateway = await limited({ socketsPerSubject: 2 });
    const bearer = await token({ sub: "ada" });
    const first = await greeted(gateway, bearer);
    const second = await greeted(gateway, bearer);
    for (let time = 0; time < 3; time += 1)
      expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
    await greeted(gateway, await token({ sub: "ben" }));
    await first.ping();
    const again = (): Promise<RawClient> =>
      eventually("a socket that is free", async () => {
        const client = await greet(gateway, bearer);
        return client instanceof RawClient ? client : undefined;
      });
    await first.close();
    await again();
    second.socket.terminate();
    await again();
    expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
  });

  it("socketsPerAddress holds whatever their subjects are", async () => {
    const gateway = await limited({ socketsPerAddress: 2 });
    const bearers = await Promise.all(["a", "b", "c"].map((sub) => token({ sub })));
    const [first] = [await greeted(gateway, bearers[0] ?? ""), await greeted(gateway, bearers[1] ?? "")];
    expect(await greet(gateway, bearers[2] ?? "")).toEqual(tooMany("sockets_per_address"));
    first.socket.terminate();
    await eventually("a socket that is free", async () => {
      const client = await greet(gateway, bearers[2] ?? "");
      return client instanceof RawClient ? client : undefined;
    });
  });

  it("are free again when the token ends while the socket is open", async () => {
    const gateway = await limited({ socketsPerSubject: 1 });
    const bearer = await token({ sub: "ada", jti: "ends" });
    const client = await greeted(gateway, bearer);
    await gateway.revoke("ends");
    expect((await client.closing()).code).toBe(CLOSE.token_revoked.code);
    await greeted(gateway, await token({ sub: "ada" }));
  });

  it("count agents' CDP connections, open ones and none that failed", async () => {
    const browser = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(browser, "listening");
    onTestFinished(() => browser.close());
    const browsers = new BrowserAt(
      `ws://127.0.0.1:${(browser.address() as AddressInfo).port}/devtools/browser/b`,
    );
    const gateway = await limited({ socketsPerSubject: 1 }, { browsers });
    await gateway.make("box");
    await ok(gateway.http("/v1/sandboxes", post({ sandboxId: "none" }, await token({ role: "admin" }))));
    const bearer = await token({ sub: "bot", role: "agent" });
    const options = { headers: { authorization: `Bearer ${bearer}` } };
    const cdp = (id: string) => shake(`${gateway.url}/v1/sandboxes/${id}/cdp`, options);
    for (let time = 0; time < 3; time += 1) expect((await cdp("none")).status).toBe(503);
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/sandboxes/box/cdp`, options);
    onTestFinished(() => socket.terminate());
    await within(once(socket, "open"), "the CDP connection");
    expect((await cdp("box")).refusal).toEqual(tooMany("sockets_per_subject"));
    expect(await greet(gateway, bearer)).toEqual(tooMany("sockets_per_subject"));
    socket.terminate();
    await eventually("a socket that is free", async () => {
      const client = await greet(gateway, bearer);
      return client instanceof RawClient ? client : undefined;
    });
  });

  it("connectionsPerAddress drops connections before a byte is read of them", async () => {
    const gateway = await limited({ connectionsPerAddress: 2 });
    const port = Number(new URL(gateway.url).port);
    const path = "/v1/connect";
    const first = await TcpPeer.upgrade(port, { path });
    const second = await TcpPeer.upgrade(port, { path });
    onTestFinished(() => second.destroy());
    expect([first.status, second.status]).toEqual([101, 101]);
    for (let time = 0; time < 3; time += 1) {
      const socket = await TcpPeer.connect(port);
      const bytes: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => bytes.push(chunk));
      await within(once(socket, "end"), "the end of the connection");
      socket.destroy();
      expect(bytes).toEqual([]);
    }
    first.destroy();
    await eventually("a connection that is free", async () => {
      const { socket } = new RawClient(gateway.url);
      onTestFinished(() => socket.terminate());
      // Or dropped before it is answered.
      const opened = once(socket, "open").then(
        () => true,
        () => undefined,
      );
      return within(opened, "the end of the handshake");
    });
  });

  it("connectionsPerAddress leaves alone the proxies that are trusted", async () => {
    const gateway = await limited({ connectionsPerAddress: 1 }, trusting("127.0.0.1"));
    for (let time = 0; time < 3; time += 1) await greeted(gateway, await token());
  });
});

describe("a limit of calls that wait", () => {
  const STREAM = { accept: "text/event-stream" };

  /** Resolves when the next call begins to wait. */
  function waitBegins(): Promise<void> {
    return new Promise((resolve) => {
      vi.spyOn(Limits.prototype, "wait").mockImplementationOnce(function (this: Limits, subject) {
        resolve();
        return this.wait(subject);
      });
    });
  }

  async function waiting(options: Partial<LimitSettings> = {}) {
    const gateway = await limited({ waitsPerSubject: 1, ...options });
    await gateway.make("box");
    const bearer = await token({ sub: "ada" });
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }));
    const stream = (sub?: string, signal?: AbortSignal): Promise<Response> =>
      (sub === undefined ? Promise.resolve(bearer) : token({ sub })).then((token) =>
        gateway.http("/v1/sandboxes/box/events", { token, headers: STREAM, ...(signal && { signal }) }),
      );
    /** Whether one more may wait; it does not go on to. */
    const free = async (): Promise<true | undefined> => {
      const ending = new AbortController();
      const response = await stream(undefined, ending.signal);
      if (response.status === 200) {
        ending.abort();
        return true;
      }
      expect(await refusalOf(response)).toEqual(tooMany("waits_per_subject"));
      return undefined;
    };
    return { gateway, bearer, agent, stream, free };
  }

  it("holds a subject, streams and long polls alike, until the stream is over", async () => {
    const { gateway, bearer, stream, free } = await waiting();
    const ending = new AbortController();
    expect((await stream(undefined, ending.signal)).status).toBe(200);
    expect(await refusalOf(await stream())).toEqual(tooMany("waits_per_subject"));
    for (const path of ["/v1/sandboxes/box/handoff?wait=60"])
      expect(await refusalOf(await gateway.http(path, { token: bearer }))).toEqual(
        tooMany("waits_per_subject"),
      );
    // What does not wait is answered, and so is another subject.
    await ok(gateway.http("/v1/sandboxes/box/handoff", { token: bearer }));
    await ok(gateway.http("/v1/sandboxes/box/events", { token: bearer }));
    const other = new AbortController();
    expect((await stream("ben", other.signal)).status).toBe(200);
    other.abort();
    ending.abort();
    await eventually("a wait that is free", free);
  });

  it("ends with the sandbox", async () => {
    const { gateway, stream, free } = await waiting();
    const gone = await stream();
    await gateway.admin("/v1/sandboxes/box", { method: "DELETE" });
    await within(gone.text(), "the end of the stream");
    await gateway.make("box");
    await eventually("a wait that is free", free);
  });

  it("ends with the answer of a long poll, and with a connection that is cut", async () => {
    const { gateway, bearer, agent, free } = await waiting();
    await agent.done("result", { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "m" });
    const first = waitBegins();
    const poll = gateway.http("/v1/sandboxes/box/handoff?wait=60", { token: bearer });
    await first;
    expect(await free()).toBeUndefined();
    await agent.done("result", { type: "handoff.cancel", sandboxId: "box" });
    expect((await poll).status).toBe(200);
    await eventually("a wait that is free", free);

    await agent.done("result", { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "m" });
    const socket = await TcpPeer.connect(Number(new URL(gateway.url).port));
    const second = waitBegins();
    socket.write(
      `GET /v1/sandboxes/box/handoff?wait=60 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${bearer}\r\n\r\n`,
    );
    await second;
    expect(await free()).toBeUndefined();
    socket.destroy();
    await eventually("a wait that is free", free);
  });

  it("is not used up by what fails, or by who asks for the head alone", async () => {
    const { gateway, bearer, free } = await waiting();
    const root = await token({ sub: "ada", role: "admin" });
    const paths = ["/v1/audit", "/v1/sandboxes/box/events", "/v1/sandboxes/box/handoff?wait=1"];
    for (let time = 0; time < 3; time += 1) {
      await gateway.http("/v1/sandboxes/none/events", { token: bearer, headers: STREAM });
      await gateway.http("/v1/sandboxes/none/handoff?wait=60", { token: bearer });
      for (const path of paths) {
        const response = await gateway.http(path, { method: "HEAD", token: root, headers: STREAM });
        expect(response.status, path).toBe(200);
      }
    }
    expect(await free()).toBe(true);
  });
});
