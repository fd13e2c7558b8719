/**
 * The least that a server on Node's own sockets can do: `ws` shakes hands and reads, and what Redis brings is framed
 * once, joined once with all else that came in the same turn of the event loop, and written once to each connection.
 * It names nobody, numbers nothing, and lets a client that does not read fill its memory.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";
import { serve } from "../lib/processes.ts";
import { usage } from "../lib/usage.ts";

const FIN_TEXT = 0x81;
const MAX_SHORT = 125;
const MAX_16_BITS = 0xffff;

serve(async ([redisUrl = "", channel = ""]) => {
  const http = createServer((_request, response) => void response.writeHead(426).end());
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const streams = new Set<Duplex>();
  http.on("upgrade", (request, stream, head) => {
    sockets.handleUpgrade(request, stream, head, (client) => {
      streams.add(stream);
      client.on("error", () => {});
      client.once("close", () => streams.delete(stream));
    });
  });

  const waiting: Buffer[] = [];
  const flush = (): void => {
    const [first] = waiting;
    const bytes = waiting.length === 1 && first ? first : Buffer.concat(waiting);
    waiting.length = 0;
    for (const stream of streams) stream.write(bytes);
  };
  const subscriber = new Redis(redisUrl);
  subscriber.on("messageBuffer", (_channel: Buffer, payload: Buffer) => {
    // After all that has been read in this turn.
    if (waiting.push(frameOf(payload)) === 1) setImmediate(flush);
  });
  http.listen({ host: "127.0.0.1", port: 0, backlog: 1_024 });
  await Promise.all([once(http, "listening"), subscriber.subscribe(channel)]);
  return {
    info: { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/` },
    answer: usage,
    close: async () => {
      subscriber.disconnect();
      for (const client of sockets.clients) client.terminate();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
});

function frameOf(payload: Buffer): Buffer {
  const { length } = payload;
  if (length > MAX_16_BITS) throw new RangeError("the benchmark's events have less than 64 KB");
  const header =
    length <= MAX_SHORT
      ? Buffer.from([FIN_TEXT, length])
      : Buffer.from([FIN_TEXT, 126, length >> 8, length & 0xff]);
  return Buffer.concat([header, payload]);
}
