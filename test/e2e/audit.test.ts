/** What is on record after people, agents and strangers were there: all of it, in order, and nothing of what was said. */
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { verifyCommand } from "../../src/audit/verify-command.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { chromiumPath } from "../support/browser.ts";
import { CutOffStore } from "../support/cut-off-store.ts";
import { WAIT_MS } from "../support/inbox.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { RawClient } from "../support/raw-client.ts";
import { stillClock } from "../support/still-clock.ts";
import { linkTokenOf, startTokenGateway, type TokenGateway } from "../support/token-gateway.ts";
import { token, type TokenClaims } from "../support/tokens.ts";
import { turn } from "../support/two-nodes.ts";

interface Line {
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

async function linesIn(store: Pick<Store, "readAudit">, after = 0): Promise<Line[]> {
  return (await store.readAudit(after, 100_000)).map(({ text }) => JSON.parse(text) as Line);
}

/** The first line like this, as soon as it is written. */
async function written(store: Pick<Store, "readAudit">, like: (line: Line) => boolean): Promise<Line> {
  const late = AbortSignal.timeout(WAIT_MS);
  for (; !late.aborted; await turn()) {
    const line = (await linesIn(store)).find(like);
    if (line) return line;
  }
  throw new Error(`no such line in ${WAIT_MS} ms: ${JSON.stringify(await linesIn(store))}`);
}

async function exportOf(gateway: TokenGateway, query = ""): Promise<string> {
  const response = await gateway.admin(`/v1/audit${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(response.headers.get("cache-control")).toBe("no-store");
  return response.text();
}

/** What `baton audit verify` says of a text. */
async function verdictOf(text: string, ...args: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = [];
  const open = async function* (): AsyncGenerator<string> {
    yield text;
  };
  const code = await verifyCommand([...args, "export.ndjson"], { open, out: (line) => said.push(line) });
  return { code, said: said.join("\n") };
}

const seqsOf = (text: string): number[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as Line).seq);

async function greeted(gateway: { url: string }, claims: TokenClaims, sandboxId?: string): Promise<RawClient> {
  const client = await RawClient.open(gateway.url);
  onTestFinished(() => client.socket.terminate());
  client.hello({ token: await token(claims) });
  await client.next("welcome");
  if (sandboxId !== undefined) await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
  return client;
}

const json = { "content-type": "application/json" };

describe("the audit log of a whole story", () => {
  it("names everybody who did or tried something, in order, and repeats nothing that anybody said", async () => {
    let skippedMs = 0;
    const store = new MemoryStore({ now: () => Date.now() + skippedMs });
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    const chromium = await provider.launch({
      url: `data:text/html,<title>CANARY-title</title><input autofocus value=CANARY-field>`,
    });
    onTestFinished(() => chromium.close());
    const gateway = await startTokenGateway({ store, browsers: provider });
    const secrets: string[] = [];
    const tokenFor = async (claims: TokenClaims): Promise<string> => {
      const made = await token({ jti: `token-of-${claims.sub}`, ...claims });
      secrets.push(made);
      return made;
    };
    const bearers = {
      bot: await tokenFor({ sub: "bot", role: "agent", sandboxes: ["box"] }),
      ada: await tokenFor({ sub: "ada", role: "operator", sandboxes: ["b*"] }),
      ben: await tokenFor({ sub: "ben", role: "operator" }),
      vera: await tokenFor({ sub: "vera", role: "viewer" }),
      tenant: await tokenFor({ sub: "tenant", role: "admin", sandboxes: ["b*"] }),
    };
    const http = async (who: keyof typeof bearers, path: string, body?: object, method?: string) => {
      const response = await gateway.http(path, {
        token: bearers[who],
        method: method ?? (body ? "POST" : "GET"),
        ...(body && { body: JSON.stringify(body), headers: json }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const socket = async (bearer: string): Promise<RawClient> => {
      const client = await RawClient.open(gateway.url);
      onTestFinished(() => client.socket.terminate());
      client.hello({ token: bearer });
      await client.next("welcome");
      await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "box" });
      return client;
    };
    const at = "/v1/sandboxes/box";
    const ask = { type: "handoff.request", sandboxId: "box", reason: "mfa", message: "CANARY-message" };
    const requests: string[] = [];
    const request = async (): Promise<string> => {
      const { result } = await bot.done("result", { ...ask, resumePrompt: "CANARY-prompt" });
      requests.push(result.handoff?.requestId ?? "");
      return requests.at(-1) ?? "";
    };

    const cdpUrl = await chromium.endpoint(AbortSignal.timeout(10_000));
    await gateway.admin("/v1/sandboxes", { method: "POST", body: { sandboxId: "box", browser: { cdpUrl } } });

    // The agent drives over CDP, asks for a person, and is refused while that person drives.
    const bot = await socket(bearers.bot);
    const { host } = new URL(gateway.url);
    const cdp = await RawCdp.open(`ws://bot:${bearers.bot}@${host}${at}/cdp?policy=reject`);
    const { targetInfos } = await cdp.done("Target.getTargets");
    const [page] = targetInfos as { targetId: string }[];
    const session = await cdp.attach(page?.targetId ?? "");
    await cdp.evaluate("document.title", session);
    await cdp.evaluate("document.title = 'CANARY-script'", session);
    await request();
    expect((await http("vera", `${at}/handoff/accept`, { controller: "vera" })).status).toBe(403);
    expect((await http("ada", `${at}/handoff/accept`, { controller: "ada" })).status).toBe(200);
    expect((await http("ben", `${at}/handoff/accept`, { controller: "ben" })).status).toBe(409);
    await cdp.refused("Input.insertText", { text: "CANARY-agent" }, session);
    await cdp.refused("Input.insertText", { text: "CANARY-agent" }, session);
    const ada = await socket(bearers.ada);
    const typed = { type: "input", sandboxId: "box", events: [{ kind: "text", text: "CANARY-typed" }] };
    await ada.done("done", typed);
    await ada.done("done", typed);
    const vera = await socket(bearers.vera);
    await vera.refused(typed, "forbidden");
    const complete = { type: "handoff.complete", sandboxId: "box", controller: "ada", note: "CANARY-note" };
    await ada.done("result", { ...complete, returnControlTo: "ai" });

    // Withdrawn; expired; and given up by a connection that is lost.
    await request();
    await bot.done("result", { type: "handoff.cancel", sandboxId: "box", note: "CANARY-note" });
    await request();
    skippedMs += 3_600_000;
    await written(store, ({ action }) => action === "handoff.expired");
    await request();
    await ada.done("result", { type: "handoff.accept", sandboxId: "box", controller: "ada" });
    ada.socket.terminate();
    const returned = async (): Promise<Line> => {
      const late = AbortSignal.timeout(WAIT_MS);
      for (; !late.aborted; await turn()) {
        skippedMs += 1_000;
        const line = (await linesIn(store)).find(({ action }) => action === "handoff.returned");
        if (line) return line;
      }
      throw new Error("the handoff was not returned");
    };
    await returned();
    await bot.done("result", { type: "handoff.cancel", sandboxId: "box" });

    // Links and tokens.
    const made = await http("ben", `${at}/links`, { access: "drive", subject: "CEO" });
    const linkToken = linkTokenOf(String(made.body["url"]));
    const { linkId } = made.body["link"] as { linkId: string };
    const guest = await RawClient.open(gateway.url);
    guest.hello({ token: linkToken });
    const { session: linkSession } = await guest.next("welcome");
    secrets.push(linkToken, linkSession?.token ?? "");
    await guest.refused({ type: "lobby.join" }, "forbidden");
    expect((await http("ben", `${at}/links/${linkId}`, undefined, "DELETE")).status).toBe(200);
    expect((await guest.closing()).code).toBe(CLOSE.token_revoked.code);
    await gateway.revoke("token-of-ada");
    expect((await http("ada", at)).status).toBe(401);
    expect((await http("tenant", "/v1/audit")).status).toBe(403);
    expect((await http("vera", at, undefined, "DELETE")).status).toBe(403);
    cdp.cut();
    await gateway.admin(at, { method: "DELETE" });
    const text = await exportOf(gateway);

    const lines = text.trim().split("\n").map((line) => JSON.parse(line) as Line);
    const [r1, r2, r3, r4] = requests;
    const told = lines.map(({ action, outcome, subject, role, sandboxId, requestId, code, epoch }) =>
      [
        action,
        outcome === "ok" ? "ok" : code,
        ...(subject === undefined ? [] : [`${subject}/${role}`]),
        ...(sandboxId === undefined ? [] : [sandboxId]),
        ...(epoch === undefined ? [] : [epoch]),
        ...(requestId === undefined ? [] : [`r${requests.indexOf(requestId) + 1}`]),
      ].join(" "),
    );
    expect([r1, r2, r3, r4].every((id) => typeof id === "string" && id !== "")).toBe(true);
    console.log(told.join("\n"), text);
    expect(told).toEqual([]);
  });
});
