/** What is on record after people, agents and strangers were there: all of it, in order, and nothing of what was said. */
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { verifyCommand } from "../../src/audit/verify-command.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { NO_LIMITS } from "../../src/limits/settings.ts";
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

const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

const seqsOf = (text: string): number[] => linesOf(text).map(({ seq }) => seq);

async function greeted(
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

const json = { "content-type": "application/json" };

describe("the audit log of a whole story", () => {
  it("names everybody who did or tried something, in order, and repeats nothing that anybody said", async () => {
    let skippedMs = 0;
    const store = new MemoryStore({ now: () => Date.now() + skippedMs });
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    const chromium = await provider.launch({
      url: "data:text/html,<title>CANARY-title</title><input autofocus value=CANARY-field>",
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
    await bot.next("event", ({ event }) => event.changes.control?.graceUntil !== undefined);
    skippedMs += 60_000;
    await written(store, ({ action }) => action === "handoff.returned");
    await bot.done("result", { type: "handoff.cancel", sandboxId: "box" });

    // Links and tokens.
    const made = await http("ben", `${at}/links`, { access: "drive", subject: "CEO" });
    const linkToken = linkTokenOf(String(made.body["url"]));
    const { linkId, subject } = made.body["link"] as { linkId: string; subject: string };
    const guest = await RawClient.open(gateway.url);
    guest.hello({ token: linkToken });
    const { session: linkSession, name: guestName } = await guest.next("welcome");
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

    const lines = linesOf(text);
    const epochs = [...new Set(lines.flatMap(({ epoch }) => epoch ?? []))];
    expect(epochs).toEqual(epochs.toSorted((one, other) => one - other));
    const told = lines.map(({ action, outcome, subject, role, sandboxId, requestId, code, epoch }) =>
      [
        action,
        outcome === "ok" ? "ok" : code,
        ...(subject === undefined ? [] : [`${subject}/${role}`]),
        ...(sandboxId === undefined ? [] : [sandboxId]),
        ...(epoch === undefined ? [] : [`e${epochs.indexOf(epoch) + 1}`]),
        ...(requestId === undefined ? [] : [`r${requests.indexOf(requestId) + 1}`]),
      ].join(" "),
    );
    expect(told).toEqual([
      "sandbox.create ok root/admin box e1",
      "cdp.connect ok bot/agent box e1",
      // Once an epoch, not every command, and not every key.
      "cdp.command ok bot/agent box e1",
      "handoff.request ok bot/agent box e2 r1",
      "handoff.accept forbidden vera/viewer box",
      "handoff.accept ok ada/operator box e3 r1",
      "handoff.accept already_accepted ben/operator box e3",
      "cdp.command not_controller bot/agent box e3",
      "input ok ada/operator box e3",
      "input forbidden vera/viewer box",
      "handoff.complete ok ada/operator box e4 r1",
      "handoff.request ok bot/agent box e5 r2",
      "handoff.cancel ok bot/agent box e6 r2",
      "handoff.request ok bot/agent box e7 r3",
      "handoff.expired ok box e8 r3",
      "handoff.request ok bot/agent box e9 r4",
      "handoff.accept ok ada/operator box e10 r4",
      "handoff.returned ok box e11 r4",
      "handoff.cancel ok bot/agent box e12 r4",
      "link.create ok ben/operator box",
      `link.open ok ${guestName}/operator box`,
      `lobby.join forbidden ${guestName}/operator`,
      "link.revoke ok ben/operator box",
      "token.revoke ok root/admin",
      "connect unauthorized",
      "audit.read forbidden tenant/admin",
      "sandbox.remove forbidden vera/viewer box",
      "sandbox.remove ok root/admin box",
      "audit.read ok root/admin",
    ]);
    for (const { action, subject, address, tokenId } of lines) {
      const byTime = ["handoff.expired", "handoff.returned"].includes(action);
      expect(address, action).toBe(byTime ? undefined : "127.0.0.1");
      if (subject !== undefined && !["root", guestName].includes(subject))
        expect(tokenId, action).toBe(`token-of-${subject}`);
    }
    const detailOf = (action: string) => lines.find((line) => line.action === action)?.detail;
    expect(detailOf("cdp.connect")).toEqual({ policy: "reject" });
    expect(detailOf("link.create")).toEqual({
      linkId,
      access: "drive",
      subject,
      singleUse: false,
    });
    expect([detailOf("link.open"), detailOf("link.revoke")]).toEqual([{ linkId }, { linkId }]);
    expect(detailOf("token.revoke")).toEqual({ tokenId: "token-of-ada" });
    expect(detailOf("connect")).toEqual({ reason: "revoked" });

    expect(text).not.toMatch(/CANARY|eyJ[\w-]*\.|data:text|devtools/);
    for (const secret of [...secrets, cdpUrl]) expect(text.includes(secret), secret).toBe(false);
    expect(await verdictOf(text, "--from", "0")).toMatchObject({ code: 0 });
  });

  it("says who acted, and for whom, when a backend acts for people", async () => {
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store });
    await gateway.make("box");
    const backend = await greeted(gateway, { sub: "backend", role: "worker", act_for: true }, "box");
    const call = (type: string, params: object) =>
      backend.done("result", { type, sandboxId: "box", ...params });
    await call("handoff.request", { reason: "mfa", message: "m" });
    await call("handoff.accept", { controller: "carol" });
    await backend.done("done", {
      type: "input",
      sandboxId: "box",
      controller: "carol",
      events: [{ kind: "text", text: "x" }],
    });
    await call("handoff.complete", { controller: "carol" });
    await call("handoff.request", { reason: "mfa", message: "m" });
    await call("handoff.cancel", { by: "dora" });
    const lines = (await linesIn(store)).filter(({ subject }) => subject === "backend");
    expect(lines.map(({ action, role, detail }) => [action, role, detail])).toEqual([
      ["handoff.request", "worker", undefined],
      ["handoff.accept", "worker", { actedFor: "carol" }],
      ["input", "worker", { actedFor: "carol" }],
      ["handoff.complete", "worker", { actedFor: "carol" }],
      ["handoff.request", "worker", undefined],
      ["handoff.cancel", "worker", { actedFor: "dora" }],
    ]);
    // People see the one it was done for.
    const { event: cancelled } = await backend.next(
      "event",
      ({ event }) => event.type === "handoff.cancelled",
    );
    expect(cancelled.by).toEqual({ name: "dora", role: "worker" });
  });
});

describe("an export of the audit log", () => {
  async function written20(): Promise<{ gateway: TokenGateway; store: MemoryStore }> {
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store });
    await gateway.make(...Array.from({ length: 20 }, (_, index) => `box-${index + 1}`));
    return { gateway, store };
  }

  it("is verified, and every line that was changed, removed, moved or added is found", async () => {
    const { gateway } = await written20();
    const text = await exportOf(gateway);
    expect(await verdictOf(text, "--from", "0")).toMatchObject({ code: 0 });
    const lines = text.trim().split("\n");
    expect(lines.length).toBe(21);
    const end = /(\d+:[0-9a-f]{64})/.exec((await verdictOf(text)).said)?.[1] ?? "";
    const given = (changed: readonly string[]) =>
      verdictOf(`${changed.join("\n")}\n`, "--from", "0", "--head", end);
    expect(await given(lines)).toMatchObject({ code: 0 });
    for (const [index, line] of lines.entries()) {
      const others = lines.toSpliced(index, 1);
      const what = `line ${index + 1}`;
      expect((await given(others)).code, `${what} removed`).toBe(1);
      expect((await given(lines.with(index, line.replace('"root"', '"ruth"')))).code, `${what} changed`).toBe(
        1,
      );
      expect((await given(lines.toSpliced(index, 0, line))).code, `${what} twice`).toBe(1);
      const moved = others.toSpliced(index === 0 ? 1 : index - 1, 0, line);
      expect((await given(moved)).code, `${what} moved`).toBe(1);
    }
  });

  it("is the part that was asked for, and goes on where the last one ended", async () => {
    const { gateway } = await written20();
    const first = await exportOf(gateway, "?limit=5");
    expect(seqsOf(first)).toEqual([1, 2, 3, 4, 5]);
    const end = /(\d+:[0-9a-f]{64})/.exec((await verdictOf(first)).said)?.[1] ?? "";
    const next = await exportOf(gateway, "?since=5&limit=3");
    expect(seqsOf(next)).toEqual([6, 7, 8]);
    expect(await verdictOf(next, "--from", end)).toMatchObject({ code: 0 });
    expect((await verdictOf(await exportOf(gateway, "?since=6&limit=3"), "--from", end)).code).toBe(1);
    // It shows itself, and nothing that came after it.
    const rest = await exportOf(gateway, "?since=20");
    expect(seqsOf(rest)).toEqual([21, 22, 23, 24]);
    const read = linesOf(rest).map(({ action, detail }) => [action, detail?.["since"]]);
    expect(read).toEqual([0, 5, 6, 20].map((since) => ["audit.read", since]));
    expect(await exportOf(gateway, "?since=1000")).toBe("");
    for (const query of ["since=-1", "since=x", "limit=0", "limit=1.5"])
      expect((await gateway.admin(`/v1/audit?${query}`)).status, query).toBe(400);
  });

  it("is for an admin of everything alone", async () => {
    const { gateway, store } = await written20();
    const reach = {
      admin: ["box-*"],
      worker: ["*"],
      sdk: ["*"],
      operator: ["*"],
      viewer: ["*"],
      agent: ["*"],
    };
    for (const [role, sandboxes] of Object.entries(reach)) {
      const bearer = await token({ sub: `a-${role}`, role: role as keyof typeof reach, sandboxes });
      const response = await gateway.http("/v1/audit", { token: bearer });
      const problem = (await response.json()) as Problem;
      expect([response.status, problem.code], role).toEqual([403, "forbidden"]);
    }
    const refused = (await linesIn(store)).filter(({ action }) => action === "audit.read");
    expect(refused.map(({ subject, code }) => [subject, code])).toEqual(
      Object.keys(reach).map((role) => [`a-${role}`, "forbidden"]),
    );
  });

  it("of two nodes that write at the same time is one chain, the same from both", async () => {
    const store = new MemoryStore();
    const browsers = new FakeBrowserProvider();
    const node = () => startTokenGateway({ store: new CutOffStore(store), browsers });
    const [one, two] = [await node(), await node()];
    await one.make("box");
    const link = (gateway: TokenGateway, subject: string): Promise<Response> =>
      gateway.admin("/v1/sandboxes/box/links", { method: "POST", body: { access: "watch", subject } });
    const names = Array.from({ length: 30 }, (_, index) => `guest${index}`);
    const answers = await Promise.all(names.map((name, index) => link(index % 2 === 0 ? one : two, name)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const [first, second] = [await exportOf(one, "?limit=31"), await exportOf(two, "?limit=31")];
    expect(second).toBe(first);
    expect(await verdictOf(first, "--from", "0")).toMatchObject({ code: 0 });
    const lines = linesOf(first);
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
    expect(new Set(lines.map(({ node }) => node)).size).toBe(2);
    const made = lines.flatMap(({ action, detail }) =>
      action === "link.create" ? [detail?.["subject"]] : [],
    );
    expect(new Set(made)).toEqual(new Set(names));
  });
});

describe("what is refused", () => {
  const watch = { type: "lobby.join" };

  it("is on record up to a number a minute, and the next line says how many were not", async () => {
    const skip = stillClock();
    // The first moment of a minute.
    skip(60_000 - (performance.now() % 60_000));
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store });
    const vera = await greeted(gateway, { sub: "vera", role: "viewer" });
    const ofVera = async (): Promise<Line[]> =>
      (await linesIn(store)).filter(({ subject }) => subject === "vera");
    for (let time = 0; time < 130; time += 1) await vera.refused(watch, "forbidden");
    expect((await ofVera()).length).toBe(120);
    // What was done is on record all the same, and strangers' refusals have a number of their own.
    await gateway.make("box");
    skip(60_000);
    await vera.refused(watch, "forbidden");
    await vera.refused(watch, "forbidden");
    const [first, second] = (await ofVera()).slice(120);
    expect([first?.detail, second?.detail]).toEqual([{ unrecordedBefore: 10 }, undefined]);
    expect((await linesIn(store)).filter(({ action }) => action === "sandbox.create").length).toBe(1);
  });

  it("of strangers keeps nobody else's from the record", async () => {
    stillClock();
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store });
    const vera = await greeted(gateway, { sub: "vera", role: "viewer" });
    for (let time = 0; time < 130; time += 1)
      expect((await gateway.http("/v1/sandboxes", { token: "x.y.z" })).status).toBe(401);
    await vera.refused(watch, "forbidden");
    const lines = await linesIn(store);
    expect(lines.filter(({ action }) => action === "connect").length).toBe(120);
    expect(lines.at(-1)).toMatchObject({ action: "lobby.join", subject: "vera", code: "forbidden" });
    expect(lines.at(-1)?.detail).toBeUndefined();
  });

  it("because there was too much of it is not on record: that is no crime", async () => {
    stillClock();
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store, limits: { ...NO_LIMITS, callsPerMinute: 1 } });
    const ada = await greeted(gateway, { sub: "ada" });
    await ada.done("lobby", { type: "lobby.join" });
    await ada.refused({ type: "lobby.join" }, "rate_limited");
    expect(await linesIn(store)).toEqual([]);
  });
});

describe("a store that is away", () => {
  it("loses no line: what was written stays, and what came meanwhile is written in its order", async () => {
    const shared = new MemoryStore();
    const store = new CutOffStore(shared);
    const gateway = await startTokenGateway({ store });
    await gateway.make("box");
    const [vera, victor] = await Promise.all(
      ["vera", "victor"].map((sub) => greeted(gateway, { sub, role: "viewer" })),
    );
    const before = await shared.readAudit(0, 100);
    store.cut();
    const cutAt = Date.now();
    // Answered at once, store or not: nobody waits for the record while it cannot be written.
    for (const client of [vera, victor, vera]) await client?.refused({ type: "lobby.join" }, "forbidden");
    const restoredAt = Date.now();
    expect(await shared.readAudit(0, 100)).toEqual(before);
    store.restore();
    await written(shared, ({ seq }) => seq === before.length + 3);
    expect((await shared.readAudit(0, 100)).slice(0, before.length)).toEqual(before);
    const later = await linesIn(shared, before.length);
    expect(later.map(({ subject }) => subject)).toEqual(["vera", "victor", "vera"]);
    for (const { at } of later) {
      expect(at).toBeGreaterThanOrEqual(cutAt);
      expect(at).toBeLessThanOrEqual(restoredAt);
    }
    expect(await verdictOf(await exportOf(gateway), "--from", "0")).toMatchObject({ code: 0 });
  });

  it("is answered for by an export that fails, and not by one that is short", async () => {
    const shared = new MemoryStore();
    const store = new CutOffStore(shared);
    const gateway = await startTokenGateway({ store });
    await gateway.make("box");
    store.cut();
    const response = await gateway.admin("/v1/audit");
    expect([response.status, ((await response.json()) as Problem).code]).toEqual([503, "unavailable"]);
    store.restore();
    await written(shared, ({ action }) => action === "audit.read");
  });
});
