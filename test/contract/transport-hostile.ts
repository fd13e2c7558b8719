/** The transport's contract with peers that mean harm: slow ones, large ones, and those that write answers of their own. */
import { describe, expect, it } from "vitest";
import { BatonError } from "../../protocol/errors.ts";
import { MAX_HEADER_BYTES, MAX_HEADERS, type TransportOptions } from "../../src/transport/transport.ts";
import { Inbox, within } from "../support/inbox.ts";
import { PATH, PROTOCOL, type Bench, type Start } from "./transport-bench.ts";
import {
  CountedOpening,
  PIPE_PATH,
  startAsking,
  startPipes,
  type PipeBench,
} from "./transport-pipe-bench.ts";
import { beats, handshake, headOf, RawPeer, SLOW_MS } from "./transport-raw.ts";

const times = { headersMs: 150, requestMs: 300 };
const heartbeatMs = 20;
const OFFER = `sec-websocket-protocol: ${PROTOCOL}`;

/** A transport whose connections are counted: whoever was refused must leave nothing behind. */
async function startCounted(
  start: Start,
  over: Partial<TransportOptions> = {},
): Promise<PipeBench & { emptied: () => Promise<void>; reached: string[] }> {
  const reached: string[] = [];
  let open = 0;
  let look = (): void => {};
  const bench = await startPipes(start, {
    fetch: (request) => {
      reached.push(new URL(request.url).pathname);
      return new Response("fine");
    },
    admitConnection: () => {
      open += 1;
      return true;
    },
    connectionClosed: () => {
      open -= 1;
      look();
    },
    ...over,
  });
  const emptied = new Promise<void>((resolve) => {
    look = () => {
      if (open === 0) resolve();
    };
  });
  return { ...bench, reached, emptied: () => within(emptied, "the end of every connection", SLOW_MS) };
}

/** Sends a character with every beat until the other end has enough, and resolves to its answer. */
async function dribble(bench: Bench, peer: RawPeer, text: string): Promise<string> {
  const characters = text[Symbol.iterator]();
  while (!peer.hasEnded) {
    await beats(bench, 1, () => peer.send(characters.next().value ?? "x"));
  }
  return peer.untilEnd();
}

export function describeHostilePeers(start: Start): void {
  describe("a slow peer", () => {
    it("that says nothing at all is hung up on", async () => {
      const { port, emptied } = await startCounted(start, { times });
      await (await RawPeer.connect(port)).untilEnd();
      await emptied();
    });

    it.each([
      ["a handshake", "", handshake(PATH, [OFFER, "x: "])],
      ["a pipe's handshake", "", handshake(PIPE_PATH, ["x: "])],
      ["a request", "", "GET / HTTP/1.1\r\nhost: x\r\nx: "],
      ["a head that never begins", "", "\r\n".repeat(100)],
      ["the headers of a request", "", "x: ", "GET / HTTP/1.1\r\nhost: x\r\n"],
      ["the headers of a handshake", "", "x: ", handshake(PATH, [OFFER]).slice(0, -2)],
      [
        "a second request",
        "GET /first HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /second HTTP/1.1\r\nhost: x\r\nx: ",
      ],
    ])("that dribbles %s is ended in time, and reaches nobody", async (_, before, text, beginning = "") => {
      const bench = await startCounted(start, { times, heartbeatMs });
      const peer = (await RawPeer.connect(bench.port)).send(before + beginning);
      if (before !== "") expect((await peer.head()).status).toBe(200);
      const last = headOf((await dribble(bench, peer, text)).split("fine").at(-1) ?? "");
      // 505: taken for garbage, in the middle of its version.
      expect([undefined, 408, 505]).toContain(last.status);
      expect([bench.reached, bench.ends.all]).toEqual([before === "" ? [] : ["/first"], []]);
      await bench.emptied();
    });

    it("that dribbles a body is ended in time", async () => {
      const bench = await startCounted(start, {
        times,
        heartbeatMs,
        fetch: async (request) => new Response(await request.text()),
      });
      const peer = await RawPeer.connect(bench.port);
      peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n");
      expect(headOf(await dribble(bench, peer, "")).status).not.toBe(200);
      await bench.emptied();
    });

    it("is not one that has asked, and waits: a call, a socket, and a pipe for what opens it", async () => {
      let answer: (response: Response) => void = () => {};
      const bench = await startAsking(start, {
        times: { headersMs: 30, requestMs: 30 },
        heartbeatMs,
        fetch: () => new Promise((resolve) => (answer = resolve)),
      });
      const call = (await RawPeer.connect(bench.port)).send("GET /poll HTTP/1.1\r\nhost: x\r\n\r\n");
      const pipe = (await RawPeer.connect(bench.port)).send(handshake(PIPE_PATH));
      const { resolve, signal } = await bench.asked.take("question");
      await beats(bench, 30);
      expect([call.answer, pipe.answer, signal.aborted]).toEqual(["", "", false]);
      answer(new Response("late"));
      resolve(new CountedOpening());
      expect([(await call.head()).status, (await pipe.head()).status]).toEqual([200, 101]);
    });
  });

  describe("a head that is too large", () => {
    const long = "secret".repeat(MAX_HEADER_BYTES / 6 + 1);
    const many = Array.from({ length: 2 * MAX_HEADERS }, (_, index) => `x-secret-${index}: y`);
    it.each([
      ["a header's value", "GET / HTTP/1.1\r\nhost: x\r\n", [`x: ${long}`]],
      ["a header's name", "GET / HTTP/1.1\r\nhost: x\r\n", [`${long}: x`]],
      ["the address", `GET /${long} HTTP/1.1\r\nhost: x\r\n`, []],
      ["the number of headers", "GET / HTTP/1.1\r\nhost: x\r\n", many],
      ["a handshake's header", handshake(PATH, [OFFER]).slice(0, -2), [`x: ${long}`]],
      ["the number of a handshake's headers", handshake(PATH, [OFFER]).slice(0, -2), many],
      ["the number of a pipe's headers", handshake(PIPE_PATH).slice(0, -2), many],
    ])("by %s is refused with 431, repeats nothing and reaches nobody", async (_, head, headers) => {
      const asked: string[] = [];
      const { port, reached, ends, served, emptied } = await startCounted(start, {
        admit: ({ path }) => {
          asked.push(path);
          return undefined;
        },
      });
      const peer = (await RawPeer.connect(port)).send(`${head}${headers.join("\r\n")}\r\n\r\n`);
      const answer = await peer.untilEnd();
      // A parser that has room for so many may take more for a head that is not complete, and hang up in its time.
      expect(headers === many ? [431, undefined] : [431]).toContain(headOf(answer).status);
      expect(answer).not.toContain("secret");
      expect([asked, reached, ends.all, served.all]).toEqual([[], [], [], []]);
      await emptied();
    });

    it("leaves no header out instead: a body cannot hide the one that gives its length", async () => {
      const { port, reached } = await startCounted(start);
      const filler = Array.from({ length: 2_500 }, () => "a:b");
      const peer = await RawPeer.connect(port);
      peer.send(`POST / HTTP/1.1\r\nhost: x\r\n${filler.join("\r\n")}\r\ncontent-length: 4\r\n\r\nbody`);
      expect(headOf(await peer.untilEnd()).status).toBe(431);
      expect(reached).toEqual([]);
    });

    it("is not one with a long token and what proxies add", async () => {
      const { port } = await startCounted(start);
      const added = Array.from({ length: 60 }, (_, index) => `x-added-by-a-proxy-${index}: value`);
      const peer = await RawPeer.connect(port);
      peer.send(handshake(PATH, [OFFER, `authorization: Bearer ${"x".repeat(2_000)}`, ...added]));
      expect((await peer.head()).status).toBe(101);
    });
  });

  describe("garbage", () => {
    it.each([
      ["from another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
      ["of zeros", "\0".repeat(100)],
      ["that almost is HTTP", "GET / HTTP/1.1 or so\r\n\r\n"],
      ["behind a method", "GET \xff\xfe\0\r\n\r\n"],
      ["in a header's name", "GET / HTTP/1.1\r\nhost: x\r\nbro ken: x\r\n\r\n"],
      ["in a header's value", "GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n"],
      ["in a length", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n"],
      [
        "of two lengths",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
      ],
      ["of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ])("%s is refused, and nothing stays of it", async (_, bytes) => {
      const bench = await startCounted(start, { times });
      const peer = (await RawPeer.connect(bench.port)).send(bytes);
      const { status } = headOf(await peer.untilEnd());
      const isRefusal = status === undefined || status === 505 || (status >= 400 && status < 500);
      expect(isRefusal, String(status)).toBe(true);
      expect(bench.reached).toEqual([]);
      await bench.emptied();
      await bench.works();
    });

    it.each([
      ["of a length", "content-length: 5", "hello"],
      ["in chunks", "transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
      ["that hides a request", "content-length: 40", "GET /smuggled HTTP/1.1\r\nhost: inside\r\n\r\n"],
    ])("as a handshake's body %s is refused, for sockets and pipes", async (_, header, body) => {
      const { port, reached, served, ends, emptied } = await startCounted(start);
      for (const path of [PATH, PIPE_PATH]) {
        const peer = (await RawPeer.connect(port)).send(handshake(path, [OFFER, header]) + body);
        const answer = await peer.untilEnd();
        expect(headOf(answer).status).toBe(400);
        expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
      }
      expect([reached, served.all, ends.all]).toEqual([[], [], []]);
      await emptied();
    });

    it("behind a handshake, sent before it is answered, harms that connection only", async () => {
      const bench = await startCounted(start);
      const garbage = "\xff".repeat(1_000);
      const peers = [handshake(PATH, [OFFER]), handshake(PIPE_PATH)].map(async (head) => {
        const peer = (await RawPeer.connect(bench.port)).send(head + garbage);
        await peer.head();
        return peer;
      });
      for (const peer of await Promise.all(peers)) peer.socket.destroy();
      await bench.emptied();
      for (const _ of bench.ends.all) await bench.ends.take("pipe");
      expect([bench.served.all, bench.ends.all].flatMap((all) => all.map(({ closes }) => closes))).toEqual(
        [...bench.served.all, ...bench.ends.all].map(() => 1),
      );
      expect([...bench.served.all.flatMap(({ texts }) => texts.all), bench.reached].flat()).toEqual([]);
      await bench.works();
    });

    it("behind a pipe's handshake that waits is taken off the connection when that is refused", async () => {
      const { port, asked } = await startAsking(start);
      const peer = (await RawPeer.connect(port)).send(`${handshake(PIPE_PATH)}${"\xff".repeat(200_000)}`);
      (await asked.take("question")).resolve(null);
      // Not 404, when it is not even read as what follows a handshake.
      expect([404, 400, 505]).toContain((await peer.head()).status);
      await within(peer.ended, "the end of the connection");
    });
  });

  describe("what a peer says", () => {
    const NAMES = new Set(["connection", "content-length", "content-type", "date", "keep-alive"]);
    for (const name of ["transfer-encoding", "uwebsockets"]) NAMES.add(name);
    for (const name of ["accept", "protocol", "version"]) NAMES.add(`sec-websocket-${name}`);
    for (const name of ["retry-after", "upgrade", "x-content-type-options"]) NAMES.add(name);
    const INJECTED = "x-injected: 1";
    /** Each as it stands in a request, a character each byte. */
    const words: [string, string][] = [
      ["a line break", `a\r\n${INJECTED}`],
      ["two line breaks", `a\r\n\r\n<script>${INJECTED}</script>`],
      ["a bare line feed", `a\n${INJECTED}`],
      ["a bare carriage return", `a\r${INJECTED}`],
      ["a folded line", `a\r\n ${INJECTED}`],
      ["an escaped line break", `a%0d%0a${INJECTED.replace(": ", ":%20")}%0d%0a%0d%0a`],
      ["a line break in UTF-8's long form", `a\xe5\x98\x8a\xe5\x98\x8d${INJECTED.replace(" ", "")}`],
      ["a line separator", `a\xe2\x80\xa8${INJECTED.replace(" ", "")}`],
      ["a zero", `a\0${INJECTED}`],
      ["the end of a JSON text", `a"}${INJECTED.replace(" ", "")}{"`],
      ["a backslash at the end", `a\\`],
      ["markup", `a<img/src=x>`],
    ];
    const places: [string, (word: string) => string][] = [
      ["a handshake's path", (word) => handshake(`/${word}`)],
      ["a handshake's query", (word) => handshake(`/nothing?q=${word}`)],
      ["its origin", (word) => handshake(PATH, [OFFER, `origin: http://${word}`])],
      [
        "its host",
        (word) => handshake(PATH, [OFFER, "origin: http://x"]).replace("gateway.test", () => word),
      ],
      ["its subprotocols", (word) => handshake(PATH, [`sec-websocket-protocol: ${word}`])],
      ["a pipe's subprotocols", (word) => handshake(PIPE_PATH, [`sec-websocket-protocol: ${word}`])],
      ["its key", (word) => handshake(PATH, [OFFER]).replace("dGhl", () => word)],
      ["its protocol's name", (word) => handshake(PATH, [OFFER]).replace("websocket", () => word)],
      ["a request's path", (word) => `GET /${word} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`],
    ];

    it.each(places)("in %s gets into no header, and out of no problem document", async (_, write) => {
      const { port } = await start({
        admit: ({ path, headers: { origin, host } }) =>
          origin === undefined
            ? undefined
            : new BatonError("forbidden", `Pages of ${origin} may not connect to ${path} of ${host}.`, {
                origin,
              }),
        fetch: () => new Response("nothing here", { status: 404 }),
        pipes: {
          open: async ({ path }) => (path === PIPE_PATH ? new CountedOpening() : null),
          maxMessageBytes: 1,
        },
      });
      const documents: string[] = [];
      const say = async ([word, bytes]: [string, string]): Promise<void> => {
        const peer = (await RawPeer.connect(port)).send(write(bytes));
        const { status, lines, headers } = await peer.head();
        if (status === undefined) return expect(peer.answer).toBe("");
        for (const name of headers.keys()) expect(NAMES, `${word}: ${lines.join(" | ")}`).toContain(name);
        for (const line of lines) {
          if (!/^sec-websocket-protocol: a$/i.test(line))
            expect(line, word).not.toMatch(/injected|[\0\r\n<"\\]/);
        }
        if (status === 101 || headers.has("transfer-encoding")) return;
        const answer = await peer.untilEnd();
        const start = answer.indexOf("\r\n\r\n") + 4;
        // uWebSockets.js ends its own refusals with the connection.
        const lengthBytes = Number(headers.get("content-length") ?? (status === 505 ? answer.length : 0));
        const body = answer.slice(start, start + lengthBytes);
        expect(body, word).not.toMatch(/^HTTP|\n(?:x-)?injected/i);
        // What a line break made of the rest is another request, and none that could be read.
        expect(answer.slice(start + body.length), word).toMatch(/^(?:$|HTTP\/1\.1 (?:400|505) )/);
        if (headers.get("content-type") !== "application/problem+json") return;
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        documents.push(body);
        const problem = JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as Record<string, unknown>;
        const known = ["type", "title", "status", "detail", "code", "retryable", "details"];
        expect(known, word).toEqual(expect.arrayContaining(Object.keys(problem)));
        expect(problem["status"]).toBe(status);
      };
      // At once: some of them are hung up on without a word, after their time.
      await Promise.all(words.map(say));
      if (/origin|path/.test(write.toString()) && write("").includes("Upgrade")) {
        expect(documents.length).toBeGreaterThan(0);
      }
    });
  });

  it("takes many bad peers at once, and leaves nothing of them", async () => {
    const bench = await startCounted(start, { times });
    const kinds = [
      "",
      "GET",
      "\xff\xff",
      handshake("//"),
      handshake(PATH, ["content-length: 1"]),
      "x".repeat(20_000),
    ];
    const ends = new Inbox<string>();
    await Promise.all(
      Array.from({ length: 120 }, async (_, index) => {
        const peer = (await RawPeer.connect(bench.port)).send(kinds[index % kinds.length] ?? "");
        ends.put(await peer.untilEnd());
      }),
    );
    await bench.emptied();
    expect([ends.all.length, bench.transport.connections, bench.reached]).toEqual([120, 0, []]);
    await bench.works();
  });
}
