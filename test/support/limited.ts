/** Gateways with small limits, and what their refusals say. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { expect, onTestFinished } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import type { GatewayOptions } from "../../src/gateway.ts";
import { parseTrusted } from "../../src/limits/client-address.ts";
import { DEFAULT_LIMITS, type LimitSettings } from "../../src/limits/settings.ts";
import { WAIT_MS, within } from "./inbox.ts";
import { RawClient, type Failure } from "./raw-client.ts";
import { startTokenGateway, type TokenGateway } from "./token-gateway.ts";

/** The number in the tests: so many at once, and then one each five seconds. */
export const TWELVE = 12;
export const EACH_MS = 5_000;

export interface Refusal {
  readonly code: string;
  readonly limit: unknown;
  readonly retryAfterMs: unknown;
}
export const rateLimited = (limit: string, retryAfterMs = EACH_MS): Refusal => ({
  code: "rate_limited",
  limit,
  retryAfterMs,
});
export const tooMany = (limit: string): Refusal => ({ code: "too_many", limit, retryAfterMs: 5_000 });

export async function limited(
  limits: Partial<LimitSettings>,
  options: Partial<GatewayOptions> = {},
): Promise<TokenGateway> {
  return startTokenGateway({ limits: { ...DEFAULT_LIMITS, ...limits }, ...options });
}

export const trusting = (text: string): Pick<GatewayOptions, "trustedProxies"> => ({
  trustedProxies: parseTrusted(text).trusted,
});

/** What an HTTP refusal says; its status and headers are checked here. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const problem = (await response.json()) as Problem;
  const { code, status, retryable, details } = problem;
  const retryAfterMs = Number(details?.["retryAfterMs"]);
  expect([response.status, status, retryable], JSON.stringify(problem)).toEqual([429, 429, true]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("retry-after")).toBe(String(Math.ceil(retryAfterMs / 1_000)));
  return { code, limit: details?.["limit"], retryAfterMs };
}

export function failureOf({ code, retryable, details }: Failure): Refusal {
  expect(retryable).toBe(true);
  return { code, limit: details?.["limit"], retryAfterMs: details?.["retryAfterMs"] };
}

/** A greeted client, or how its `hello` was refused. */
export async function greet(
  { url }: { readonly url: string },
  bearer: string,
  options: ClientOptions = {},
): Promise<RawClient | Refusal> {
  const client = await RawClient.open(url, options);
  onTestFinished(() => client.socket.terminate());
  client.hello({ token: bearer });
  const welcome = await client.next("welcome").catch(() => undefined);
  if (welcome) return client;
  expect((await client.closing()).code).toBe(CLOSE.rate_limited.code);
  const [first] = client.received;
  if (first?.type !== "error") throw new Error(`hello was answered by ${JSON.stringify(first)}`);
  return failureOf(first);
}

export async function greeted(...args: Parameters<typeof greet>): Promise<RawClient> {
  const client = await greet(...args);
  if (client instanceof RawClient) return client;
  throw new Error(`hello was refused: ${JSON.stringify(client)}`);
}

/** The status of a handshake's answer, 101 when it is open. */
export async function shake(
  url: string,
  options: ClientOptions = {},
): Promise<{ status: number; refusal?: Refusal }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), [], options);
  onTestFinished(() => socket.terminate());
  socket.on("error", () => {});
  const opened = once(socket, "open").then(() => ({ status: 101 }));
  const refused = once(socket, "unexpected-response").then(async ([, answer]) => {
    const { statusCode: status = 0, headers } = answer as IncomingMessage;
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const init = { status, headers: headers as Record<string, string> };
    const response = new Response(Buffer.concat(chunks), init);
    return status === 429 ? { status, refusal: await refusalOf(response) } : { status };
  });
  return within(Promise.race([opened, refused]), "the answer to the handshake");
}

/** Repeats what no event announces until it is as it should be: each time is a round trip to the gateway. */
export async function eventually<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const late = AbortSignal.timeout(WAIT_MS);
  while (!late.aborted) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new Error(`${what} did not happen in ${WAIT_MS} ms`);
}

export const post = (body: object, bearer: string): RequestInit & { token: string } => ({
  method: "POST",
  token: bearer,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

export async function ok(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  const text = await response.text();
  if (!response.ok) throw new Error(text);
}
