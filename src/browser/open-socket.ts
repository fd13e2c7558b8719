import type { LookupFunction } from "node:net";
import { WebSocket, type ClientOptions } from "ws";

export interface SocketOptions extends ClientOptions {
  /** Where the host name leads. Default: the system's answer. `ws` passes it on, its types don't know of it. */
  readonly lookup?: LookupFunction | undefined;
}

/**
 * Opens a WebSocket to a browser. Rejects when it does not open before `signal` aborts, with the signal's reason.
 * `make` is called at the very moment it opens: whatever listens then misses nothing.
 */
export function openSocket<T>(
  url: string,
  options: SocketOptions,
  signal: AbortSignal,
  make: (socket: WebSocket) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = new WebSocket(url, { perMessageDeflate: false, followRedirects: false, ...options });
    const onAbort = (): void => {
      reject(signal.reason as Error);
      socket.terminate();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    // Terminating a socket that has not opened yet makes it emit an error.
    socket.once("error", reject).on("error", () => {});
    socket.once("close", () => signal.removeEventListener("abort", onAbort));
    socket.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", reject);
      resolve(make(socket));
    });
  });
}
