import { describe, expect, it } from "vitest";
import { CLOSE } from "../../../protocol/errors.ts";
import type { Transport, TransportOptions } from "../../../src/transport/transport.ts";
import { loadUws, TransportError } from "../../../src/transport/uws-load.ts";
import { BEYOND_SYSTEM_BUFFERS, PATH, PROTOCOL, Served, starter } from "../../contract/transport-bench.ts";
import { frame, startPipes } from "../../contract/transport-pipe-bench.ts";
import { RawPeer } from "../../contract/transport-raw.ts";
import { describeTransportContract } from "../../contract/transport.ts";
import { Inbox, within } from "../../support/inbox.ts";
import { OPCODE } from "../../support/tcp-peer.ts";

const create = await loadUws();

describeTransportContract("uws", create);

const start = starter(create);
const OPTIONS: TransportOptions = {
  fetch: () => new Response(),
  socketPath: PATH,
  subprotocol: PROTOCOL,
  admit: () => undefined,
  onSocket: (socket) => new Served(socket, false),
  maxMessageBytes: 1_000,
  maxBufferedBytes: 1_000,
  heartbeatMs: 60_000,
};

async function withBoth(
  create: () => Transport,
  use: (first: Transport, second: Transport) => Promise<void>,
) {
  const both = [create(), create()] as const;
  await use(...both);
  for (const transport of both) await within(transport.close(), "close()");
}

describe("transport: uws, by itself", () => {
  it("refuses a port that another one has, with why", async () => {
    await withBoth(
      () => create(OPTIONS),
      async (first, second) => {
        const { port, host } = await first.listen("127.0.0.1", 0);
        expect(host).toBe("127.0.0.1");
        await expect(second.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
        await expect(second.listen("192.0.2.1", 0)).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
      },
    );
  });

  it("shares a port with those that share it too, and with no other", async () => {
    const sharing = await loadUws({ sharePort: true });
    await withBoth(
      () => sharing(OPTIONS),
      async (first, second) => {
        const { port } = await first.listen("127.0.0.1", 0);
        expect((await second.listen("127.0.0.1", port)).port).toBe(port);
        const alone = create(OPTIONS);
        await expect(alone.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
        await alone.close();
        await within(first.close(), "close()");
        expect((await fetch(`http://127.0.0.1:${port}`)).status).toBe(200);
      },
    );
  });

  it("drops nothing for a peer that stalls: what fits its limit arrives whole, and later", async () => {
    const { peer: raw } = await start({ echo: false, maxBufferedBytes: 64 * 1024 * 1024 });
    const { peer, served } = await raw();
    peer.stall();
    const text = "x".repeat(100_000);
    for (let index = 0; index < 300; index += 1) served.socket.send(`${index} ${text}`);
    await new Promise((resolve) => setImmediate(resolve));
    peer.resume();
    for (let index = 0; index < 300; index += 1) {
      const { payload } = await peer.next(OPCODE.text);
      expect([Number.parseInt(payload.toString("latin1", 0, 4), 10), payload.byteLength]).toEqual([
        index,
        `${index} ${text}`.length,
      ]);
    }
    expect(served.closes).toBe(0);
  });

  it("goes on sending from within flushed() and drained(), again and again, to a peer that reads slowly", async () => {
    const { peer: raw, rawPipe } = await startPipes(start);
    const { peer, served } = await raw();
    const { peer: pipePeer, end } = await rawPipe();
    const frameBytes = new Uint8Array(4 * 1024 * 1024);
    let sent = 0;
    const more = (): void => {
      sent += 1;
      if (sent <= 8) served.socket.sendBinary(frameBytes, more);
    };
    more();
    for (let index = 0; index < 8; index += 1) end.pipe.send(frameBytes);
    for (let index = 0; index < 8; index += 1) {
      expect((await peer.next(OPCODE.binary)).payload.byteLength).toBe(frameBytes.byteLength);
      expect((await pipePeer.next(OPCODE.text)).payload.byteLength).toBe(frameBytes.byteLength);
    }
    await end.drains.take("drained()");
    expect(end.pipe.bufferedBytes).toBe(0);
  });

  describe("native lifetimes: no call reaches what is dead", () => {
    it("a handler closes its own socket and another's, and goes on calling them", async () => {
      const { connect, transport } = await start({ echo: false });
      const both = [await connect(), await connect()];
      const sockets = both.map(({ served }) => served.socket);
      const closesAtReturn: number[] = [];
      for (const { served } of both) {
        served.text = () => {
          for (const socket of sockets) {
            socket.send("before");
            socket.close("internal");
            socket.send("after");
            socket.sendBinary(new Uint8Array(10), () => {});
            socket.close("internal");
          }
          closesAtReturn.push(served.closes);
        };
      }
      both[0]?.client.ws.send("go");
      both[1]?.client.ws.send("go");
      for (const { client, served } of both) {
        expect((await client.closing()).code).toBe(CLOSE.internal.code);
        await within(served.ended, "closed()");
        expect([served.closes, client.texts.all, client.binary.all]).toEqual([1, ["before"], []]);
      }
      expect(closesAtReturn, "closed() is never called from within close()").toEqual([0]);
      expect(transport.connections).toBe(0);
    });

    it("closed() and flushed() use what has ended, and others", async () => {
      const { connect, peer: raw } = await start({ echo: false });
      const { peer, served: stalled } = await raw();
      const { client, served } = await connect();
      let flushes = 0;
      served.closed = () => {
        served.socket.send("late");
        served.socket.close("internal");
        stalled.socket.close("internal");
      };
      peer.stall();
      stalled.socket.sendBinary(new Uint8Array(BEYOND_SYSTEM_BUFFERS), () => {
        flushes += 1;
      });
      served.socket.sendBinary(new Uint8Array(10), () => served.socket.close("rate_limited"));
      expect((await client.closing()).code).toBe(CLOSE.rate_limited.code);
      await within(stalled.ended, "the end of a peer that never reads why");
      expect([flushes, stalled.closes]).toEqual([0, 1]);
    });

    it("a pipe is ended from within its own message, with more behind it in the same read", async () => {
      const { rawPipe, works } = await startPipes(start);
      for (const end of ["close", "terminate"] as const) {
        const { peer, end: pipeEnd } = await rawPipe();
        const seen: string[] = [];
        pipeEnd.message = (bytes) => {
          seen.push(bytes.toString());
          if (end === "close") pipeEnd.pipe.close("internal");
          else pipeEnd.pipe.terminate();
          pipeEnd.pipe.send(Buffer.from("late"));
          pipeEnd.pipe.pause();
          pipeEnd.pipe.resume();
        };
        peer.socket.write(Buffer.concat([1, 2, 3].map((n) => frame(OPCODE.text, Buffer.from(String(n))))));
        await pipeEnd.over();
        expect([seen, pipeEnd.closes]).toEqual([["1"], 1]);
      }
      await works();
    });

    it("an answer comes when nobody waits any more: whole, in parts, and to half a body", async () => {
      const left = new Inbox<string>();
      const { port, http } = await start({
        fetch: async (request) => {
          const { pathname } = new URL(request.url);
          const gone = new Promise<void>((resolve) => {
            request.signal.addEventListener("abort", () => resolve(), { once: true });
          });
          if (pathname === "/up") return new Response("not read");
          if (pathname === "/parts") {
            return new Response(
              new ReadableStream<Uint8Array>({
                start: (controller) => controller.enqueue(new Uint8Array(100_000)),
                pull: (controller) => controller.enqueue(new Uint8Array(1_000_000)),
                cancel: () => left.put(pathname),
              }),
            );
          }
          if (pathname === "/whole") await gone.then(() => left.put(pathname));
          return new Response("nobody reads this");
        },
      });
      const whole = (await RawPeer.connect(port)).send("GET /whole HTTP/1.1\r\nhost: x\r\n\r\n");
      const parts = await RawPeer.connect(port);
      parts.send("GET /parts HTTP/1.1\r\nhost: x\r\n\r\n");
      await parts.head();
      for (const peer of [whole, parts]) peer.socket.resetAndDestroy();
      await left.take("/whole", (path) => path === "/whole");
      await left.take("/parts", (path) => path === "/parts");
      const up = (await RawPeer.connect(port)).send("POST /up HTTP/1.1\r\nhost: x\r\n");
      expect(await up.send("content-length: 1000000\r\n\r\nhalf").untilEnd()).toContain("not read");
      expect(await (await fetch(`${http}/`)).text()).toBe("nobody reads this");
    });

    it("a transport is closed twice, and used after", async () => {
      const { transport, connect } = await start();
      const { served } = await connect();
      await within(Promise.all([transport.close(), transport.close()]), "close()", 3_500);
      served.socket.send("late");
      served.socket.close("internal");
      expect([served.closes, transport.connections]).toEqual([1, 0]);
    });
  });

  describe("loading", () => {
    it.each([
      ["is not installed", () => Promise.reject(new Error("Cannot find package 'uWebSockets.js'"))],
      ["has no binary here", () => Promise.reject(new Error("This version supports only\n\nmore lines"))],
      ["is something else", async () => ({ default: {} })],
      ["lacks a function", async () => ({ App: () => ({}), us_socket_local_port: () => 0 })],
    ])("tells the operator in one line when the package %s", async (_, load) => {
      const error: unknown = await loadUws({}, load).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(TransportError);
      expect((error as Error).name).toBe("TransportError");
      expect((error as Error).message).toMatch(
        /^[^\n]*uWebSockets\.js[^\n]* Install it as docs\/transports\.md says[^\n]*$/,
      );
    });
  });
});
