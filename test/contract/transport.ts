/**
 * What every transport must do (`src/transport/transport.ts`). Each implementation calls this with a factory of its
 * own; nothing in here knows which one it talks to. Clients are real sockets, and every wait is for an event.
 */
import { describe, expect, it, onTestFinished } from "vitest";
import type { WebSocket } from "ws";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import type { TransportFactory } from "../../src/transport/transport.ts";
import { within } from "../support/inbox.ts";
import { OPCODE, TcpPeer } from "../support/tcp-peer.ts";
import {
  ALLOWED_ORIGIN,
  BEYOND_SYSTEM_BUFFERS,
  Client,
  MAX_MESSAGE_BYTES,
  PATH,
  PROTOCOL,
  starter,
} from "./transport-bench.ts";
import { describeAdmission } from "./transport-admission.ts";
import { describeHostilePeers } from "./transport-hostile.ts";
import { describePipeHandshakes } from "./transport-pipe-handshakes.ts";
import { describePipes } from "./transport-pipes.ts";
import { endOf } from "./transport-raw.ts";
import { describeServing } from "./transport-serving.ts";

export function describeTransportContract(name: string, create: TransportFactory): void {
  const start = starter(create);

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
          // Were the gateway's own half still there, it would take what comes for ever.
          while (!peer.socket.destroyed) {
            peer.socket.write("anybody there?");
            await new Promise((resolve) => setImmediate(resolve));
          }
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

      it("that is not UTF-8 ends its socket, with 1007 if with a code, and no other", async () => {
        const { connect, peer: raw } = await start();
        const { client: other } = await connect();
        const { peer, served } = await raw();
        peer.send(OPCODE.text, Uint8Array.of(0xc3, 0x28));
        expect([1007, undefined]).toContain(await endOf(peer));
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

    describePipes(start);
    describePipeHandshakes(start);
    describeServing(start, create);
    describeAdmission(start);
    describeHostilePeers(start);
  });
}
