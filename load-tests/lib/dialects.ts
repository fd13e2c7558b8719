/** What a subscriber of each contender says to get its events, and where an event's number is in what it is sent. */
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { RawSocket } from "./raw-socket.ts";

export type Dialect = "baton" | "plain" | "socket.io" | "nats";

export interface SubscriberOptions {
  readonly dialect: Dialect;
  readonly url: string;
  readonly channel: string;
  /** Baton's. */
  readonly token?: string;
  /** What every event begins with; its number follows. */
  readonly beginning: string;
  readonly onEvent: (seq: number) => void;
  readonly onEnd: (why: Error) => void;
}

const ZERO = 0x30;
const NINE = 0x39;
/** Where texts of events differ from all others: `{"type":"e` also begins errors. */
const MARK_AT = '{"type":"'.length + 1;
const BINARY = 0x2;

/** Resolves when every later event will arrive. */
export function subscribe(options: SubscriberOptions): Promise<RawSocket> {
  switch (options.dialect) {
    case "baton":
      return baton(options);
    case "plain":
      return open(options, {}, texts(options, 0));
    case "socket.io":
      return socketIo(options);
    case "nats":
      return nats(options);
  }
}

type Read = (bytes: Buffer, start: number, end: number) => void;

/** @param prefix bytes in front of the event */
function texts({ beginning, onEvent }: SubscriberOptions, prefix: number, other: Read = ignore): Read {
  const [at, number] = [prefix + MARK_AT, prefix + beginning.length];
  const mark = beginning.charCodeAt(MARK_AT);
  return (bytes, start, end) => {
    if (end - start > number && bytes[start + at] === mark) onEvent(numberAt(bytes, start + number));
    else other(bytes, start, end);
  };
}

function numberAt(bytes: Buffer, from: number): number {
  let number = 0;
  for (let at = from; ; at += 1) {
    const digit = bytes[at] ?? 0;
    if (digit < ZERO || digit > NINE) return number;
    number = number * 10 + digit - ZERO;
  }
}

async function open(
  { url, onEnd }: SubscriberOptions,
  { protocol }: { readonly protocol?: string },
  onMessage: Read,
): Promise<RawSocket> {
  return RawSocket.open({ url, ...(protocol !== undefined && { protocol }), onMessage, onEnd });
}

/** Says who it is with its token, and joins as one who only watches. */
async function baton(options: SubscriberOptions): Promise<RawSocket> {
  const { token, channel } = options;
  const socket = await open(options, { protocol: SUBPROTOCOL }, ignore);
  await answered(
    socket,
    "sandbox.joined",
    () => {
      socket.send(
        JSON.stringify({ type: "hello", version: PROTOCOL_VERSION, ...(token !== undefined && { token }) }),
      );
      socket.send(JSON.stringify({ type: "sandbox.join", id: "join", sandboxId: channel }));
    },
    texts(options, 0),
  );
  return socket;
}

async function socketIo(options: SubscriberOptions): Promise<RawSocket> {
  const socket = await open(options, {}, ignore);
  await answered(socket, "40{", () => socket.send("40"), ignore);
  // Its own pings are texts: 2, answered with 3.
  socket.onMessage = texts(options, '42["event",'.length, (bytes, start, end) => {
    if (end - start === 1 && bytes[start] === ZERO + 2) socket.send("3");
  });
  return socket;
}

/** Resolves with the first message that contains `word`; rejects with the first error. Events come to `next` at once. */
function answered(socket: RawSocket, word: string, ask: () => void, next: Read): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.onMessage = (bytes, start, end) => {
      const beginning = bytes.toString("latin1", start, Math.min(end, start + 256));
      if (beginning.startsWith('{"type":"error"')) reject(new Error(`the server answered ${beginning}`));
      if (!beginning.startsWith(word) && !beginning.startsWith(`{"type":"${word}"`)) return;
      socket.onMessage = next;
      resolve();
    };
    ask();
  });
}

const LINE_END = 0x0a;
/** Of a payload and of a line. */
const CRLF_BYTES = 2;

/** NATS speaks its line protocol in binary frames, which end anywhere. */
async function nats(options: SubscriberOptions): Promise<RawSocket> {
  const { channel, beginning, onEvent } = options;
  let rest: Buffer | undefined;
  let ready = (): void => {};
  const subscribed = new Promise<void>((resolve) => (ready = resolve));
  const line = (text: string): void => {
    if (text === "PONG") ready();
    else if (text === "PING") socket.send("PONG\r\n", BINARY);
    else if (text.startsWith("-ERR")) throw new Error(`NATS said ${text}`);
  };
  const read: Read = (chunk, start, chunkEnd) => {
    const bytes = rest ? Buffer.concat([rest, chunk.subarray(start, chunkEnd)]) : chunk;
    const end = rest ? bytes.length : chunkEnd;
    let at = rest ? 0 : start;
    rest = undefined;
    for (;;) {
      const newline = bytes.indexOf(LINE_END, at);
      if (newline < 0 || newline >= end) break;
      const next = newline + 1;
      // MSG and a space.
      if (bytes[at] === 0x4d && bytes[at + 1] === 0x53) {
        const length = numberAt(bytes, bytes.lastIndexOf(0x20, newline) + 1);
        if (next + length + CRLF_BYTES > end) break;
        onEvent(numberAt(bytes, next + beginning.length));
        at = next + length + CRLF_BYTES;
      } else {
        line(bytes.toString("latin1", at, newline - 1));
        at = next;
      }
    }
    if (at < end) rest = Buffer.from(bytes.subarray(at, end));
  };
  const socket = await open(options, {}, read);
  socket.send('CONNECT {"verbose":false,"pedantic":false}\r\n', BINARY);
  socket.send(`SUB ${channel} 1\r\nPING\r\n`, BINARY);
  await subscribed;
  return socket;
}

function ignore(): void {}
