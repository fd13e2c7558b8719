/** The transport's contract of who gets in: connections, handshakes, and secrets on their way. */
import { describe, expect, it, onTestFinished } from "vitest";
import { BatonError, ERRORS } from "../../protocol/errors.ts";
import { TOKEN_SUBPROTOCOL } from "../../protocol/auth.ts";
import type { Handshake } from "../../src/transport/transport.ts";
import { Inbox, within } from "../support/inbox.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { Client, PATH, PROTOCOL, Served, type Start } from "./transport-bench.ts";
import { PIPE_PATH, refusalOf, startAsking, startPipes } from "./transport-pipe-bench.ts";
import { handshake, headOf, RawPeer } from "./transport-raw.ts";

const TOKEN = `${TOKEN_SUBPROTOCOL}c2VjcmV0.c2VjcmV0-_.c2VjcmV0`;

export function describeAdmission(start: Start): void {
  describe("admit", () => {
    it.each([
      ["a socket", PATH],
      ["a pipe", PIPE_PATH],
    ])("is asked once for %s, and is told all of its handshake that matters", async (_, path) => {
      const asked: Handshake[] = [];
      const { port } = await startPipes(start, {
        admit: (handshake) => {
          asked.push(handshake);
          return undefined;
        },
      });
      const { status } = await TcpPeer.upgrade(port, {
        path: `${path}?a=1&a=%C3%A4`,
        headers: {
          Origin: "http://page.test",
          AUTHORIZATION: "Bearer x.y.z",
          "X-Forwarded-For": "192.0.2.1, 192.0.2.2",
          Forwarded: "for=192.0.2.3",
          "Sec-WebSocket-Protocol": `${PROTOCOL} , ${TOKEN},other`,
        },
      });
      expect(status).toBe(101);
      expect(asked).toHaveLength(1);
      const { headers, query, remoteAddress, ...rest } = asked[0] as Handshake;
      expect(rest).toEqual({ path, protocols: [PROTOCOL, TOKEN, "other"] });
      expect(query.getAll("a")).toEqual(["1", "ä"]);
      expect(remoteAddress).toContain("127.0.0.1");
      expect(headers).toMatchObject({
        origin: "http://page.test",
        host: `127.0.0.1:${port}`,
        authorization: "Bearer x.y.z",
        "x-forwarded-for": "192.0.2.1, 192.0.2.2",
        forwarded: "for=192.0.2.3",
      });
    });

    it("finds nothing where nothing was sent", async () => {
      const asked: Handshake[] = [];
      const { port } = await startPipes(start, {
        admit: (handshake) => {
          asked.push(handshake);
          return undefined;
        },
      });
      await new Client(port, [], PIPE_PATH).open();
      expect(asked[0]?.protocols).toEqual([]);
      expect([asked[0]?.headers["origin"], asked[0]?.headers["authorization"]]).toEqual([
        undefined,
        undefined,
      ]);
    });

    it("hands the handshake it saw on to the socket's handler", async () => {
      let admitted: Handshake | undefined;
      const opened = new Inbox<Handshake>();
      const { port } = await start({
        admit: (handshake) => {
          admitted = handshake;
          return undefined;
        },
        onSocket: (socket, handshake) => {
          opened.put(handshake);
          return new Served(socket, false);
        },
      });
      await new Client(port, [PROTOCOL, TOKEN], `${PATH}?x=1`).open();
      expect(await opened.take("socket")).toEqual(admitted);
    });

    it.each([
      ["a socket", PATH, new BatonError("unauthorized", "Who are you? Send a token.", { reason: "missing" })],
      [
        "a socket",
        PATH,
        new BatonError("rate_limited", "Wait.", { limit: "handshakes", retryAfterMs: 1_200 }),
      ],
      ["a pipe", PIPE_PATH, new BatonError("forbidden", "Not from here. Use another page.")],
      [
        "a pipe",
        PIPE_PATH,
        new BatonError("rate_limited", "Wait.", { limit: "handshakes", retryAfterMs: 1 }),
      ],
    ])(
      "refuses %s with its error's problem document, before anybody else is asked",
      async (_, path, error) => {
        const { port, asked, served, transport } = await startAsking(start, { admit: () => error });
        const { status, headers, body } = await refusalOf(new Client(port, [PROTOCOL], path));
        expect(status).toBe(ERRORS[error.code].status);
        expect(headers["content-type"]).toBe("application/problem+json");
        expect(headers["retry-after"]).toBe(
          { 1_200: "2", 1: "1" }[String(error.details?.["retryAfterMs"])] ?? undefined,
        );
        expect(headers["www-authenticate"]).toBe(status === 401 ? "Bearer" : undefined);
        expect(JSON.parse(body)).toEqual({
          type: `urn:baton:error:${error.code}`,
          title: ERRORS[error.code].summary,
          status,
          detail: error.message,
          code: error.code,
          retryable: error.retryable,
          ...(error.details && { details: error.details }),
        });
        expect([asked.all, served.all, transport.connections]).toEqual([[], [], 0]);
      },
    );
  });

  describe("a token among the subprotocols", () => {
    it.each([
      ["behind the protocol", PATH, [PROTOCOL, TOKEN], PROTOCOL],
      ["before the protocol", PATH, [TOKEN, PROTOCOL], PROTOCOL],
      ["before a foreign one", PATH, [TOKEN, "other.v1"], "other.v1"],
      ["alone", PATH, [TOKEN], undefined],
      ["behind a pipe's", PIPE_PATH, ["cdp", TOKEN], "cdp"],
      ["before a pipe's", PIPE_PATH, [TOKEN, "cdp"], "cdp"],
      ["alone with a pipe", PIPE_PATH, [TOKEN, `${TOKEN}2`], undefined],
    ])("%s is neither chosen nor repeated", async (_, path, offered, chosen) => {
      const { port } = await startPipes(start);
      const peer = await RawPeer.connect(port);
      peer.send(handshake(path, [`sec-websocket-protocol: ${offered.join(", ")}`]));
      const { status, headers } = await peer.head();
      expect(status).toBe(101);
      expect(headers.get("sec-websocket-protocol")).toBe(chosen);
      expect(peer.answer).not.toContain("c2VjcmV0");
    });

    it("is not repeated by what refuses its handshake", async () => {
      const { port, asked } = await startAsking(start);
      for (const [path, extra] of [
        [PATH, "origin: http://evil.test"],
        [PATH, "content-length: 3"],
        [PIPE_PATH, "x: y"],
        [PATH, `sec-websocket-protocol: ,,${TOKEN}`],
      ]) {
        const peer = await RawPeer.connect(port);
        peer.send(handshake(path ?? "", [`sec-websocket-protocol: ${TOKEN}`, extra ?? ""]));
        if (path === PIPE_PATH) (await asked.take("question")).resolve(null);
        const answer = await peer.untilEnd();
        expect(headOf(answer).status).toBeGreaterThanOrEqual(400);
        expect(answer).not.toContain("c2VjcmV0");
      }
    });
  });

  describe("admitConnection", () => {
    it("drops a connection that it refuses without a word, whatever it sends, and no other", async () => {
      let full = false;
      let closes = 0;
      const asked: string[] = [];
      const { port, http, transport, connect } = await start({
        fetch: () => new Response("fine"),
        admit: ({ path }) => {
          asked.push(path);
          return undefined;
        },
        admitConnection: (address) => {
          expect(address).toContain("127.0.0.1");
          return !full;
        },
        connectionClosed: () => {
          closes += 1;
        },
      });
      const { client } = await connect();
      full = true;
      for (const bytes of [
        "",
        handshake("/dropped"),
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "\x16\x03\x01garbage",
      ]) {
        const peer = (await RawPeer.connect(port)).send(bytes);
        expect(await peer.untilEnd()).toBe("");
      }
      expect([asked, transport.connections, closes]).toEqual([[PATH], 1, 0]);
      await client.roundTrip("still here");
      full = false;
      expect(await (await fetch(http, { headers: { connection: "close" } })).text()).toBe("fine");
    });

    it("is told once of the end of each that it took: silent, HTTP, refused, socket, pipe", async () => {
      const opened = new Inbox<string>();
      const closed = new Inbox<string>();
      const { port, http, connect, pipe } = await startPipes(start, {
        fetch: () => new Response("fine"),
        admitConnection: (address) => {
          opened.put(address);
          return true;
        },
        connectionClosed: (address) => closed.put(address),
      });
      const kinds = [
        async () => (await TcpPeer.connect(port)).destroy(),
        async () => void (await (await fetch(http, { headers: { connection: "close" } })).text()),
        async () => void (await refusalOf(new Client(port, [PROTOCOL], PATH, "http://evil.test"))),
        async () => (await connect()).client.ws.close(),
        async () => (await connect()).client.ws.terminate(),
        async () => (await connect()).served.socket.close("going_away"),
        async () => (await pipe()).end.pipe.terminate(),
      ];
      for (const [index, kind] of kinds.entries()) {
        await kind();
        expect(await closed.take("end of a connection")).toBe(opened.all[index]);
      }
      expect([opened.all.length, closed.all.length]).toEqual([kinds.length, kinds.length]);
    });

    it("has been told of the end of them all when close() resolves", async () => {
      let open = 0;
      const {
        transport,
        port,
        peer: raw,
      } = await start({
        admitConnection: () => {
          open += 1;
          return true;
        },
        connectionClosed: () => {
          open -= 1;
        },
      });
      await raw();
      const silent = await TcpPeer.connect(port);
      onTestFinished(() => void silent.destroy());
      expect(open).toBeGreaterThan(0);
      await within(transport.close(), "close()", 3_500);
      expect(open).toBe(0);
    });
  });
}
