/**
 * The reference for the CDP gate: the least that any program between a CDP client and a browser has to do. Each client
 * gets a connection of its own to the browser, and every message goes on as the bytes that it came in. It looks into
 * none, stops nobody, and has no bound on what it buffers.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { serve } from "./processes.ts";
import { usage } from "./usage.ts";

serve(async ([cdpUrl = ""]) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  let commands = 0;
  server.on("connection", (client) => {
    const browser = new WebSocket(cdpUrl, { perMessageDeflate: false });
    const early: Buffer[] = [];
    client.on("message", (data: Buffer) => {
      commands += 1;
      if (browser.readyState === WebSocket.CONNECTING) early.push(data);
      else browser.send(data, { binary: false });
    });
    browser.on("open", () => {
      for (const data of early.splice(0)) browser.send(data, { binary: false });
    });
    browser.on("message", (data: Buffer) => client.send(data, { binary: false }));
    for (const [one, other] of [
      [client, browser],
      [browser, client],
    ] as const) {
      one.on("close", () => other.terminate());
      // Terminating a socket that has not opened yet makes it emit an error.
      one.on("error", () => {});
    }
  });
  await once(server, "listening");
  return {
    info: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` },
    answer: async (question) => ((question as { of: string }).of === "commands" ? commands : usage(question)),
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});
