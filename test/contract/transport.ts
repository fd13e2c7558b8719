/**
 * What every transport must do (`src/transport/transport.ts`). Each implementation calls this with a factory of its
 * own; nothing in here knows which one it talks to. Clients are real sockets, and every wait is for an event.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import type {
  RequestInfo,
  Socket,
  SocketHandler,
  Transport,
  TransportOptions,
} from "../../src/transport/transport.ts";
import { Inbox, within } from "../support/inbox.ts";
import { OPCODE, TcpPeer } from "../support/tcp-peer.ts";

export type TransportFactory = (options: TransportOptions) => Transport;

const PATH = "/socket";
const PROTOCOL = "test.v1";
const ALLOWED_ORIGIN = "http://gateway.test";
const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_BUFFERED_BYTES = 256 * 1024;
/** More than the system's buffers on both ends of a local connection take. */
const BEYOND_SYSTEM_BUFFERS = 48 * 1024 * 1024;

/** One accepted socket, as the gateway sees it. */
class Served implements SocketHandler {
  readonly socket: Socket;
  readonly texts = new Inbox<string>();
  readonly ended: Promise<void>;
  binaries = 0;
  closes = 0;
  readonly #end: () => void;
  readonly #reply: ((text: string) => void) | undefined;

  constructor(socket: Socket, echo: boolean) {
    this.socket = socket;
    this.#reply = echo ? (text) => socket.send(text) : undefined;
    let end = (): void => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  text(text: string): void {
    this.texts.put(text);
    this.#reply?.(text);
  }
  binary(): void {
    this.binaries += 1;
  }
  closed(): void {
    this.closes += 1;
    this.#end();
  }
}

interface Bench {
  readonly transport: Transport;
  readonly port: number;
  readonly http: string;
  readonly served: Inbox<Served>;
  /** A connected client, and its other end. */
  connect(): Promise<{ client: Client; served: Served }>;
  /** The same with a client that is no library. */
  peer(): Promise<{ peer: TcpPeer; served: Served }>;
}

/** A client of the library, with what it received. */
class Client {
  readonly ws: WebSocket;
  readonly texts = new Inbox<string>();
  readonly binary = new Inbox<Buffer>();
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(port: number, protocols: string[] = [PROTOCOL], path = PATH, origin?: string) {
    this.ws = new WebSocket(
      `ws://127.0.0.1:${port}${path}`,
      protocols,
      origin === undefined ? {} : { origin },
    );
    this.ws.on("error", () => {});
    this.ws.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.binary.put(data);
      else this.texts.put(data.toString("utf8"));
    });
    this.closed = new Promise((resolve) => {
      this.ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    onTestFinished(() => this.ws.terminate());
  }

  async open(): Promise<this> {
    await within(once(this.ws, "open"), "the handshake");
    return this;
  }

  closing(): Promise<{ code: number; reason: string }> {
    return within(this.closed, "the close");
  }

  /** HTTP status that refused the handshake. */
  async refusal(): Promise<number | undefined> {
    const [, response] = (await within(once(this.ws, "unexpected-response"), "a refusal")) as [
      unknown,
      { statusCode?: number },
    ];
    return response.statusCode;
  }

  /** Sends `text` to a gateway that sends it back. */
  async roundTrip(text: string): Promise<void> {
    this.ws.send(text);
    await this.texts.take(`echo of ${text.slice(0, 20)}`, (received) => received === text);
  }
}

export function describeTransportContract(name: string, create: TransportFactory): void {
  async function start(over: Partial<TransportOptions> & { echo?: boolean } = {}): Promise<Bench> {
    const { echo = true, ...options } = over;
    const served = new Inbox<Served>();
    const transport = create({
      fetch: () => new Response("nothing here", { status: 404 }),
      socketPath: PATH,
      subprotocol: PROTOCOL,
      originAllowed: (origin) => origin === ALLOWED_ORIGIN,
      onSocket: (socket) => {
        const one = new Served(socket, echo);
        served.put(one);
        return one;
      },
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      heartbeatMs: 60_000,
      ...options,
    });
    const { port } = await transport.listen("127.0.0.1", 0);
    onTestFinished(() => transport.close());
    return {
      transport,
      port,
      http: `http://127.0.0.1:${port}`,
      served,
      async connect() {
        const client = await new Client(port).open();
        return { client, served: await served.take("accepted socket") };
      },
      async peer() {
        const peer = await TcpPeer.upgrade(port, {
          path: PATH,
          headers: { "sec-websocket-protocol": PROTOCOL },
        });
        onTestFinished(() => peer.destroy());
        expect(peer.status).toBe(101);
        return { peer, served: await served.take("accepted socket") };
      },
    };
  }

  describe(`transport: ${name}`, () => {
    describe("handshake", () => {
      it("upgrades on its path, whatever the query, and answers 404 on any other", async () => {
        const { port, served, transport } = await start();
        await new Client(port, [PROTOCOL], `${PATH}?from=test`).open();
        expect((await served.take("accepted socket")).socket.remoteAddress).toContain("127.0.0.1");
        expect(await new Client(port, [PROTOCOL], "/elsewhere").refusal()).toBe(404);
        expect(await new Client(port, [PROTOCOL], `${PATH}/below`).refusal()).toBe(404);
        expect(transport.connections).toBe(1);
      });

      it("refuses targets that are no address, and goes on", async () => {
        const { port, connect } = await start();
        for (const path of ["//", "http://", "*", "//[", "/%"]) {
          const peer = await TcpPeer.upgrade(port, { path });
          onTestFinished(() => peer.destroy());
          expect(peer.status, path).toBeGreaterThanOrEqual(400);
          await within(peer.ended, "the end of the refused connection");
        }
        await (await connect()).client.roundTrip("still here");
      });

      it("refuses a foreign origin with 403; its own and none may connect", async () => {
        const { port, transport } = await start();
        expect(await new Client(port, [PROTOCOL], PATH, "http://evil.test").refusal()).toBe(403);
        expect(await new Client(port, [PROTOCOL], PATH, "null").refusal()).toBe(403);
        expect(transport.connections).toBe(0);
        await new Client(port, [PROTOCOL], PATH, ALLOWED_ORIGIN).open();
        await new Client(port).open();
        expect(transport.connections).toBe(2);
      });

      it.each([
        ["a missing", []],
        ["a foreign", ["other.v1"]],
      ])("opens and closes %s subprotocol with 3501, so that a page can read why", async (_, protocols) => {
        const { port, served } = await start();
        const client = await new Client(port, protocols).open();
        expect((await client.closing()).code).toBe(CLOSE.unsupported_version.code);
        expect(served.all).toEqual([]);
      });

      it("picks its subprotocol among several", async () => {
        const { port } = await start();
        const client = await new Client(port, ["other.v1", PROTOCOL]).open();
        expect(client.ws.protocol).toBe(PROTOCOL);
        await client.roundTrip("hello");
      });
    });

    describe("text", () => {
      it("goes both ways in order, many messages in one tick and beside the handshake's own", async () => {
        const { connect } = await start();
        const { client, served } = await connect();
        const sent = Array.from({ length: 500 }, (_, index) => `${index} ${"x".repeat(index)} ä€😀`);
        for (const text of sent) client.ws.send(text);
        await client.texts.take("the last echo", (text) => text === sent.at(-1));
        expect(served.texts.all).toEqual(sent);
        expect(client.texts.all).toEqual(sent);
      });

      it("of the size limit passes; one byte more closes with 1009, and the others go on", async () => {
        const { connect } = await start();
        const { client: other } = await connect();
        const { client, served } = await connect();
        await client.roundTrip("x".repeat(MAX_MESSAGE_BYTES));
        client.ws.send("x".repeat(MAX_MESSAGE_BYTES + 1));
        expect((await client.closing()).code).toBe(1009);
        await within(served.ended, "closed()");
        expect(served.texts.all).toHaveLength(1);
        await other.roundTrip("still here");
      });

      it("that is not UTF-8 closes its socket with 1007 and no other", async () => {
        const { connect, peer: raw } = await start();
        const { client: other } = await connect();
        const { peer, served } = await raw();
        peer.send(OPCODE.text, Uint8Array.of(0xc3, 0x28));
        expect(await peer.closeCode()).toBe(1007);
        await within(served.ended, "closed()");
        expect(served.texts.all).toEqual([]);
        await other.roundTrip("still here");
      });

      it("that is followed by garbage reaches the handler; the garbage closes the socket", async () => {
        const { connect, peer: raw } = await start();
        const { client: other } = await connect();
        const { peer, served } = await raw();
        peer.send(OPCODE.text, "good");
        peer.socket.write(Buffer.alloc(64, 0xff));
        await served.texts.take("the good message", (text) => text === "good");
        await within(served.ended, "closed()");
        expect(served.closes).toBe(1);
        await other.roundTrip("still here");
      });
    });

    describe("binary", () => {
      it("going up is reported and dropped; the socket stays", async () => {
        const { connect } = await start();
        const { client, served } = await connect();
        client.ws.send(Buffer.alloc(10));
        client.ws.send(Buffer.alloc(10));
        await client.roundTrip("after");
        expect(served.binaries).toBe(2);
        expect(served.texts.all).toEqual(["after"]);
      });

      it("going down arrives whole, in order with the text, and flushed is called once each", async () => {
        const { connect } = await start({ echo: false });
        const { client, served } = await connect();
        const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
        let flushes = 0;
        const flushed = new Promise<void>((resolve) => {
          served.socket.sendBinary(bytes, () => {
            flushes += 1;
            served.socket.sendBinary(bytes.subarray(1), () => {
              flushes += 1;
              served.socket.send("last");
              resolve();
            });
          });
        });
        expect(flushes, "flushed is never called before sendBinary returns").toBe(0);
        await within(flushed, "flushed");
        await client.texts.take("the text after it");
        expect(client.binary.all.map((received) => Buffer.compare(received, bytes))).toEqual([0, 1]);
        expect(flushes).toBe(2);
      });

      it("is not flushed while the peer does not read, and does not count as control messages", async () => {
        const { connect, peer: raw } = await start();
        const { client: other } = await connect();
        const { peer, served } = await raw();
        peer.stall();
        let flushes = 0;
        const flushed = new Promise<void>((resolve) => {
          served.socket.sendBinary(new Uint8Array(BEYOND_SYSTEM_BUFFERS), () => {
            flushes += 1;
            resolve();
          });
        });
        served.socket.send("small");
        for (let round = 0; round < 20; round += 1) await other.roundTrip(`round ${round}`);
        expect(flushes).toBe(0);
        expect(served.closes).toBe(0);

        peer.resume();
        const { payload } = await peer.next(OPCODE.binary);
        expect(payload.byteLength).toBe(BEYOND_SYSTEM_BUFFERS);
        expect((await peer.next(OPCODE.text)).payload.toString()).toBe("small");
        await within(flushed, "flushed");
        expect(flushes).toBe(1);
        peer.send(OPCODE.text, "open");
        await served.texts.take("a message after it");
      });

      it("is never flushed when the socket closes first", async () => {
        const { connect, peer: raw } = await start();
        const { client: other } = await connect();
        const { peer, served } = await raw();
        peer.stall();
        let flushes = 0;
        served.socket.sendBinary(new Uint8Array(BEYOND_SYSTEM_BUFFERS), () => {
          flushes += 1;
        });
        await other.roundTrip("sent");
        peer.destroy();
        await within(served.ended, "closed()");
        await other.roundTrip("and after");
        expect(flushes).toBe(0);
      });
    });

    describe("a slow consumer", () => {
      const chunk = "x".repeat(64 * 1024);
      const chunks = BEYOND_SYSTEM_BUFFERS / chunk.length;

      it("E3: is told 3001 behind what was queued before, in order and without a gap", async () => {
        const { peer: raw } = await start({ echo: false });
        const { peer, served } = await raw();
        peer.stall();
        for (let index = 0; index < chunks; index += 1) served.socket.send(`${index} ${chunk}`);
        peer.resume();
        expect(await peer.closeCode()).toBe(CLOSE.slow_consumer.code);
        const got = peer.received.filter(({ opcode }) => opcode === OPCODE.text);
        const numbers = got.map(({ payload }) => Number.parseInt(payload.toString("latin1", 0, 8), 10));
        expect(numbers).toEqual(numbers.map((_, index) => index));
        expect(numbers.length).toBeLessThan(chunks);
      });

      it("E3: that never reads is cut, while the others get everything", async () => {
        const { connect, peer: raw, transport } = await start();
        const { client: other, served: otherServed } = await connect();
        const { peer, served } = await raw();
        peer.stall();
        for (let index = 0; index < chunks; index += 1) {
          served.socket.send(chunk);
          if (index % 50 === 0) otherServed.socket.send(`event ${index}`);
        }
        await other.roundTrip("meanwhile");
        await within(served.ended, "closed()");
        expect(served.closes).toBe(1);
        expect(transport.connections).toBe(1);
        await other.roundTrip("after");
        expect(other.texts.all.filter((text) => text.startsWith("event")).length).toBe(
          Math.ceil(chunks / 50),
        );
      });
    });

    describe("closing", () => {
      it("carries code and reason of every kind to the peer, and calls closed() once", async () => {
        const { connect } = await start();
        for (const reason of Object.keys(CLOSE) as CloseReason[]) {
          const { client, served } = await connect();
          served.socket.close(reason, `because ${"of this ".repeat(40)}`);
          served.socket.close("internal");
          const closing = await client.closing();
          expect(closing.code).toBe(CLOSE[reason].code);
          expect(closing.reason).toMatch(new RegExp(`^${reason}: because of this`));
          await within(served.ended, "closed()");
          expect(served.closes).toBe(1);
        }
      });

      it("cuts a peer that never answers the close", async () => {
        const { peer: raw, transport } = await start();
        const { peer, served } = await raw();
        served.socket.close("protocol_error");
        expect(await peer.closeCode()).toBe(CLOSE.protocol_error.code);
        await within(served.ended, "closed()");
        await within(peer.ended, "the end of the connection");
        expect(transport.connections).toBe(0);
      });

      it("by the peer, politely or not, calls closed() once; after it every method does nothing", async () => {
        const { connect, transport } = await start();
        for (const leave of [(ws: WebSocket) => ws.close(), (ws: WebSocket) => ws.terminate()]) {
          const { client, served } = await connect();
          leave(client.ws);
          await within(served.ended, "closed()");
          let flushes = 0;
          served.socket.send("late");
          served.socket.sendBinary(Uint8Array.of(1), () => {
            flushes += 1;
          });
          served.socket.close("internal");
          await (await connect()).client.roundTrip("another socket");
          expect([served.closes, flushes]).toEqual([1, 0]);
        }
        expect(transport.connections).toBe(2);
      });
    });

    describe("heartbeat", () => {
      it("closes a half-open peer, which answers no ping, with 3002", async () => {
        const { peer: raw } = await start({ heartbeatMs: 20 });
        const { peer } = await raw();
        expect(await peer.closeCode()).toBe(CLOSE.heartbeat_timeout.code);
      });

      it.each([
        ["answers pings", (peer: TcpPeer, payload: Buffer) => peer.send(OPCODE.pong, payload)],
        ["answers none but talks", (peer: TcpPeer) => peer.send(OPCODE.text, "alive")],
      ])("leaves a peer alone that %s", async (_, live) => {
        const { peer: raw } = await start({ heartbeatMs: 20 });
        const { peer, served } = await raw();
        peer.onFrame(({ opcode, payload }) => {
          if (opcode === OPCODE.ping) live(peer, payload);
        });
        for (let beat = 0; beat < 6; beat += 1) await peer.next(OPCODE.ping);
        expect(served.closes).toBe(0);
        expect(peer.received.some(({ opcode }) => opcode === OPCODE.close)).toBe(false);
      });
    });

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
                },
                cancel: () => left(),
              }),
            ),
        });
        const leaving = new AbortController();
        const response = await fetch(http, { signal: leaving.signal });
        const reader = (response.body as ReadableStream<Uint8Array>).getReader();
        for (const text of ["one", "two", "three"]) {
          out?.enqueue(new TextEncoder().encode(text));
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
        expect(garbage.status).toBe(400);
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
          originAllowed: () => true,
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

      it("resolves close() although peers keep refused, unused and stalled connections open", async () => {
        const { transport, port, peer: raw } = await start({ echo: false });
        const refused = await TcpPeer.upgrade(port, { path: "/elsewhere" });
        const unused = connect(port, "127.0.0.1");
        await within(once(unused, "connect"), "the TCP connection");
        const { peer: stalled, served } = await raw();
        onTestFinished(() => [refused.socket, unused].forEach((socket) => socket.destroy()));
        stalled.stall();
        served.socket.sendBinary(new Uint8Array(BEYOND_SYSTEM_BUFFERS), () => {});
        await within(transport.close(), "close()", 3_500);
        expect(served.closes).toBe(1);
      });

      it("takes no new socket once close() was called", async () => {
        const { transport, port, peer: raw, served } = await start();
        const { peer: stuck } = await raw();
        const closed = transport.close();
        await new Client(port).closing();
        stuck.destroy();
        await within(closed, "close()", 3_500);
        expect(served.all).toHaveLength(1);
      });
    });
  });
}
