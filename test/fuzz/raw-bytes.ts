/** Bytes as no library sends them: frames with wrong heads, torn messages, heads of requests that are none. */
import * as fc from "fast-check";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { oddText } from "./mutations.ts";
import { upText } from "./up-messages.ts";

export const RAW_PATHS = ["/v1/connect", "/v1/sandboxes/$s0/cdp"] as const;
export type RawPath = (typeof RAW_PATHS)[number];

export interface Frame {
  readonly fin: boolean;
  /** The three reserved bits. */
  readonly reserved: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Uint8Array;
  /** What the head says of the length, when that is not so; in which of the three forms. */
  readonly lie: { readonly form: 7 | 16 | 64; readonly length: number } | undefined;
}

/** A head's bytes may be torn from what follows them. */
export function frameBytes({ fin, reserved, opcode, masked, payload, lie }: Frame): Buffer {
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  const length = lie?.length ?? payload.length;
  const form = lie?.form ?? (payload.length < 126 ? 7 : payload.length < 65_536 ? 16 : 64);
  let head: Buffer;
  if (form === 7) head = Buffer.from([first, mask | (length & 0x7f)]);
  else if (form === 16) {
    head = Buffer.from([first, mask | 126, 0, 0]);
    head.writeUInt16BE(length & 0xff_ff, 2);
  } else {
    head = Buffer.alloc(10);
    head.set([first, mask | 127]);
    head.writeBigUInt64BE(BigInt.asUintN(64, BigInt(Math.floor(length))), 2);
  }
  if (!masked) return Buffer.concat([head, payload]);
  const key = Buffer.from([1, 2, 3, 4]);
  const body = Buffer.from(payload.map((byte, index) => byte ^ (key[index % 4] ?? 0)));
  return Buffer.concat([head, key, body]);
}

const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: upText.map((text) => Buffer.from(text.slice(0, 3_000), "utf8")) },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 130 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          999,
          1_000,
          1_001,
          1_004,
          1_005,
          1_006,
          1_015,
          1_016,
          2_999,
          3_000,
          4_999,
          5_000,
          65_535,
        ),
        oddText,
      )
      .map(([code, reason]) => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])),
  },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
);

const opcode = fc.oneof(
  { weight: 6, arbitrary: fc.constant(1) },
  { weight: 4, arbitrary: fc.constantFrom(0, 2, 8, 9, 10) },
  { weight: 1, arbitrary: fc.nat(15) },
);

const good: fc.Arbitrary<Frame> = fc
  .tuple(fc.constantFrom(1, 1, 1, 1, 1, 1, 2, 9, 10), upText)
  .map(([kind, text]) => {
    const bytes = Buffer.from(text.slice(0, 3_000), "utf8");
    return {
      fin: true,
      reserved: 0,
      opcode: kind,
      masked: true,
      payload: kind > 7 ? bytes.subarray(0, 125) : bytes,
      lie: undefined,
    };
  });

const odd: fc.Arbitrary<Frame> = fc.record({
  fin: fc.integer({ min: 0, max: 3 }).map((draw) => draw > 0),
  reserved: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
  opcode,
  masked: fc.integer({ min: 0, max: 9 }).map((draw) => draw > 0),
  payload,
  lie: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({
        form: fc.constantFrom(7 as const, 16 as const, 64 as const),
        length: fc.constantFrom(
          0,
          1,
          125,
          126,
          127,
          65_535,
          65_536,
          262_145,
          2 ** 28 + 1,
          2 ** 31,
          2 ** 40,
          2 ** 53,
          2 ** 63,
        ),
      }),
    },
  ),
});

/** Mostly as it should be: what ends a connection ends its script. */
const frame: fc.Arbitrary<Frame> = fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: odd });

export type Chunk =
  | { readonly do: "frame"; readonly frame: Frame }
  /** One message in pieces. */
  | {
      readonly do: "pieces";
      readonly text: string;
      readonly pieces: number;
      readonly between: Frame | undefined;
    }
  | { readonly do: "bytes"; readonly bytes: Uint8Array };

const chunk: fc.Arbitrary<Chunk> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ do: fc.constant("frame" as const), frame }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("pieces" as const),
      text: upText.map((text) => text.slice(0, 2_000)),
      pieces: fc.integer({ min: 2, max: 30 }),
      between: fc.option(frame, { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
  },
);

export function chunkBytes(each: Chunk): Buffer {
  if (each.do === "bytes") return Buffer.from(each.bytes);
  if (each.do === "frame") return frameBytes(each.frame);
  const whole = Buffer.from(each.text, "utf8");
  const size = Math.max(1, Math.ceil(whole.length / each.pieces));
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < whole.length; at += size) {
    const last = at + size >= whole.length;
    const base = { reserved: 0, masked: true, lie: undefined };
    parts.push(
      frameBytes({ ...base, fin: last, opcode: at === 0 ? 1 : 0, payload: whole.subarray(at, at + size) }),
    );
    if (each.between && !last) parts.push(frameBytes(each.between));
  }
  return Buffer.concat(parts);
}

/** Whether a receiver must end the connection for it, or it is a goodbye; not all of those are found. */
function ends(each: Chunk): boolean {
  if (each.do === "bytes") return true;
  if (each.do === "pieces") return each.between !== undefined && !isControl(each.between);
  const { fin, reserved, opcode: kind, masked, lie } = each.frame;
  return !fin || reserved !== 0 || !masked || lie !== undefined || ![1, 2, 9, 10].includes(kind);
}

function isControl({ opcode: kind, fin, reserved, masked, lie }: Frame): boolean {
  return fin && reserved === 0 && masked && lie === undefined && (kind === 9 || kind === 10);
}

/** Sent behind the end, to a socket that is closing. */
const MAX_BEHIND = 2;

/** After a handshake that is as it should be. What nobody would read any more is not sent. */
export const frames: fc.Arbitrary<Chunk[]> = fc
  .array(chunk, { minLength: 1, maxLength: 60, size: "max" })
  .map((chunks) => {
    const end = chunks.findIndex(ends);
    return end === -1 ? chunks : chunks.slice(0, end + 1 + MAX_BEHIND);
  });

/** Lines of a request's head: those of a handshake, and others; some missing, some twice, some wrong. */
const LINES = [
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
] as const;
const ODD_LINES = [
  "Host: evil.example",
  "Host:",
  "Connection: keep-alive, Upgrade",
  "Connection: close",
  "Upgrade: h2c",
  "Upgrade: WEBSOCKET",
  "Sec-WebSocket-Version: 12",
  "Sec-WebSocket-Version: x",
  "Sec-WebSocket-Key: short",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
  "Sec-WebSocket-Protocol: ,",
  "Sec-WebSocket-Protocol: other, baton.v1",
  `Sec-WebSocket-Protocol: ${"a,".repeat(3_000)}`,
  "Sec-WebSocket-Protocol: baton.token.x, baton.v1",
  "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
  "Sec-WebSocket-Extensions: ;;;",
  "Origin: https://evil.example",
  "Origin: null",
  "Authorization: Bearer x",
  "Content-Length: 5",
  "Content-Length: -1",
  "Content-Length: 5, 6",
  "Content-Length: 99999999999999999999",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: xchunked",
  "Content-Type: application/json",
  "Expect: 100-continue",
  "Expect: nonsense",
  "Trailer: X",
  " folded: line",
  "No colon",
  ": no name",
  "X: \u0001",
  `X-Long: ${"x".repeat(17_000)}`,
  ...Array.from({ length: 3 }, (_, index) => `X-${index}: ${"y".repeat(500)}`),
];
const TARGETS = [
  "/v1/connect",
  "/v1/sandboxes/$s0/cdp",
  "/v1/sandboxes/$s0/cdp?policy=x",
  "/v1/sandboxes/%ff/cdp",
  "/v1/sandboxes/nowhere/cdp",
  "/v1/sandboxes",
  "/healthz",
  "//",
  "///x",
  "*",
  "http://[",
  "http://evil.example/v1/connect",
  "/v1/connect?x=%",
  "/\u0000",
  "",
  " ",
  "evil.example:443",
  `/${"p".repeat(9_000)}`,
];
const METHODS = [
  "GET",
  "GET",
  "GET",
  "POST",
  "HEAD",
  "CONNECT",
  "OPTIONS",
  "PUT",
  "get",
  "G\u0000T",
  "PRI",
  "",
  "X".repeat(300),
];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTP", ""];
const BODIES = [
  "",
  "",
  '{"sandboxId":"x"}',
  "5\r\nhello\r\n0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "-1\r\n",
  "5;x=y\r\nhello\r\n",
  "GET / HTTP/1.1\r\n\r\n",
];

const mutatedHead: fc.Arbitrary<string> = fc
  .record({
    method: fc.constantFrom(...METHODS),
    target: fc.constantFrom(...TARGETS),
    version: fc.constantFrom(...VERSIONS),
    lines: fc.tuple(
      fc.subarray([...LINES], { minLength: 2 }),
      fc.array(fc.constantFrom(...ODD_LINES), { maxLength: 3 }),
    ),
    end: fc.constantFrom("\r\n\r\n", "\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", "", "\r\r"),
    body: fc.constantFrom(...BODIES),
  })
  .map(
    ({ method, target, version, lines: [usual, odd], end, body }) =>
      `${method} ${target} ${version}\r\n${[...usual, ...odd].join("\r\n")}${end}${body}`,
  );

/** What a connection begins with when it is no handshake. */
export const heads: fc.Arbitrary<Uint8Array[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: mutatedHead.map((text) => Buffer.from(text, "latin1")) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
    { weight: 1, arbitrary: oddText.map((text) => Buffer.from(text, "utf8")) },
    // What other protocols begin with.
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        Buffer.from("160301020001000200", "hex"),
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Buffer.from("SSH-2.0-OpenSSH_9.6\r\n"),
        Buffer.from("*1\r\n$4\r\nPING\r\n"),
      ),
    },
  ),
  { minLength: 1, maxLength: 3 },
);

/** The handshake of a socket on this path. */
export function handshake(path: string, port: number, headers: Readonly<Record<string, string>>): string {
  const lines = [
    ...LINES.map((line) => (line.startsWith("Host") ? `Host: 127.0.0.1:${port}` : line)),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}
