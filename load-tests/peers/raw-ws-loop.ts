/** The loop that people write: what Redis brings is sent to every client, one by one. No bound, no order, no names. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";
import { serve } from "../lib/processes.ts";
import { usage } from "../lib/usage.ts";

serve(async ([redisUrl = "", channel = ""]) => {
  const subscriber = new Redis(redisUrl);
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    backlog: 1_024,
    perMessageDeflate: false,
  });
  await Promise.all([once(server, "listening"), subscriber.subscribe(channel)]);
  subscriber.on("message", (_channel: string, text: string) => {
    for (const client of server.clients) client.send(text);
  });
  return {
    info: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    answer: usage,
    close: async () => {
      subscriber.disconnect();
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});
