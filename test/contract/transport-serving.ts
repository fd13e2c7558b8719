/** The transport's contract beside its sockets: HTTP, listening, and the end of it all. */
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import type { RequestInfo, TransportFactory } from "../../src/transport/transport.ts";
import { within } from "../support/inbox.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { BEYOND_SYSTEM_BUFFERS, Client, PATH, PROTOCOL, Served, type Start } from "./transport-bench.ts";

export function describeServing(start: Start, create: TransportFactory): void {
  describe("HTTP", () => {
    it("hands over method, address, headers and body, and sends the answer's", async () => {
      const infos: RequestInfo[] = [];
      const { http } = await start({
        fetch: async (request, info) => {
          infos.push(info);
          const { pathname, search } = new URL(request.url);
          const text = `${request.method} ${pathname}${search} ${request.headers.get("x-in")} ${await request.text()}`;
          return new Response(text, { status: 418, headers: { "x-out": "there" } });
        },
      });
      const response = await fetch(`${http}/a/b?c=d`, {
        method: "POST",
        headers: { "x-in": "here" },
        body: "body ä",
      });
      expect(response.status).toBe(418);
      expect(response.headers.get("x-out")).toBe("there");
      expect(await response.text()).toBe("POST /a/b?c=d here body ä");
      expect(infos[0]?.remoteAddress).toContain("127.0.0.1");
    });

    it("sends a streaming body as it comes, and tells it when the reader leaves", async () => {
      let out: ReadableStreamDefaultController<Uint8Array> | undefined;
      let begin = (): void => {};
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      let left = (): void => {};
      const cancelled = new Promise<void>((resolve) => {
        left = resolve;
      });
      const { http } = await start({
        fetch: () =>
          new Response(
            new ReadableStream<Uint8Array>({
              start: (controller) => {
                out = controller;
                begin();
              },
              cancel: () => left(),
            }),
          ),
      });
      const leaving = new AbortController();
      const answered = fetch(http, { signal: leaving.signal });
      await within(begun, "the request");
      const encoder = new TextEncoder();
      // A head may wait for the first byte of its body.
      out?.enqueue(encoder.encode("first"));
      const response = await answered;
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      for (const text of ["first", "one", "two", "three"]) {
        if (text !== "first") out?.enqueue(encoder.encode(text));
        const { value } = await within(reader.read(), "the next chunk");
        expect(new TextDecoder().decode(value)).toBe(text);
      }
      leaving.abort();
      await within(cancelled, "the stream's cancel");
    });

    it("aborts a request's signal when its client leaves before the answer", async () => {
      let aborted = (): void => {};
      const abort = new Promise<void>((resolve) => {
        aborted = resolve;
      });
      let arrived = (): void => {};
      const arrival = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const { http } = await start({
        fetch: (request) => {
          request.signal.addEventListener("abort", () => aborted());
          arrived();
          return abort.then(() => new Response("nobody reads this"));
        },
      });
      const leaving = new AbortController();
      const asked = fetch(http, { signal: leaving.signal });
      await within(arrival, "the request");
      leaving.abort();
      await expect(asked).rejects.toThrow();
      await within(abort, "the signal's abort");
    });

    it("survives a handler that throws, requests that are none, and an upgrade to something else", async () => {
      const { http, port, connect } = await start({
        fetch: (request) => {
          if (request.url.endsWith("/throws")) throw new Error("a handler's mistake");
          return new Response("fine");
        },
      });
      expect((await fetch(`${http}/throws`)).status).toBe(500);
      const garbage = await TcpPeer.upgrade(port, { path: "/ HTTP/9.9\r\nbroken" });
      expect([400, 505]).toContain(garbage.status);
      garbage.destroy();
      const other = await TcpPeer.upgrade(port, { path: PATH, headers: { upgrade: "smtp" } });
      expect(other.status).not.toBe(101);
      other.destroy();
      expect(await (await fetch(http)).text()).toBe("fine");
      await (await connect()).client.roundTrip("still here");
    });
  });

  describe("listening", () => {
    it("rejects a taken port with EADDRINUSE", async () => {
      const { port } = await start();
      const second = create({
        fetch: () => new Response(),
        socketPath: PATH,
        subprotocol: PROTOCOL,
        admit: () => undefined,
        onSocket: (socket) => new Served(socket, false),
        maxMessageBytes: 1,
        maxBufferedBytes: 1,
        heartbeatMs: 60_000,
      });
      await expect(second.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
      await within(second.close(), "close() of a transport that never listened");
    });

    it("tells sockets 3000 on close() and resolves, with one stuck and a long poll open", async () => {
      let arrived = (): void => {};
      const arrival = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const {
        transport,
        http,
        port,
        connect,
        peer: raw,
      } = await start({
        fetch: () => {
          arrived();
          return new Promise<Response>(() => {});
        },
      });
      const { client, served } = await connect();
      const { peer: stuck, served: stuckServed } = await raw();
      const poll = fetch(http).catch((error: unknown) => error);
      await within(arrival, "the long poll");
      const closed = transport.close();
      expect((await client.closing()).code).toBe(CLOSE.going_away.code);
      expect(await stuck.closeCode()).toBe(CLOSE.going_away.code);
      await within(closed, "close()", 3_500);
      expect(await poll).toBeInstanceOf(Error);
      expect([served.closes, stuckServed.closes, transport.connections]).toEqual([1, 1, 0]);
      await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow();
    });

    it("resolves close() with nothing but a long poll open", async () => {
      let arrived = (): void => {};
      const arrival = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const { transport, http } = await start({
        fetch: () => {
          arrived();
          return new Promise<Response>(() => {});
        },
      });
      const poll = fetch(http).catch((error: unknown) => error);
      await within(arrival, "the long poll");
      await within(transport.close(), "close()", 3_500);
      expect(await poll).toBeInstanceOf(Error);
    });

    it("resolves close() although peers keep refused, unused and stalled connections open", async () => {
      const { transport, port, peer: raw } = await start({ echo: false });
      const refused = await TcpPeer.upgrade(port, { path: "/elsewhere" });
      const unused = await TcpPeer.connect(port);
      const { peer: stalled, served } = await raw();
      onTestFinished(() => [refused.socket, unused].forEach((socket) => socket.destroy()));
      stalled.stall();
      served.socket.sendBinary(new Uint8Array(BEYOND_SYSTEM_BUFFERS), () => {});
      await within(transport.close(), "close()", 3_500);
      expect(served.closes).toBe(1);
    });

    it("takes no new socket once close() was called, on a new connection or an old one", async () => {
      const { transport, port, peer: raw, served } = await start();
      const { peer: stuck } = await raw();
      const old = await TcpPeer.connect(port);
      onTestFinished(() => void old.destroy());
      const closed = transport.close();
      await new Client(port).closing();
      const headers = { "sec-websocket-protocol": PROTOCOL };
      const late = await TcpPeer.upgrade(port, { path: PATH, headers, over: old });
      expect(late.status).toBe(503);
      stuck.destroy();
      await within(closed, "close()", 3_500);
      expect(served.all).toHaveLength(1);
    });
  });
}
