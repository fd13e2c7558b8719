/**
 * The reference: the least that any program between a WebSocket client and a browser has to do. It reads the client's
 * JSON and writes the CDP command; it reads the browser's JSON, decodes the picture and forwards its bytes. It checks
 * nothing, knows one page, and has no bound on what it buffers.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { UpMessage } from "../../protocol/up.ts";
import { serve } from "./processes.ts";

interface FromBrowser {
  readonly method?: string;
  readonly params?: { readonly data: string; readonly sessionId: number };
  readonly result?: { readonly sessionId?: string };
}

serve(async ([cdpUrl = ""]) => {
  const browser = new WebSocket(cdpUrl, { perMessageDeflate: false });
  await once(browser, "open");
  let lastId = 0;
  let sessionId: string | undefined;
  const viewers = new Set<WebSocket>();
  const command = (method: string, params: object): void =>
    browser.send(JSON.stringify({ id: ++lastId, method, params, sessionId }));

  const attached = new Promise<string>((resolve) => {
    browser.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString("utf8")) as FromBrowser;
      if (message.result?.sessionId !== undefined) resolve(message.result.sessionId);
      if (message.method !== "Page.screencastFrame" || !message.params) return;
      const picture = Buffer.from(message.params.data, "base64");
      for (const viewer of viewers) viewer.send(picture);
      command("Page.screencastFrameAck", { sessionId: message.params.sessionId });
    });
  });
  command("Target.attachToTarget", { targetId: "page", flatten: true });
  sessionId = await attached;

  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) =>
      fromClient(socket, JSON.parse(data.toString("utf8")) as UpMessage),
    );
    socket.on("close", () => viewers.delete(socket));
    // A viewer that leaves in the middle of a picture.
    socket.on("error", () => {});
  });
  await once(server, "listening");

  function fromClient(client: WebSocket, message: UpMessage): void {
    if (message.type === "preview.start") {
      viewers.add(client);
      command("Page.startScreencast", { format: "jpeg", quality: 60 });
    }
    if (message.type === "preview.stop") {
      viewers.delete(client);
      command("Page.stopScreencast", {});
    }
    if (message.type !== "input") return;
    for (const event of message.events) {
      if (event.kind !== "mouse") continue;
      const { x, y } = event;
      const at = { x, y, modifiers: 0, pointerType: "mouse" };
      command("Input.dispatchMouseEvent", { ...at, type: "mouseMoved", button: "none", buttons: 0 });
    }
  }

  return {
    info: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` },
    close: async () => {
      for (const client of server.clients) client.terminate();
      browser.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});
