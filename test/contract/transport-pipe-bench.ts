/** What the contract of pipes is tested with: both ends of a pipe, and openings that a test steers. */
import { once } from "node:events";
import { expect, onTestFinished } from "vitest";
import type {
  Handshake,
  Opening,
  Pipe,
  PipeHandler,
  PipeOptions,
  TransportOptions,
} from "../../src/transport/transport.ts";
import { Inbox, within } from "../support/inbox.ts";
import { TcpPeer } from "../support/tcp-peer.ts";
import { Client, type Bench, type Start } from "./transport-bench.ts";

export const PIPE_PATH = "/pipes/one";
export const MAX_PIPE_BYTES = 64 * 1024 * 1024;

/** One open pipe, as the gateway sees it. */
export class PipeEnd implements PipeHandler {
  readonly pipe: Pipe;
  readonly messages = new Inbox<Buffer>();
  readonly drains = new Inbox<number>();
  readonly ended: Promise<void>;
  closes = 0;
  #end = (): void => {};

  constructor(pipe: Pipe) {
    this.pipe = pipe;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  message(bytes: Buffer): void {
    this.messages.put(bytes);
  }
  drained(): void {
    this.drains.put(this.pipe.bufferedBytes);
  }
  closed(): void {
    this.closes += 1;
    this.#end();
  }

  over(): Promise<void> {
    return within(this.ended, "closed()");
  }
}

/** A handshake that a test answers when it likes. */
export interface Asked {
  readonly request: Handshake;
  readonly signal: AbortSignal;
  readonly resolve: (opening: Opening | null) => void;
  readonly reject: (error: unknown) => void;
}

export interface PipeBench extends Bench {
  readonly ends: Inbox<PipeEnd>;
  /** A connected client, and its other end. */
  readonly pipe: () => Promise<{ client: Client; end: PipeEnd }>;
  /** The same with a client that is no library. */
  readonly rawPipe: () => Promise<{ peer: TcpPeer; end: PipeEnd }>;
  /** Proves that a pipe which has nothing to do with the test still works. */
  readonly works: () => Promise<void>;
}

export interface PipeOver extends Partial<TransportOptions> {
  /** Called with each pipe as soon as it is open. */
  readonly accepted?: (pipe: Pipe) => void;
  readonly maxPipeBytes?: number;
}

export async function startPipes(start: Start, over: PipeOver = {}): Promise<PipeBench> {
  const { accepted, maxPipeBytes = MAX_PIPE_BYTES, ...options } = over;
  const ends = new Inbox<PipeEnd>();
  const pipes: PipeOptions = {
    maxMessageBytes: maxPipeBytes,
    open: async () => ({
      accept: (pipe) => {
        accepted?.(pipe);
        const end = new PipeEnd(pipe);
        ends.put(end);
        return end;
      },
      abandon: () => {},
    }),
  };
  const bench = await start({ pipes, ...options });
  const pipe = async (): Promise<{ client: Client; end: PipeEnd }> => {
    const client = await new Client(bench.port, [], PIPE_PATH).open();
    return { client, end: await ends.take("open pipe") };
  };
  return {
    ...bench,
    ends,
    pipe,
    async rawPipe() {
      const peer = await TcpPeer.upgrade(bench.port, { path: PIPE_PATH });
      onTestFinished(() => peer.destroy());
      expect(peer.status).toBe(101);
      return { peer, end: await ends.take("open pipe") };
    },
    async works() {
      const { client, end } = await pipe();
      client.ws.send("up");
      expect((await end.messages.take("message")).toString()).toBe("up");
      end.pipe.send(Buffer.from("down"));
      await client.texts.take("answer", (text) => text === "down");
      client.ws.terminate();
      await end.over();
    },
  };
}

/** Pipes whose openings wait for the test. */
export async function startAsking(
  start: Start,
  over: Partial<TransportOptions> = {},
): Promise<Bench & { asked: Inbox<Asked> }> {
  const asked = new Inbox<Asked>();
  const pipes: PipeOptions = {
    maxMessageBytes: MAX_PIPE_BYTES,
    open: (request, signal) =>
      new Promise((resolve, reject) => asked.put({ request, signal, resolve, reject })),
  };
  return { ...(await start({ pipes, ...over })), asked };
}

/** An opening that counts what became of it. */
export class CountedOpening implements Opening {
  readonly ends = new Inbox<PipeEnd>();
  readonly abandons = new Inbox<true>();

  accept(pipe: Pipe): PipeHandler {
    const end = new PipeEnd(pipe);
    this.ends.put(end);
    return end;
  }
  abandon(): void {
    this.abandons.put(true);
  }
  /** How often it was accepted, and how often abandoned. */
  get fate(): [number, number] {
    return [this.ends.all.length, this.abandons.all.length];
  }
}

export interface Refusal {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Connects with a client of the library and resolves to what refused it. */
export async function refusalOf(client: Client): Promise<Refusal> {
  const [, response] = (await within(once(client.ws, "unexpected-response"), "a refusal")) as [
    unknown,
    AsyncIterable<Buffer> & { statusCode?: number; headers: Refusal["headers"] },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return {
    status: response.statusCode,
    headers: response.headers,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

/** A frame as a client sends it, with a mask of zeros: no need to touch the payload. */
export function frame(opcode: number, payload: Uint8Array, final = true): Buffer {
  const length = Buffer.alloc(9);
  length[0] = 0x80 | 127;
  length.writeBigUInt64BE(BigInt(payload.byteLength), 1);
  return Buffer.concat([Uint8Array.of((final ? 0x80 : 0) | opcode), length, Buffer.alloc(4), payload]);
}

/** Bytes that are UTF-8, and whose every part is in its own place. */
export function payloadOf(bytes: number): Buffer {
  const payload = Buffer.alloc(bytes, " ");
  for (let at = 0; at + 16 <= bytes; at += 1_000) payload.write(`ä${at}`, at);
  return payload;
}
