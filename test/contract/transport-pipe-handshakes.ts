/** The transport's contract of pipes before they are open: who gets in, and what becomes of those who don't. */
import { describe, expect, it, onTestFinished } from "vitest";
import { BatonError, ERRORS, type ErrorCode } from "../../protocol/errors.ts";
import { Inbox, within } from "../support/inbox.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { ALLOWED_ORIGIN, Client, PATH, PROTOCOL, type Start } from "./transport-bench.ts";
import {
  CountedOpening,
  PIPE_PATH,
  refusalOf,
  startAsking,
  startPipes,
  type Asked,
} from "./transport-pipe-bench.ts";

export function describePipeHandshakes(start: Start): void {
  describe("the handshake of a pipe", () => {
    it("asks with path, query and address, and is answered when that is answered", async () => {
      const { port, asked, transport } = await startAsking(start);
      const client = new Client(port, [], "/pipes/a%20b?policy=hold&x=1&x=2");
      const { request, signal, resolve } = await asked.take("question");
      expect(request.path).toBe("/pipes/a%20b");
      expect([request.query.get("policy"), request.query.getAll("x")]).toEqual(["hold", ["1", "2"]]);
      expect(request.remoteAddress).toContain("127.0.0.1");
      expect([client.ws.readyState, transport.connections]).toEqual([client.ws.CONNECTING, 0]);
      const opening = new CountedOpening();
      resolve(opening);
      await client.open();
      expect([opening.fate, transport.connections, signal.aborted]).toEqual([[1, 0], 1, false]);
      client.ws.close();
      await (await opening.ends.take("pipe")).over();
      expect([opening.fate, signal.aborted]).toEqual([[1, 0], false]);
    });

    it("leaves the message socket's path to messages", async () => {
      const { connect, asked } = await startAsking(start);
      await (await connect()).client.roundTrip("hello");
      expect(asked.all).toEqual([]);
    });

    it.each([
      ["none", [], ""],
      ["one", ["cdp"], "cdp"],
      ["several", ["b.v2", "a.v1"], "b.v2"],
    ])("takes the first offered subprotocol of %s", async (_, offered, chosen) => {
      const { port } = await startPipes(start);
      const client = await new Client(port, offered, PIPE_PATH).open();
      expect(client.ws.protocol).toBe(chosen);
    });

    it("compresses nothing", async () => {
      const { port } = await startPipes(start);
      const client = await new Client(port, [], PIPE_PATH).open();
      expect(client.ws.extensions).toBe("");
    });

    it("is refused with 404 where nothing is, and where there are no pipes at all", async () => {
      const { port, asked } = await startAsking(start);
      const client = new Client(port, [], "/nothing/here");
      (await asked.take("question")).resolve(null);
      const refusal = await refusalOf(client);
      expect(refusal.status).toBe(404);
      expect(JSON.parse(refusal.body)).toMatchObject({ code: "not_found", status: 404 });
      const { port: other } = await start();
      expect(await new Client(other, [], PIPE_PATH).refusal()).toBe(404);
    });

    it.each(["sandbox_not_found", "too_many", "browser_attach_failed", "unavailable"] as ErrorCode[])(
      "is refused with the status and the problem document of %s",
      async (code) => {
        const { port, asked } = await startAsking(start);
        const client = new Client(port, [], PIPE_PATH);
        const detail = "Nothing like that. Try “ä€😀” instead.";
        (await asked.take("question")).reject(new BatonError(code, detail, { sandboxId: "s1" }));
        const { status, headers, body } = await refusalOf(client);
        expect(status).toBe(ERRORS[code].status);
        expect(headers["content-type"]).toBe("application/problem+json");
        expect(headers["retry-after"]).toBe(status === 503 ? "1" : undefined);
        expect(JSON.parse(body)).toEqual({
          type: `urn:baton:error:${code}`,
          title: ERRORS[code].summary,
          status,
          detail,
          code,
          retryable: ERRORS[code].retryable,
          details: { sandboxId: "s1" },
        });
      },
    );

    it.each([
      ["rejects with", (): Promise<null> => Promise.reject(new Error("the secret is 1234"))],
      [
        "throws",
        (): Promise<null> => {
          throw new Error("the secret is 1234");
        },
      ],
    ])("is refused with 500 without details when it %s another error", async (_, open) => {
      const { port } = await start({ pipes: { maxMessageBytes: 1_000, open } });
      const { status, body } = await refusalOf(new Client(port, [], PIPE_PATH));
      expect(status).toBe(500);
      expect(JSON.parse(body)).toMatchObject({ code: "internal", status: 500 });
      expect(body).not.toContain("1234");
    });

    it("is refused with 403 from a foreign origin, before anybody is asked", async () => {
      const { port, asked } = await startAsking(start);
      for (const origin of ["http://evil.test", "null"]) {
        const { status, body } = await refusalOf(new Client(port, [], PIPE_PATH, origin));
        expect(status).toBe(403);
        expect(JSON.parse(body)).toMatchObject({ code: "forbidden" });
      }
      expect(asked.all).toEqual([]);
      const client = new Client(port, [], PIPE_PATH, ALLOWED_ORIGIN);
      (await asked.take("question")).resolve(new CountedOpening());
      await client.open();
    });

    it("of targets that are no address is refused, and the others go on", async () => {
      const { port, works } = await startPipes(start);
      for (const path of ["//", "http://", "//["]) {
        const peer = await TcpPeer.upgrade(port, { path });
        onTestFinished(() => peer.destroy());
        expect(peer.status, path).toBeGreaterThanOrEqual(400);
        await within(peer.ended, "the end of the refused connection");
      }
      await works();
    });

    it.each([
      ["another version", { "sec-websocket-version": "7" }],
      ["a key that is none", { "sec-websocket-key": "short" }],
      ["subprotocols that are none", { "sec-websocket-protocol": "a,,b" }],
      ["another protocol", { upgrade: "smtp" }],
    ])("with %s is refused, and nothing stays of what was made ready", async (_, headers) => {
      const asked = new Inbox<CountedOpening>();
      const { port } = await start({
        pipes: {
          maxMessageBytes: 1_000,
          open: async () => {
            const opening = new CountedOpening();
            asked.put(opening);
            return opening;
          },
        },
      });
      const peer = await TcpPeer.upgrade(port, { path: PIPE_PATH, headers });
      onTestFinished(() => peer.destroy());
      expect(peer.status).toBe(400);
      await within(peer.ended, "the end of the refused connection");
      expect(asked.all.map(({ fate }) => fate)).toEqual(asked.all.map(() => [0, 1]));
    });
  });

  describe("a peer that leaves before its pipe is open", () => {
    async function leaver(over: (peer: TcpPeer["socket"]) => void): Promise<Asked> {
      const { port, asked, transport } = await startAsking(start);
      const socket = await TcpPeer.connect(port);
      onTestFinished(() => void socket.destroy());
      const upgraded = TcpPeer.upgrade(port, { path: PIPE_PATH, over: socket }).catch(
        (error: unknown) => error,
      );
      const question = await asked.take("question");
      const aborted = new Promise<void>((resolve) => {
        question.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      over(socket);
      await within(aborted, "the signal's abort");
      expect(await upgraded).toBeInstanceOf(Error);
      expect(transport.connections).toBe(0);
      return question;
    }

    it.each([
      ["hangs up", (socket: TcpPeer["socket"]) => void socket.end()],
      ["is cut off", (socket: TcpPeer["socket"]) => void socket.resetAndDestroy()],
    ])("aborts the signal when it %s; what comes of it later is abandoned, once", async (_, leave) => {
      const question = await leaver(leave);
      const opening = new CountedOpening();
      question.resolve(opening);
      await opening.abandons.take("abandon()");
      expect(opening.fate).toEqual([0, 1]);
    });

    it.each([
      ["nothing", (question: Asked) => question.resolve(null)],
      ["a refusal", (question: Asked) => question.reject(new BatonError("timeout", "Too late."))],
      ["its abort", (question: Asked) => question.reject(question.signal.reason)],
    ])("harms nobody when %s comes of it", async (_, settle) => {
      settle(await leaver((socket) => void socket.destroy()));
      const { works } = await startPipes(start);
      await works();
    });
  });

  describe("a shutdown before a pipe is open", () => {
    it("refuses it with 503, aborts the signal and abandons what comes of it", async () => {
      const { port, asked, transport } = await startAsking(start);
      const client = new Client(port, [], PIPE_PATH);
      const { signal, resolve } = await asked.take("question");
      const refused = refusalOf(client);
      const closed = transport.close();
      const { status, body } = await refused;
      expect([status, signal.aborted]).toEqual([503, true]);
      expect(JSON.parse(body)).toMatchObject({ code: "unavailable", retryable: true });
      await within(closed, "close()", 3_500);
      const opening = new CountedOpening();
      resolve(opening);
      await opening.abandons.take("abandon()");
      expect(opening.fate).toEqual([0, 1]);
    });

    it("asks nobody once it has begun, on a new connection or an old one", async () => {
      const { transport, port, peer: raw, asked } = await startAsking(start);
      const { peer: stuck } = await raw();
      const old = await TcpPeer.connect(port);
      onTestFinished(() => void old.destroy());
      const closed = transport.close();
      const late = await TcpPeer.upgrade(port, { path: PIPE_PATH, over: old });
      expect(late.status).toBe(503);
      stuck.destroy();
      await within(closed, "close()", 3_500);
      expect(asked.all).toEqual([]);
      expect((await new Client(port, [PROTOCOL], PATH).closing()).code).toBe(1006);
    });
  });
}
