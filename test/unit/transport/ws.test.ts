import { describe, expect, it } from "vitest";
import { CLOSE } from "../../../protocol/errors.ts";
import { WsTransport } from "../../../src/transport/ws.ts";
import { PATH, PROTOCOL, starter } from "../../contract/transport-bench.ts";
import { frame, PIPE_PATH, startAsking, startPipes } from "../../contract/transport-pipe-bench.ts";
import { handshake, headOf, RawPeer } from "../../contract/transport-raw.ts";
import { describeTransportContract } from "../../contract/transport.ts";
import { within } from "../../support/inbox.ts";
import { OPCODE, TcpPeer } from "../../support/tcp-peer.ts";

describeTransportContract("ws", (options) => new WsTransport(options));

const start = starter((options) => new WsTransport(options));

describe("transport: ws, by itself", () => {
  it("cuts off a message that comes in crumbs with 1008, before joining them takes long", async () => {
    const limit = 100_000;
    const { rawPipe, works } = await startPipes(start, { maxPipeBytes: limit });
    const { peer, end } = await rawPipe();
    peer.socket.setNoDelay();
    const crumbs = frame(OPCODE.text, Buffer.alloc(limit, "x"));
    for (let sent = 0; sent < crumbs.length && peer.received.length === 0; sent += 1) {
      peer.socket.write(crumbs.subarray(sent, sent + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.closeCode()).toBe(1008);
    await end.over();
    expect(end.messages.all).toEqual([]);
    await works();
  });

  it.each([
    ["text that is not UTF-8", 1007, frame(OPCODE.text, Uint8Array.of(0xc3, 0x28))],
    ["a reserved opcode", 1002, frame(5, Buffer.from("what"))],
    ["a continuation of nothing", 1002, frame(0, Buffer.from("what"))],
    ["garbage", 1002, Buffer.alloc(64, 0xff)],
  ])("says what is wrong with %s: %i", async (_, code, bytes) => {
    const { rawPipe, peer: rawSocket } = await startPipes(start);
    for (const { peer } of [await rawPipe(), await rawSocket()]) {
      peer.socket.write(bytes);
      expect(await peer.closeCode()).toBe(code);
    }
  });

  it("tells a pipe's silent peer why, also in the middle of a frame, and after a pause", async () => {
    const { rawPipe } = await startPipes(start, { heartbeatMs: 20 });
    const { peer: half } = await rawPipe();
    const { peer: paused, end } = await rawPipe();
    half.socket.write(frame(OPCODE.text, Buffer.from("half of this")).subarray(0, -5));
    end.pipe.pause();
    expect(await half.closeCode()).toBe(CLOSE.heartbeat_timeout.code);
    expect(paused.received.some(({ opcode }) => opcode === OPCODE.close)).toBe(false);
    end.pipe.resume();
    expect(await paused.closeCode()).toBe(CLOSE.heartbeat_timeout.code);
  });

  it("answers a paused pipe's goodbye before it cuts one that has no answer", async () => {
    const { pipe, rawPipe, works } = await startPipes(start);
    const { end: silentEnd } = await rawPipe();
    const { client, end } = await pipe();
    end.pipe.pause();
    for (let index = 0; index < 60; index += 1) client.ws.send(Buffer.alloc(64 * 1024));
    silentEnd.pipe.close("internal");
    for (let round = 0; round < 5; round += 1) await works();
    end.pipe.close("internal", "enough");
    expect((await client.closing()).code).toBe(CLOSE.internal.code);
    await end.over();
    expect(silentEnd.closes).toBe(0);
  });

  it("takes messages that came with a handshake, also when the pipe is paused at once", async () => {
    const { port, ends } = await startPipes(start, { accepted: (pipe) => pipe.pause() });
    const socket = await TcpPeer.connect(port);
    const upgraded = TcpPeer.upgrade(port, { path: PIPE_PATH, over: socket });
    socket.write(
      Buffer.concat([frame(OPCODE.text, Buffer.from("one")), frame(OPCODE.text, Buffer.from("two"))]),
    );
    const peer = await upgraded;
    const end = await ends.take("open pipe");
    expect(end.messages.all).toEqual([]);
    end.pipe.resume();
    await end.messages.take("the second message", (bytes) => bytes.toString() === "two");
    expect(end.messages.all.map(String)).toEqual(["one", "two"]);
    peer.destroy();
    await end.over();
  });

  it("ends a connection for garbage that came with its handshake, and takes it off one that is refused", async () => {
    const bench = await startPipes(start);
    const garbage = "\xff".repeat(1_000);
    const socket = (await RawPeer.connect(bench.port)).send(
      handshake(PATH, [`sec-websocket-protocol: ${PROTOCOL}`]) + garbage,
    );
    const pipe = (await RawPeer.connect(bench.port)).send(handshake(PIPE_PATH) + garbage);
    await Promise.all([socket.untilEnd(), pipe.untilEnd()]);
    await within((await bench.served.take("socket")).ended, "closed()");
    await (await bench.ends.take("pipe")).over();

    const { port, asked } = await startAsking(start);
    const refused = (await RawPeer.connect(port)).send(`${handshake(PIPE_PATH)}${garbage}`);
    (await asked.take("question")).resolve(null);
    expect((await refused.head()).status).toBe(404);
    await within(refused.ended, "the end of the connection");
  });

  it.each([
    ["a request", "GET / HTTP/1.1\r\nhost: x\r\n"],
    ["a socket's handshake", handshake(PATH).slice(0, -2)],
    ["a pipe's handshake", handshake(PIPE_PATH).slice(0, -2)],
  ])("answers too many headers of %s with 431", async (_, head) => {
    const { port } = await startPipes(start);
    const many = Array.from({ length: 200 }, (_, index) => `x-${index}: y\r\n`).join("");
    expect(headOf(await (await RawPeer.connect(port)).send(`${head}${many}\r\n`).untilEnd()).status).toBe(
      431,
    );
  });

  it("answers garbage with 400, and dribbled heads with 408 after the time that was set", async () => {
    const { port } = await start({ times: { headersMs: 150, requestMs: 300 } });
    const garbage = (await RawPeer.connect(port)).send("GET / HTTP/9.9\r\nbroken\r\n\r\n");
    expect(headOf(await garbage.untilEnd()).status).toBe(400);
    const half = (await RawPeer.connect(port)).send("GET / HTT");
    expect(headOf(await half.untilEnd()).status).toBe(408);
  });

  it("sends the head of a stream before there is a body", async () => {
    const { http } = await start({ fetch: () => new Response(new ReadableStream()) });
    const leaving = new AbortController();
    const response = await within(fetch(http, { signal: leaving.signal }), "the head");
    expect(response.status).toBe(200);
    leaving.abort();
  });
});
