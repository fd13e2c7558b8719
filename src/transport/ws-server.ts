/** What sockets and pipes have in common on `ws`. */
import { WebSocketServer, type Server, type ServerOptions, type WebSocket } from "ws";
import { CLOSE, type CloseReason } from "../../protocol/errors.ts";
import { closeText } from "./close-text.ts";

/** `ws` waits 30 s for a peer's close frame; a stuck one would keep its buffers that long. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Makes WebSockets of upgrade requests that it is handed. */
export function webSocketServer<T extends typeof WebSocket>(
  options: ServerOptions<T> & { readonly maxPayload: number },
): Server<T> {
  // `closeTimeout` is not in the types yet.
  const settings: ServerOptions<T> & { closeTimeout: number } = {
    noServer: true,
    perMessageDeflate: false,
    // Whoever closes: `ws` does so itself on a broken frame.
    closeTimeout: CLOSE_TIMEOUT_MS,
    ...options,
  };
  return new WebSocketServer<T>(settings);
}

/** Closes with the code of `reason`, and with as much of `detail` as a close frame holds. */
export function closeWith(ws: WebSocket, reason: CloseReason, detail: string | undefined): void {
  // `ws` throws beyond what a frame holds.
  ws.close(CLOSE[reason].code, closeText(reason, detail));
}
