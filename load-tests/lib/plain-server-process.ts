/**
 * The reference for a reconnect: the least that any WebSocket server has to do. It tells each who connects one thing, as
 * many bytes as the gateway's `sandbox.joined`, and does nothing else.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { serve } from "./processes.ts";
import { usage } from "./usage.ts";

const TEXT = "x".repeat(250);

serve(async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    // A connection that breaks makes its socket emit an error.
    socket.on("error", () => {});
    socket.send(TEXT);
  });
  await once(server, "listening");
  return {
    info: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    answer: usage,
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});
