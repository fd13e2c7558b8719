import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { RawSocket } from "../../../load-tests/lib/raw-socket.ts";
import { SharedText } from "../../../src/transport/shared-text.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A client and the server's end of its connection, once as WebSocket and once as bytes. */
async function pair() {
  const http = createServer();
  const server = new WebSocketServer({ noServer: true });
  const accepted = new Promise<{ ws: WebSocket; stream: Duplex }>((resolve) => {
    http.on("upgrade", (request, stream, head) => {
      server.handleUpgrade(request, stream, head, (ws) => resolve({ ws, stream }));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const received: string[] = [];
  let arrived = (): void => {};
  const ended = new Promise<Error>((resolve) => {
    cleanups.push(() => resolve(new Error("nobody ended it")));
    void RawSocket.open({
      url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/path?query=1`,
      onMessage: (bytes, start, end) => {
        received.push(bytes.toString("utf8", start, end));
        arrived();
      },
      onEnd: resolve,
    }).then((opened) => opening(opened));
  });
  let opening = (_socket: RawSocket): void => {};
  const socket = await new Promise<RawSocket>((resolve) => (opening = resolve));
  const { ws, stream } = await accepted;
  cleanups.push(() => {
    socket.terminate();
    ws.terminate();
    http.close();
  });
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      arrived = () => {
        if (received.length >= count) resolve();
      };
      arrived();
    });
  return { socket, ws, stream, received, until, ended };
}

describe("the benchmark's bare socket", () => {
  it("finds every message, whichever way the bytes are cut", async () => {
    const { stream, received, until } = await pair();
    const texts = ["a", "b".repeat(125), "c".repeat(126), "d".repeat(3_000), "é"];
    const bytes = Buffer.concat(texts.map((text) => new SharedText(text).frame));
    for (const step of [1, 7, bytes.length]) {
      for (let at = 0; at < bytes.length; at += step) {
        stream.write(bytes.subarray(at, at + step));
        await turn();
      }
    }
    await until(texts.length * 3);
    expect(received).toEqual([...texts, ...texts, ...texts]);
  });

  it("gives the beginning of what is too long to keep, and every byte of what follows", async () => {
    const { ws, received, until } = await pair();
    ws.send(`long${"x".repeat(300_000)}`);
    ws.send("short");
    await until(2);
    expect(received[0]).toMatch(/^longx/);
    expect(received.slice(1)).toEqual(["short"]);
  });

  it("sends what a server can read, and answers its pings", async () => {
    const { socket, ws } = await pair();
    const [pong, first] = [once(ws, "pong"), once(ws, "message")];
    ws.ping("now");
    socket.send("x".repeat(200));
    expect(String((await first)[0])).toBe("x".repeat(200));
    expect(String((await pong)[0])).toBe("now");
  });

  it("says with which code the server closed", async () => {
    const { ws, ended } = await pair();
    ws.close(3_001, "slow_consumer");
    expect((await ended).message).toContain("3001 slow_consumer");
  });
});
