/** The SDK for Node: `ws` stands in where the platform has no WebSocket of its own. */
import { WebSocket } from "ws";
import type { BatonClient, ClientOptions, SocketConstructor } from "./api.ts";
import { connect as connectAnywhere } from "./client.ts";

export type * from "./api.ts";
export { BatonError } from "../../protocol/errors.ts";

/** As `connect` of `client.ts`. @throws BatonError `invalid_message` when an option is wrong */
export function connect(options: ClientOptions): BatonClient {
  const platform: { WebSocket?: SocketConstructor } = globalThis;
  return connectAnywhere({ WebSocket: platform.WebSocket ?? WebSocket, ...options });
}
