/** The transport's contract of pipes once they are open: what passes, how it is paced, and how it ends. */
import { describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import { within } from "../support/inbox.ts";
import { OPCODE, type TcpPeer } from "../support/tcp-peer.ts";
import { BEYOND_SYSTEM_BUFFERS, type Start } from "./transport-bench.ts";
import { frame, MAX_PIPE_BYTES, payloadOf, startPipes } from "./transport-pipe-bench.ts";
import { endOf } from "./transport-raw.ts";

export function describePipes(start: Start): void {
  describe("a pipe", () => {
    it("passes text and binary frames up as bytes, and bytes down as text", async () => {
      const { pipe } = await startPipes(start);
      const { client, end } = await pipe();
      const up = ["text ä€😀", "", Uint8Array.of(0, 0xff, 0xc3), Buffer.alloc(0)];
      for (const message of up) client.ws.send(message);
      for (const message of up) {
        const received = await end.messages.take("message");
        expect(Buffer.isBuffer(received)).toBe(true);
        expect(received.equals(Buffer.from(message as string))).toBe(true);
      }
      end.pipe.send(Buffer.from("text ä€😀"));
      end.pipe.send(new TextEncoder().encode("of a view").subarray(3));
      end.pipe.send(new Uint8Array(0));
      await client.texts.take("the empty message", (text) => text === "");
      expect(client.texts.all).toEqual(["text ä€😀", "a view", ""]);
      expect(client.binary.all).toEqual([]);
      expect(end.pipe.remoteAddress).toContain("127.0.0.1");
    });

    it("passes the largest message both ways, byte for byte", async () => {
      const { pipe } = await startPipes(start);
      const { client, end } = await pipe();
      const payload = payloadOf(MAX_PIPE_BYTES);
      client.ws.send(payload, { binary: false });
      expect((await end.messages.take("the large message")).equals(payload)).toBe(true);
      end.pipe.send(payload);
      expect(Buffer.from(await client.texts.take("the large message")).equals(payload)).toBe(true);
    });

    it("keeps the order of 10,000 messages each way", async () => {
      const { pipe } = await startPipes(start);
      const { client, end } = await pipe();
      const sent = Array.from(
        { length: 10_000 },
        (_, index) => `{"id":${index},"x":"${"y".repeat(index % 97)}"}`,
      );
      for (const text of sent) {
        client.ws.send(text);
        end.pipe.send(Buffer.from(text));
      }
      await end.messages.take("the last message", (bytes) => bytes.equals(Buffer.from(sent.at(-1) ?? "")));
      await client.texts.take("the last message", (text) => text === sent.at(-1));
      expect(end.messages.all.map(String)).toEqual(sent);
      expect(client.texts.all).toEqual(sent);
    });

    it("hands out bytes that nothing writes to later", async () => {
      const { pipe } = await startPipes(start);
      const { client, end } = await pipe();
      for (let index = 0; index < 2_000; index += 1) client.ws.send(`${index} ${"x".repeat(100)}`);
      await end.messages.take("the last message", (bytes) => bytes.toString().startsWith("1999 "));
      const numbers = end.messages.all.map((bytes) => Number.parseInt(bytes.toString(), 10));
      expect(numbers).toEqual(numbers.map((_, index) => index));
      const first = end.messages.all[0] as Buffer;
      first.fill("z");
      expect(end.messages.all[1]?.toString()).toBe(`1 ${"x".repeat(100)}`);
    });

    it("keeps no copy of what it sends", async () => {
      const { rawPipe } = await startPipes(start);
      const { peer, end } = await rawPipe();
      peer.stall();
      const payload = Buffer.alloc(BEYOND_SYSTEM_BUFFERS, "x");
      const before = process.memoryUsage().arrayBuffers;
      end.pipe.send(payload);
      const after = process.memoryUsage().arrayBuffers;
      expect(end.pipe.bufferedBytes).toBeGreaterThan(0);
      expect(after - before).toBeLessThan(payload.byteLength / 4);
    });

    it("takes messages that come as soon as it is open, also when it is paused at once", async () => {
      const { rawPipe, works } = await startPipes(start, {
        accepted: (pipe) => {
          pipe.pause();
          setImmediate(() => pipe.resume());
        },
      });
      const { peer, end } = await rawPipe();
      end.pipe.pause();
      peer.socket.write(
        Buffer.concat([frame(OPCODE.text, Buffer.from("one")), frame(OPCODE.text, Buffer.from("two"))]),
      );
      await works();
      expect(end.messages.all).toEqual([]);
      end.pipe.resume();
      await end.messages.take("the second message", (bytes) => bytes.toString() === "two");
      expect(end.messages.all.map(String)).toEqual(["one", "two"]);
      peer.destroy();
      await end.over();
    });
  });

  describe("pacing of a pipe", () => {
    it("stops reading while paused, so that the peer keeps its bytes, and delivers all after", async () => {
      const { pipe, works } = await startPipes(start);
      const { client, end } = await pipe();
      end.pipe.pause();
      const chunk = payloadOf(512 * 1024);
      const count = BEYOND_SYSTEM_BUFFERS / chunk.byteLength;
      for (let index = 0; index < count; index += 1)
        client.ws.send(Buffer.concat([Buffer.from(`${index} `), chunk]));
      for (let round = 0; round < 20; round += 1) await works();
      expect(end.messages.all.length).toBe(0);
      const kept = client.ws.bufferedAmount;
      expect(kept).toBeGreaterThan(BEYOND_SYSTEM_BUFFERS / 4);
      for (let round = 0; round < 5; round += 1) await works();
      expect(client.ws.bufferedAmount).toBe(kept);

      end.pipe.resume();
      await end.messages.take("the last", (bytes) =>
        bytes.toString("latin1", 0, 4).startsWith(`${count - 1} `),
      );
      expect(end.messages.all.map((bytes) => Number.parseInt(bytes.toString("latin1", 0, 4), 10))).toEqual(
        Array.from({ length: count }, (_, index) => index),
      );
      expect(end.messages.all.every((bytes) => bytes.subarray(bytes.indexOf(" ") + 1).equals(chunk))).toBe(
        true,
      );
    });

    it("pauses and resumes as often as it likes without losing or reordering anything", async () => {
      const { pipe } = await startPipes(start);
      const { client, end } = await pipe();
      const sent = Array.from({ length: 5_000 }, (_, index) => `${index} ${"x".repeat(index % 501)}`);
      for (const text of sent) client.ws.send(text);
      for (let taken = 0; taken < sent.length; taken += 1) {
        await end.messages.take("message");
        if (taken % 50 !== 0) continue;
        end.pipe.pause();
        end.pipe.pause();
        setImmediate(() => end.pipe.resume());
      }
      expect(end.messages.all.map(String)).toEqual(sent);
    });

    it("counts what has not left, sends on while paused, and says when all has left", async () => {
      const { rawPipe, works } = await startPipes(start);
      const { peer, end } = await rawPipe();
      peer.stall();
      end.pipe.pause();
      expect(end.pipe.bufferedBytes).toBe(0);
      const chunk = payloadOf(512 * 1024);
      const count = BEYOND_SYSTEM_BUFFERS / chunk.byteLength;
      for (let index = 0; index < count; index += 1) end.pipe.send(chunk);
      for (let round = 0; round < 20; round += 1) await works();
      const stuck = end.pipe.bufferedBytes;
      expect(stuck).toBeGreaterThan(BEYOND_SYSTEM_BUFFERS / 4);
      expect(stuck).toBeLessThanOrEqual(BEYOND_SYSTEM_BUFFERS);
      expect([end.drains.all, end.closes]).toEqual([[], 0]);
      end.pipe.send(chunk);
      expect(end.pipe.bufferedBytes).toBe(stuck + chunk.byteLength);

      peer.resume();
      await end.drains.take("drained()");
      expect(end.drains.all).toEqual([0]);
      for (let index = 0; index <= count; index += 1)
        expect((await peer.next(OPCODE.text)).payload.equals(chunk)).toBe(true);

      end.pipe.send(Buffer.from("a small one"));
      await end.drains.take("another drained()");
      expect(end.pipe.bufferedBytes).toBe(0);
    });

    it("notices a peer that was cut while it was paused", async () => {
      const { rawPipe, transport } = await startPipes(start, { heartbeatMs: 20 });
      const { peer, end } = await rawPipe();
      end.pipe.pause();
      // So much that nobody is about to read more.
      peer.socket.write(frame(OPCODE.binary, Buffer.alloc(BEYOND_SYSTEM_BUFFERS)));
      await peer.next(OPCODE.ping);
      peer.socket.resetAndDestroy();
      await end.over();
      expect(transport.connections).toBe(0);
    });
  });

  describe("a broken or oversized message in a pipe", () => {
    it("of the limit passes; one byte more closes with 1009, whole or in fragments", async () => {
      const limit = 200_000;
      const { pipe, rawPipe, works } = await startPipes(start, { maxPipeBytes: limit });
      const { client, end } = await pipe();
      client.ws.send(Buffer.alloc(limit));
      expect((await end.messages.take("message")).byteLength).toBe(limit);
      client.ws.send(Buffer.alloc(limit + 1));
      expect((await client.closing()).code).toBe(1009);
      await end.over();

      const { peer, end: fragmented } = await rawPipe();
      const half = Buffer.alloc(limit / 2 + 1);
      peer.socket.write(Buffer.concat([frame(OPCODE.binary, half, false), frame(0, half)]));
      expect(await peer.closeCode()).toBe(1009);
      await fragmented.over();
      expect([end.messages.all.length, fragmented.messages.all.length]).toEqual([1, 0]);
      await works();
    });

    it("in 30,000 fragments passes", async () => {
      const { rawPipe } = await startPipes(start);
      const { peer, end } = await rawPipe();
      const part = payloadOf(1_000);
      const middle = Array.from({ length: 29_998 }, () => frame(0, part, false));
      peer.socket.write(Buffer.concat([frame(OPCODE.text, part, false), ...middle, frame(0, part)]));
      const message = await end.messages.take("the message");
      expect(message.byteLength).toBe(30_000 * part.byteLength);
      expect(message.subarray(-part.byteLength).equals(part)).toBe(true);
    });

    it.each([
      ["text that is not UTF-8", 1007, frame(OPCODE.text, Uint8Array.of(0xc3, 0x28))],
      ["a reserved opcode", 1002, frame(5, Buffer.from("what"))],
      ["a continuation of nothing", 1002, frame(0, Buffer.from("what"))],
      ["garbage", 1002, Buffer.alloc(64, 0xff)],
    ])(
      "%s ends it, with %i if with a code, behind what came before, and no other",
      async (_, code, bytes) => {
        const { rawPipe, works } = await startPipes(start);
        const { peer, end } = await rawPipe();
        peer.socket.write(Buffer.concat([frame(OPCODE.text, Buffer.from("good")), bytes]));
        expect([code, undefined]).toContain(await endOf(peer));
        await end.over();
        expect([end.messages.all.map(String), end.closes]).toEqual([["good"], 1]);
        await works();
      },
    );

    it("cut in the middle of a frame ends in closed() without a message", async () => {
      const { rawPipe, works } = await startPipes(start);
      for (const cut of [
        (peer: TcpPeer) => peer.socket.end(),
        (peer: TcpPeer) => peer.socket.resetAndDestroy(),
      ]) {
        const { peer, end } = await rawPipe();
        peer.socket.write(frame(OPCODE.text, Buffer.from("half of this")).subarray(0, -5));
        await works();
        cut(peer);
        await end.over();
        expect([end.messages.all.length, end.closes]).toEqual([0, 1]);
      }
      await works();
    });
  });

  describe("the end of a pipe", () => {
    it("carries code and reason of every kind to the peer, and calls closed() once", async () => {
      const { pipe } = await startPipes(start);
      for (const reason of Object.keys(CLOSE) as CloseReason[]) {
        const { client, end } = await pipe();
        end.pipe.send(Buffer.from("before"));
        end.pipe.close(reason, `because ${"ä€😀 ".repeat(40)}`);
        end.pipe.close("internal");
        end.pipe.send(Buffer.from("after"));
        const closing = await client.closing();
        expect(closing.code).toBe(CLOSE[reason].code);
        expect(closing.reason).toMatch(new RegExp(`^${reason}: because ä€😀 `));
        expect(closing.reason).not.toContain("\ufffd");
        await end.over();
        expect([end.closes, client.texts.all]).toEqual([1, ["before"]]);
      }
    });

    it("answers a paused peer's goodbye at once, and delivers none of its unread bytes any more", async () => {
      const { pipe, works } = await startPipes(start);
      const { client, end } = await pipe();
      end.pipe.pause();
      const chunk = Buffer.alloc(64 * 1024);
      for (let index = 0; index < 60; index += 1) client.ws.send(chunk);
      for (let round = 0; round < 5; round += 1) await works();
      end.pipe.close("internal", "enough");
      expect(await client.closing()).toEqual({ code: CLOSE.internal.code, reason: "internal: enough" });
      await end.over();
      expect([end.messages.all.length, end.closes]).toEqual([0, 1]);
    });

    it("cuts a peer that never answers the close", async () => {
      const { rawPipe, transport } = await startPipes(start);
      const { peer, end } = await rawPipe();
      end.pipe.close("protocol_error");
      expect(await peer.closeCode()).toBe(CLOSE.protocol_error.code);
      await within(end.ended, "closed()", 3_500);
      await within(peer.ended, "the end of the connection");
      expect(transport.connections).toBe(0);
    });

    it("by terminate() comes without a goodbye, whatever is under way", async () => {
      const { rawPipe, transport, works } = await startPipes(start);
      const { peer, end } = await rawPipe();
      end.pipe.pause();
      peer.socket.write(frame(OPCODE.text, Buffer.from("unread")));
      await works();
      end.pipe.send(Buffer.alloc(BEYOND_SYSTEM_BUFFERS, "x"));
      end.pipe.terminate();
      await end.over();
      await within(peer.ended, "the end of the connection");
      expect(peer.received).toEqual([]);
      expect([end.closes, end.messages.all.length, end.drains.all.length]).toEqual([1, 0, 0]);
      expect(transport.connections).toBe(0);
    });

    it("by the peer, politely or not, calls closed() once; after it every method does nothing", async () => {
      const { pipe, transport, works } = await startPipes(start);
      for (const leave of [(ws: WebSocket) => ws.close(), (ws: WebSocket) => ws.terminate()]) {
        const { client, end } = await pipe();
        expect(transport.connections).toBe(1);
        leave(client.ws);
        await end.over();
        end.pipe.send(Buffer.from("late"));
        end.pipe.pause();
        end.pipe.resume();
        end.pipe.close("internal");
        end.pipe.terminate();
        expect(end.pipe.bufferedBytes).toBe(0);
        await works();
        expect([end.closes, end.drains.all.length, transport.connections]).toEqual([1, 0, 0]);
      }
    });

    it("at shutdown tells everybody 3000 and is over in two seconds, with one stuck, paused or silent", async () => {
      const { pipe, rawPipe, transport } = await startPipes(start);
      const { client, end } = await pipe();
      const { client: paused, end: pausedEnd } = await pipe();
      pausedEnd.pipe.pause();
      paused.ws.send(Buffer.alloc(BEYOND_SYSTEM_BUFFERS));
      const { peer: silent, end: silentEnd } = await rawPipe();
      const { peer: stuck, end: stuckEnd } = await rawPipe();
      stuck.stall();
      stuckEnd.pipe.send(Buffer.alloc(BEYOND_SYSTEM_BUFFERS, "x"));
      expect(transport.connections).toBe(4);
      const closed = transport.close();
      expect((await client.closing()).code).toBe(CLOSE.going_away.code);
      expect((await paused.closing()).code).toBe(CLOSE.going_away.code);
      expect(await silent.closeCode()).toBe(CLOSE.going_away.code);
      await within(closed, "close()", 3_500);
      expect([end, pausedEnd, silentEnd, stuckEnd].map(({ closes }) => closes)).toEqual([1, 1, 1, 1]);
      expect(transport.connections).toBe(0);
    });
  });

  describe("the heartbeat of a pipe", () => {
    it("ends a half-open peer, with 3002 if with a code, also in the middle of a frame", async () => {
      const { rawPipe } = await startPipes(start, { heartbeatMs: 20 });
      const { peer: idle } = await rawPipe();
      const { peer: half, end } = await rawPipe();
      half.socket.write(frame(OPCODE.text, Buffer.from("half of this")).subarray(0, -5));
      const codes = [CLOSE.heartbeat_timeout.code, undefined];
      expect(codes).toContain(await endOf(idle));
      expect(codes).toContain(await endOf(half));
      await end.over();
      expect(end.messages.all).toEqual([]);
    });

    it.each([
      ["answers pings", (peer: TcpPeer, payload: Buffer) => peer.send(OPCODE.pong, payload)],
      ["answers none but talks", (peer: TcpPeer) => peer.send(OPCODE.text, "alive")],
      [
        "is in the middle of a large message",
        (peer: TcpPeer) => {
          const first = peer.received.filter(({ opcode }) => opcode === OPCODE.ping).length === 0;
          peer.socket.write(first ? frame(OPCODE.text, Buffer.alloc(1_000)).subarray(0, 20) : "x");
        },
      ],
    ])("leaves a peer alone that %s", async (_, live) => {
      const { rawPipe } = await startPipes(start, { heartbeatMs: 20 });
      const { peer, end } = await rawPipe();
      peer.onFrame(({ opcode, payload }) => {
        if (opcode === OPCODE.ping) live(peer, payload);
      });
      for (let beat = 0; beat < 8; beat += 1) await peer.next(OPCODE.ping);
      expect(end.closes).toBe(0);
      expect(peer.received.some(({ opcode }) => opcode === OPCODE.close)).toBe(false);
    });

    it("holds no silence against a peer while it is paused, and counts again after", async () => {
      const { rawPipe } = await startPipes(start, { heartbeatMs: 20 });
      const { peer, end } = await rawPipe();
      end.pipe.pause();
      for (let beat = 0; beat < 8; beat += 1) await peer.next(OPCODE.ping);
      expect(end.closes).toBe(0);
      expect(peer.received.some(({ opcode }) => opcode === OPCODE.close)).toBe(false);
      end.pipe.resume();
      expect([CLOSE.heartbeat_timeout.code, undefined]).toContain(await endOf(peer));
    });

    it("waits for a message that takes its time to leave", async () => {
      // Slow beats: reading this much takes a busy machine a while, in the beats that such a message has.
      const { rawPipe } = await startPipes(start, { heartbeatMs: 300 });
      const { peer: clock } = await rawPipe();
      const { peer, end } = await rawPipe();
      for (const one of [clock, peer]) {
        one.onFrame(({ opcode, payload }) => {
          if (opcode === OPCODE.ping) one.send(OPCODE.pong, payload);
        });
      }
      peer.stall();
      end.pipe.send(Buffer.alloc(BEYOND_SYSTEM_BUFFERS, "x"));
      for (let beat = 0; beat < 4; beat += 1) await clock.next(OPCODE.ping);
      peer.resume();
      expect((await peer.next(OPCODE.text)).payload.byteLength).toBe(BEYOND_SYSTEM_BUFFERS);
      for (let beat = 0; beat < 3; beat += 1) await peer.next(OPCODE.ping);
      expect(end.closes).toBe(0);
    });

    it("does not wait for ever for a peer that takes nothing more", async () => {
      const { rawPipe, transport } = await startPipes(start, { heartbeatMs: 20 });
      const { peer, end } = await rawPipe();
      peer.stall();
      end.pipe.send(Buffer.alloc(BEYOND_SYSTEM_BUFFERS, "x"));
      await end.over();
      expect([end.closes, transport.connections]).toEqual([1, 0]);
    });
  });
}
