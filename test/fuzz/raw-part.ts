/** Bare TCP: whatever bytes come, the connection is answered as HTTP and WebSocket have it, and ends when its peer does. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import * as fc from "fast-check";
import { DownMessage } from "../../protocol/down.ts";
import { CLOSE, ERRORS, Problem } from "../../protocol/errors.ts";
import type { Part } from "./part.ts";
import {
  chunkBytes,
  frameBytes,
  frames,
  handshake,
  heads,
  RAW_PATHS,
  type Chunk,
  type RawPath,
} from "./raw-bytes.ts";
import { noFacts, resolveText, sandboxIdOf } from "./script.ts";
import { count } from "./socket-client.ts";
import type { Stage } from "./stage.ts";
import { shown, Violation } from "./violation.ts";
import { within } from "./within.ts";

/** How long a connection may stay when its peer has said goodbye: `ws` waits a second for a close frame. */
const END_MS = 6_000;
const CONNECT_MS = 5_000;
/** Answers that are looked at; what comes after is read and forgotten. */
const MAX_READ_BYTES = 512 * 1024;

/** One connection: torn writes are the rule on a network. */
export type RawPeer =
  | { readonly do: "heads"; readonly heads: readonly Uint8Array[]; readonly tear: number }
  | {
      readonly do: "frames";
      readonly path: RawPath;
      readonly hello: boolean;
      readonly chunks: readonly Chunk[];
      readonly tear: number;
      /** Vanishes in place of a goodbye. */
      readonly cut: boolean;
    };

const tear = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }) },
);
const peer: fc.Arbitrary<RawPeer> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("heads" as const), heads, tear }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("frames" as const),
      path: fc.constantFrom(...RAW_PATHS),
      hello: fc.boolean(),
      chunks: frames,
      tear,
      cut: fc.boolean(),
    }),
  },
);

export const rawPart: Part<readonly RawPeer[]> = {
  name: "raw",
  scripts: fc.array(peer, { minLength: 1, maxLength: 20, size: "max" }),
  messages: (peers) =>
    peers.reduce((sum, each) => sum + (each.do === "heads" ? each.heads : each.chunks).length, 0),
  play: (peers, stage) => stage.play((wrong) => play(peers, stage, wrong)),
  show: (peers) =>
    peers.flatMap((each, index) => showPeer(each).map((line) => `connection ${index} ${line}`)),
};

function showPeer(each: RawPeer): string[] {
  const torn = each.tear > 0 ? [`sends ${each.tear} bytes at a time`] : [];
  if (each.do === "heads")
    return [
      ...torn,
      ...each.heads.map((head) => `sends ${shown(JSON.stringify(Buffer.from(head).toString("latin1")))}`),
    ];
  return [
    `shakes hands on ${each.path}${each.hello ? ", says hello" : ""}, ends by ${each.cut ? "vanishing" : "a FIN"}`,
    ...torn,
    ...each.chunks.map((chunk) => `sends ${chunk.do} ${shown(chunkBytes(chunk).toString("hex"))}`),
  ];
}

async function play(peers: readonly RawPeer[], stage: Stage, wrong: (error: Error) => void): Promise<void> {
  const run = stage.nextRun();
  const sandboxId = sandboxIdOf(run, 0);
  await stage.create(sandboxId);
  try {
    await Promise.all(
      peers.map((each) => playOne(each, run, stage).catch((error: unknown) => wrong(error as Error))),
    );
  } finally {
    await stage.remove(sandboxId);
    await stage.remove(sandboxIdOf(run, 1));
  }
}

async function playOne(each: RawPeer, run: string, stage: Stage): Promise<void> {
  const socket = connect({ port: stage.port, host: "127.0.0.1" });
  const read: Buffer[] = [];
  let bytes = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_READ_BYTES) read.push(chunk);
  });
  // Not `once` of Node's: an error is one of the ways in which it may end.
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await within(once(socket, "connect"), "a TCP connection", CONNECT_MS);
  try {
    if (each.do === "heads") {
      for (const head of each.heads) await write(socket, resolved(head, run), each.tear);
    } else {
      const path = resolveText(each.path, run, noFacts);
      socket.write(handshake(path, stage.port, stage.credentials.headers({ role: "agent", name: "raw" })));
      await within(
        Promise.race([new Promise((resolve) => socket.once("data", resolve)), closed]),
        "the answer to a handshake",
        CONNECT_MS,
      );
      if (each.hello)
        await write(socket, textFrame(stage.credentials.hello({ role: "operator", name: "raw" })), 0);
      for (const chunk of each.chunks) await write(socket, resolved(chunkBytes(chunk), run), each.tear);
      if (each.cut) socket.destroy();
    }
    socket.end();
    await within(closed, "the end of a connection whose peer has said goodbye", END_MS);
  } finally {
    socket.destroy();
  }
  judge(Buffer.concat(read), each, stage);
}

/** Ids of the run have another length than their placeholders: in a frame they would change what its head says. */
function resolved(bytes: Uint8Array, run: string): Buffer {
  const text = Buffer.from(bytes).toString("latin1");
  return /^[A-Z]+ /.test(text) ? Buffer.from(resolveText(text, run, noFacts), "latin1") : Buffer.from(bytes);
}

function textFrame(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  return frameBytes({ fin: true, reserved: 0, opcode: 1, masked: true, payload, lie: undefined });
}

/** @param tear bytes that are written at a time; 0 for all at once */
async function write(socket: Socket, bytes: Buffer, tear: number): Promise<void> {
  if (tear === 0 || bytes.length > 2_000) return void socket.write(bytes);
  for (let at = 0; at < bytes.length && !socket.destroyed; at += tear) {
    socket.write(bytes.subarray(at, at + tear));
    await new Promise(setImmediate);
  }
}

/** Everything that the gateway said, from the first byte. @throws Violation */
function judge(bytes: Buffer, each: RawPeer, stage: Stage): void {
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf("\r\n\r\n");
    // The last answer may be cut off by our own end.
    if (end === -1) return;
    const head = rest.toString("latin1", 0, end);
    const [, status = ""] = /^HTTP\/1\.1 (\d{3})/.exec(head) ?? [];
    if (status === "") throw new Violation(`no HTTP was answered: ${shown(head)}`);
    count(stage.tally.answers, `raw ${status}`);
    rest = rest.subarray(end + 4);
    if (status === "101") return judgeFrames(rest, each, stage);
    const length = Number(
      /^content-length: (\d+)/im.exec(head)?.[1] ?? (/^transfer-encoding/im.test(head) ? rest.length : 0),
    );
    const body = rest.toString("utf8", 0, Math.min(length, rest.length));
    if (
      rest.length >= length &&
      /^content-type: application\/problem\+json/im.test(head) &&
      length > 0 &&
      body !== ""
    )
      judgeProblem(Number(status), body, stage);
    // The answer to HEAD names a length that does not follow; what follows then is the next answer.
    rest = /^HTTP\/1\.1 \d/.test(body) ? rest : rest.subarray(length);
  }
}

function judgeProblem(status: number, body: string, stage: Stage): void {
  if (body.startsWith("HTTP/1.1 ")) return;
  const { code } = Problem.parse(JSON.parse(body));
  count(stage.tally.codes, code);
  if (code === "internal" || ERRORS[code].status !== status) throw new Violation(`${status}: ${shown(body)}`);
}

/** Codes of the gateway's, of `ws`, and what a peer's own close frame is answered with. */
const DOCUMENTED: ReadonlySet<number> = new Set([
  ...Object.values(CLOSE).map(({ code }) => code),
  1002,
  1003,
  1007,
  1008,
  1009,
]);

function judgeFrames(bytes: Buffer, each: RawPeer, stage: Stage): void {
  const echoes = new Set(
    each.do === "frames"
      ? each.chunks.flatMap((chunk) =>
          chunk.do === "frame" && chunk.frame.opcode === 8 ? [closeCode(chunk.frame.payload)] : [],
        )
      : [],
  );
  let at = 0;
  while (at + 2 <= bytes.length) {
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const opcode = first & 0x0f;
    if ((second & 0x80) !== 0 || (first & 0x70) !== 0)
      throw new Violation("a frame of the gateway's is masked, or has reserved bits");
    const short = second & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (at + 2 + wide > bytes.length) return;
    const length =
      wide === 2 ? bytes.readUInt16BE(at + 2) : wide === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    const payload = bytes.subarray(at + 2 + wide, at + 2 + wide + length);
    if (payload.length < length) return;
    at += 2 + wide + length;
    if (opcode === 8) {
      const code = closeCode(payload);
      count(stage.tally.answers, `raw close ${code}`);
      if (
        code === CLOSE.internal.code ||
        !(DOCUMENTED.has(code) || echoes.has(code) || code === 1005 || code === 1000)
      )
        throw new Violation(`a connection was closed with ${code} ${payload.toString("utf8", 2)}`);
    } else if (opcode === 1 && each.do === "frames" && each.path === "/v1/connect") {
      const message = DownMessage.parse(JSON.parse(payload.toString("utf8")));
      count(stage.tally.answers, message.type);
      if (message.type === "error") count(stage.tally.codes, message.code);
      if (message.type === "error" && message.code === "internal")
        throw new Violation(`internal: ${payload.toString("utf8")}`);
    } else if (opcode === 1) {
      JSON.parse(payload.toString("utf8"));
    }
  }
}

function closeCode(payload: Uint8Array): number {
  return payload.length < 2 ? 1005 : Buffer.from(payload).readUInt16BE(0);
}
