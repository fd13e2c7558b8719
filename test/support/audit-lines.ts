/** Lines of the audit log, as tests read and verify them. */
import { expect, onTestFinished } from "vitest";
import { verifyCommand } from "../../src/audit/verify-command.ts";
import type { Store } from "../../src/store/store.ts";
import { WAIT_MS } from "./inbox.ts";
import { RawClient } from "./raw-client.ts";
import { type TokenGateway } from "./token-gateway.ts";
import { token, type TokenClaims } from "./tokens.ts";
import { turn } from "./two-nodes.ts";

export interface Line {
  readonly seq: number;
  readonly at: number;
  readonly node: string;
  readonly action: string;
  readonly outcome: "ok" | "refused";
  readonly subject?: string;
  readonly role?: string;
  readonly address?: string;
  readonly sandboxId?: string;
  readonly requestId?: string;
  readonly tokenId?: string;
  readonly epoch?: number;
  readonly code?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export async function linesIn(store: Pick<Store, "readAudit">, after = 0): Promise<Line[]> {
  return (await store.readAudit(after, 100_000)).map(({ text }) => JSON.parse(text) as Line);
}

/** The first line like this, as soon as it is written. */
export async function written(store: Pick<Store, "readAudit">, like: (line: Line) => boolean): Promise<Line> {
  const late = AbortSignal.timeout(WAIT_MS);
  for (; !late.aborted; await turn()) {
    const line = (await linesIn(store)).find(like);
    if (line) return line;
  }
  throw new Error(`no such line in ${WAIT_MS} ms: ${JSON.stringify(await linesIn(store))}`);
}

export async function exportOf(gateway: TokenGateway, query = ""): Promise<string> {
  const response = await gateway.admin(`/v1/audit${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(response.headers.get("cache-control")).toBe("no-store");
  return response.text();
}

/** What `baton audit verify` says of a text. */
export async function verdictOf(text: string, ...args: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = [];
  const open = async function* (): AsyncGenerator<string> {
    yield text;
  };
  const code = await verifyCommand([...args, "export.ndjson"], { open, out: (line) => said.push(line) });
  return { code, said: said.join("\n") };
}

export const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

export const seqsOf = (text: string): number[] => linesOf(text).map(({ seq }) => seq);

export async function greeted(
  gateway: { url: string },
  claims: TokenClaims,
  sandboxId?: string,
): Promise<RawClient> {
  const client = await RawClient.open(gateway.url);
  onTestFinished(() => client.socket.terminate());
  client.hello({ token: await token(claims) });
  await client.next("welcome");
  if (sandboxId !== undefined) await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
  return client;
}

export const json = { "content-type": "application/json" };
