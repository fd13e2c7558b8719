/**
 * The reference for an event's way over two nodes: the least that any program in their place has to do. What a client
 * sends is published in a Redis channel, and acknowledged with an empty binary message; what the channel brings is sent
 * to every client. It keeps no state, checks nothing and has no bound on what it buffers.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";
import { serve } from "./processes.ts";

const CHANNEL = "bench-relay";

serve(async ([redisUrl = "", name = ""]) => {
  const channel = `${CHANNEL}:${name}`;
  const [publisher, subscriber] = [new Redis(redisUrl), new Redis(redisUrl)];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  await Promise.all([once(server, "listening"), subscriber.ssubscribe(channel)]);
  subscriber.on("smessage", (_channel: string, message: string) => {
    for (const client of server.clients) client.send(message);
  });
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => {
      void publisher.spublish(channel, data.toString("utf8")).then(() => socket.send(Buffer.alloc(0)));
    });
  });
  return {
    info: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` },
    close: async () => {
      publisher.disconnect();
      subscriber.disconnect();
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});
