/** Clients of a gateway that asks for tokens, let in and refused. */
import { once } from "node:events";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { within } from "./inbox.ts";
import { RawClient } from "./raw-client.ts";
import { linkTokenOf, type TokenGateway } from "./token-gateway.ts";

export const TEXT = [{ kind: "text", text: "x" }];

export async function greeted(
  gateway: { url: string },
  bearer: string,
  sandboxId?: string,
): Promise<RawClient> {
  const client = await RawClient.open(gateway.url);
  client.hello({ token: bearer });
  await client.next("welcome");
  if (sandboxId !== undefined) await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
  return client;
}

export async function makeLink(gateway: TokenGateway, body: object): Promise<string> {
  const response = await gateway.admin("/v1/sandboxes/box/links", { method: "POST", body });
  return linkTokenOf(((await response.json()) as { url: string }).url);
}

export async function refusedHello(gateway: { url: string }, bearer: string): Promise<unknown> {
  const client = await RawClient.open(gateway.url);
  client.hello({ token: bearer });
  expect((await client.closing()).code).toBe(CLOSE.unauthorized.code);
  const [refusal] = client.received;
  return refusal?.type === "error" ? refusal.details?.["reason"] : refusal;
}

/** The status that a handshake is refused with. */
export async function refusedHandshake(
  url: string,
  options: { origin?: string; headers?: Record<string, string> },
): Promise<Problem> {
  const socket = new WebSocket(url.replace("http", "ws"), [SUBPROTOCOL], options);
  socket.on("error", () => {});
  const [, response] = (await within(once(socket, "unexpected-response"), "the refusal")) as [
    unknown,
    AsyncIterable<Buffer>,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Problem;
}
