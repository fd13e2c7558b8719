/**
 * uWebSockets.js behind Redis, in the two ways that it offers. `publish`: its own topics, which join what is published
 * in one turn of the event loop. `loop`: every socket is corked once and given all that came in the turn.
 */
import { Redis } from "ioredis";
import uWS, { type us_listen_socket, type WebSocket } from "uWebSockets.js";
import { serve } from "../lib/processes.ts";
import { usage } from "../lib/usage.ts";

/** More than is ever under way: uWS drops what goes beyond. */
const MAX_BACKPRESSURE = 1024 * 1024;

type Nothing = Readonly<Record<string, never>>;

serve(async ([redisUrl = "", channel = "", way = "publish", kind = "plain"]) => {
  const sockets = new Set<WebSocket<Nothing>>();
  const app = uWS.App().ws<Nothing>("/*", {
    maxBackpressure: MAX_BACKPRESSURE,
    open: (socket) => {
      sockets.add(socket);
      socket.subscribe(channel);
    },
    close: (socket) => void sockets.delete(socket),
  });
  const waiting: Buffer[] = [];
  const flush = (): void => {
    const messages = waiting.splice(0);
    for (const socket of sockets) {
      socket.cork(() => {
        for (const message of messages) socket.send(message);
      });
    }
  };
  const subscriber = new Redis(redisUrl);
  const deliver = (_channel: Buffer, payload: Buffer): void => {
    if (way === "publish") app.publish(channel, payload);
    else if (waiting.push(payload) === 1) setImmediate(flush);
  };
  if (kind === "sharded") await subscriber.ssubscribe(channel);
  else await subscriber.subscribe(channel);
  subscriber.on(kind === "sharded" ? "smessageBuffer" : "messageBuffer", deliver);
  const listening = await new Promise<us_listen_socket>((resolve, reject) => {
    app.listen("127.0.0.1", 0, (socket) => {
      if (socket) resolve(socket);
      else reject(new Error("uWebSockets.js cannot listen on 127.0.0.1"));
    });
  });
  return {
    info: { url: `ws://127.0.0.1:${uWS.us_socket_local_port(listening)}/` },
    answer: usage,
    close: async () => {
      subscriber.disconnect();
      uWS.us_listen_socket_close(listening);
      for (const socket of sockets) socket.close();
    },
  };
});
