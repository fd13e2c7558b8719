/** Greetings with a token's rights, and what a client asks over HTTP. */
import type { Grant } from "../../../src/sdk/api.ts";
import type { Peer, ScriptedGateway } from "./scripted-gateway.ts";

export function grantFor(leftMs: number, over: Partial<Grant> = {}): Grant {
  return { sandboxes: ["*"], actFor: false, expiresAt: Date.now() + leftMs, ...over };
}
export const HOUR = 3_600_000;
export const WELCOME = {
  type: "welcome",
  version: 1,
  connectionId: "c",
  clientId: "c",
  name: "Ada",
  role: "operator",
  serverTime: 0,
  heartbeatMs: 1,
  maxMessageBytes: 1,
} as const;

export function greet(peer: Peer, grant: Grant = grantFor(HOUR)): void {
  peer.welcome({ name: "Ada", role: "operator", grant });
}

export interface Asked {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly stated: readonly string[];
  readonly body: unknown;
}

/** Answers every HTTP request with `answer`; returns what was asked. */
export function requestsTo(gateway: ScriptedGateway, answer?: unknown): Asked[] {
  const seen: Asked[] = [];
  gateway.onRequest((request, response) => {
    let text = "";
    request.on("data", (part) => (text += String(part)));
    request.on("end", () => {
      seen.push({
        method: request.method,
        path: request.url,
        authorization: request.headers.authorization,
        stated: Object.keys(request.headers).filter((name) => name.startsWith("x-baton")),
        body: text === "" ? undefined : JSON.parse(text),
      });
      response.writeHead(200, { "content-type": "application/json" });
      response.end(answer === undefined ? undefined : JSON.stringify(answer));
    });
  });
  return seen;
}
