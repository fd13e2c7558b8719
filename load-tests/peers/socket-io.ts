/** Socket.IO with its Redis adapter, as its documentation sets it up: the room's events come from another process. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { serve } from "../lib/processes.ts";
import { usage } from "../lib/usage.ts";

/** Installed by the run, here and not in the project: their types are not there when the project is checked. */
const require = createRequire(import.meta.url);

interface RedisClient {
  duplicate(): RedisClient;
  connect(): Promise<unknown>;
  disconnect(): Promise<void>;
}
interface SocketIo {
  on(event: "connection", listener: (socket: { join(room: string): void }) => void): void;
  close(): Promise<void>;
}

const { createClient } = require("redis") as {
  readonly createClient: (options: { url: string }) => RedisClient;
};
const { createAdapter } = require("@socket.io/redis-adapter") as {
  readonly createAdapter: (publisher: RedisClient, subscriber: RedisClient) => unknown;
};
const { Server } = require("socket.io") as { Server: new (server: unknown, options: object) => SocketIo };

serve(async ([redisUrl = "", room = ""]) => {
  const publisher = createClient({ url: redisUrl });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, {
    adapter: createAdapter(publisher, subscriber),
    transports: ["websocket"],
    serveClient: false,
  });
  io.on("connection", (socket) => socket.join(room));
  http.listen({ host: "127.0.0.1", port: 0, backlog: 1_024 });
  await once(http, "listening");
  return {
    info: {
      url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/socket.io/?EIO=4&transport=websocket`,
    },
    answer: usage,
    close: async () => {
      await io.close();
      await Promise.all([publisher.disconnect(), subscriber.disconnect()]);
    },
  };
});
