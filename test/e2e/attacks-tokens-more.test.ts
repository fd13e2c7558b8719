/** What somebody tries with a token that is good, beyond what it is for, and what anybody tries without one. */
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { Door } from "../../src/auth/door.ts";
import { Keys } from "../../src/auth/keys.ts";
import { Revocations } from "../../src/auth/revocations.ts";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { DEBUGGING_PORTS } from "../../src/browser/debugging-ports.ts";
import { Limits } from "../../src/limits/limits.ts";
import { DEFAULT_LIMITS, NO_LIMITS } from "../../src/limits/settings.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { BatonError } from "../../protocol/errors.ts";
import { targetPolicy } from "../../src/targets/policy.ts";
import { chromiumPath } from "../support/browser.ts";
import { within } from "../support/inbox.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { silentLogger } from "../../src/ops/log.ts";
import { RawClient } from "../support/raw-client.ts";
import { openLink, startTokenGateway, type TokenGateway } from "../support/token-gateway.ts";
import { keyPair, SECRET, token } from "../support/tokens.ts";

const ASK = { reason: "mfa", message: "m" } as const;

async function greeted(gateway: { url: string }, bearer: string, sandboxId?: string): Promise<RawClient> {
  const client = await RawClient.open(gateway.url);
  client.hello({ token: bearer });
  await client.next("welcome");
  if (sandboxId !== undefined) await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
  return client;
}

async function post(
  gateway: TokenGateway,
  path: string,
  bearer: string,
  body: object,
): Promise<{ status: number; problem: Problem }> {
  const response = await gateway.http(path, {
    method: "POST",
    token: bearer,
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  return { status: response.status, problem: (await response.json()) as Problem };
}

describe("an agent on the browser's machine", () => {
  async function withChromium(
    rules = "public",
  ): Promise<{ gateway: TokenGateway; agent: RawCdp; page: string }> {
    const navigation = targetPolicy(rules, "BATON_NAVIGATION_TARGETS");
    const gateway = await startTokenGateway({
      browsers: chromiumProvider({ executablePath: await chromiumPath(), navigation }),
      navigationTargets: rules,
    });
    const made = await gateway.admin("/v1/sandboxes", {
      method: "POST",
      body: { sandboxId: "box", browser: { launch: true, url: "about:blank" } },
    });
    expect(made.status).toBe(200);
    const bearer = await token({ sub: "bot", role: "agent", sandboxes: ["box"], jti: "bot-1" });
    const address = gateway.url.replace("http://", `ws://baton:${bearer}@`);
    const agent = await RawCdp.open(`${address}/v1/sandboxes/box/cdp`);
    const { targetId } = await agent.done("Target.createTarget", { url: "about:blank" });
    return { gateway, agent, page: await agent.attach(String(targetId)) };
  }

  it("writes no file of its choice over another one: a page's name for a download is not taken", async () => {
    const { agent, page } = await withChromium();
    const folder = await mkdtemp(join(tmpdir(), "baton-downloads-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "authorized_keys");
    await writeFile(file, "the owner's");
    const allow = { behavior: "allow", downloadPath: folder, eventsEnabled: true };
    for (const [method, session] of [
      ["Browser.setDownloadBehavior", undefined],
      ["Browser.setDownloadBehavior", page],
      ["Page.setDownloadBehavior", page],
    ] as const) {
      const refused = await agent.refused(method, allow, session);
      expect(refused, method).toMatchObject({ data: expect.stringContaining("target_refused") as unknown });
    }
    // What clients send on connecting is taken, and keeps what comes under names of the browser's own.
    await agent.done("Browser.setDownloadBehavior", { ...allow, behavior: "allowAndName" });
    await agent.evaluate(
      `const a = document.createElement("a"); a.download = "authorized_keys"; a.href = "data:,mine"; a.click()`,
      page,
    );
    await agent.event("Browser.downloadProgress", ({ params }) => params?.["state"] === "completed");
    expect(await readFile(file, "utf8")).toBe("the owner's");
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("opens no file through the browser's own port, where it may open what else listens on the machine", async () => {
    const known = new Set(DEBUGGING_PORTS.here);
    const { agent, page } = await withChromium("public,loopback");
    const [port] = DEBUGGING_PORTS.here.filter((each) => !known.has(each));
    const own = `http://127.0.0.1:${port}/json/version`;
    expect(await (await fetch(own)).text()).toContain("webSocketDebuggerUrl");
    await agent.done("Page.enable", undefined, page);
    await agent.done("Page.navigate", { url: own }, page);
    await agent.event("Page.loadEventFired");
    expect(await agent.evaluate("document.body.innerText", page)).toMatch(
      /no page to reach a browser's own port/,
    );
  });

  it("whose token is revoked has nothing done any more that waited for control, however long it keeps its end open", async () => {
    const { gateway, agent, page } = await withChromium();
    const person = await greeted(gateway, await token({ sub: "ada" }), "box");
    await person.done("result", { type: "control.take", sandboxId: "box", controller: "ada" });
    agent.post("Runtime.evaluate", { expression: `document.title = "mine"` }, page);
    await person.next("presence", ({ members }) => members.some(({ cdp }) => cdp?.held === 1));
    // It does not read, and so never answers the close.
    agent.socket.pause();
    await gateway.revoke("bot-1");
    await person.done("result", { type: "control.release", sandboxId: "box", controller: "ada" });
    const other = await token({ sub: "other", role: "agent", sandboxes: ["box"] });
    const witness = await RawCdp.open(
      `${gateway.url.replace("http://", `ws://baton:${other}@`)}/v1/sandboxes/box/cdp`,
    );
    await witness.evaluate("1", await witness.attach(await firstBlank(witness)));
    const { targetInfos } = await witness.done("Target.getTargets");
    expect(JSON.stringify(targetInfos)).not.toContain("mine");
  });

  async function firstBlank(agent: RawCdp): Promise<string> {
    const { targetInfos } = await agent.done("Target.getTargets");
    const pages = targetInfos as { targetId: string; type: string }[];
    return pages.find(({ type }) => type === "page")?.targetId ?? "";
  }
});

describe("a stranger without a token", () => {
  it("has little kept while a token is looked at that takes its time", async () => {
    const silent = createServer(() => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const gateway = await startTokenGateway({
      auth: { secrets: [SECRET], jwksUrl: `http://127.0.0.1:${port}/`, audience: "baton" },
    });
    const client = await RawClient.open(gateway.url);
    client.hello({ token: await token({}, keyPair().privateKey, "ES256") });
    for (let index = 0; index < 3; index += 1)
      client.send({ type: "ping", id: "x", more: "x".repeat(200 * 1024) });
    expect((await client.closing()).code).toBe(CLOSE.protocol_error.code);
  });

  it("has a key server that is down asked no more often than once a second", async () => {
    let asked = 0;
    const broken = createServer((_request, response) => {
      asked += 1;
      response.writeHead(500).end();
    });
    broken.listen(0, "127.0.0.1");
    await once(broken, "listening");
    onTestFinished(() => void broken.close());
    const { port } = broken.address() as AddressInfo;
    const keys = new Keys({
      secrets: [SECRET],
      jwksUrl: `http://127.0.0.1:${port}/`,
      audience: "baton",
    });
    const stranger = await token({}, keyPair().privateKey, "ES256");
    const startedAt = performance.now();
    for (let index = 0; index < 20; index += 1)
      await expect(keys.verify(stranger)).rejects.toMatchObject({ code: "unavailable" });
    expect(asked).toBeLessThanOrEqual(1 + (performance.now() - startedAt) / 1_000);
  });

  it("leaves room in the record for what others were refused", async () => {
    const entries: AuditEntry[] = [];
    const audit = { record: async (entry: AuditEntry) => void entries.push(entry) };
    const door = new Door({ limits: new Limits({ settings: NO_LIMITS }), audit, log: silentLogger });
    const no = (): BatonError => new BatonError("forbidden", "no");
    for (let index = 0; index < 1_000; index += 1) door.refused({ address: "192.0.2.1" }, "connect", no());
    const mallory = { name: "mallory", role: "viewer", address: "192.0.2.2" } as const;
    door.refused(mallory, "control.take", no());
    expect(entries.at(-1)).toMatchObject({ subject: "mallory", action: "control.take" });
    expect(entries.length).toBeLessThan(300);
  });
});

describe("a guest with nothing to lose", () => {
  it("does not push out of the record what others did, by asking again and again for what is so already", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const { token: bearer, subject } = await openLink(gateway, "box", { access: "drive" });
    const guest = await greeted(gateway, bearer, "box");
    const take = { type: "control.take", sandboxId: "box", controller: subject };
    for (let index = 0; index < 5; index += 1)
      await guest.done("result", { ...take, ...(index > 2 && { idempotencyKey: "again" }) });
    const audit = await (await gateway.admin("/v1/audit")).text();
    expect(audit.match(/"action":"control\.take"/g)).toHaveLength(1);
  });
});

describe("a tenant of its own sandboxes", () => {
  it("is kept from filling what the gateway remembers of revoked links", async () => {
    const gateway = await startTokenGateway({ limits: { ...DEFAULT_LIMITS, linksPerMinute: 10 } });
    const mallory = await token({ sub: "mallory", role: "worker", sandboxes: ["mal-*"] });
    const statuses: number[] = [];
    for (let index = 0; index < 12; index += 1) {
      const { status } = await gateway.http(`/v1/sandboxes/mal-1/links/mal-1.${index}`, {
        method: "DELETE",
        token: mallory,
      });
      statuses.push(status);
    }
    expect(statuses.slice(-1)).toEqual([429]);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  });

  it("leaves room for an admin to revoke a token, however many links were used and revoked", async () => {
    const store = new MemoryStore({ maxMarks: 20 });
    const revocations = new Revocations(store, silentLogger, { linkMarks: 10 });
    for (let index = 0; index < 10; index += 1) await store.mark(`used:${index}`, "x", Date.now() + 60_000);
    await revocations.start();
    onTestFinished(() => revocations.close());
    const until = Date.now() + 60_000;
    await expect(revocations.markLink("used:more", "x", until)).rejects.toMatchObject({ code: "too_many" });
    await revocations.revoke("stolen", until);
    expect((await store.marksSince(0)).marks.map(({ id }) => id)).toContain("revoked:stolen");
  });
});

describe("a token that ends", () => {
  it("before the whole call has come does nothing with it", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const { port } = new URL(gateway.url);
    const body = JSON.stringify({ controller: "ada" });
    const call = async (bearer: string, meanwhile: () => Promise<void>): Promise<string> => {
      const socket = connect(Number(port), "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      socket.setEncoding("utf8");
      const head = [
        "POST /v1/sandboxes/box/control/take HTTP/1.1",
        "host: 127.0.0.1",
        `authorization: Bearer ${bearer}`,
        "content-type: application/json",
        `content-length: ${body.length}`,
        "connection: close",
      ];
      socket.write(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 3)}`);
      await meanwhile();
      let answer = "";
      socket.on("data", (text: string) => (answer += text));
      socket.write(body.slice(3));
      await within(once(socket, "end"), "the answer");
      return answer;
    };
    // The head has arrived: another call that came after it was answered.
    const arrived = async (): Promise<void> => void (await gateway.admin("/v1/sandboxes/box"));
    const revoked = await call(await token({ sub: "ada", jti: "late" }), async () => {
      await arrived();
      await gateway.revoke("late");
    });
    expect(revoked).toMatch(/^HTTP\/1\.1 401 [^]*"reason":"revoked"/);
    const { sandbox } = (await (await gateway.admin("/v1/sandboxes/box")).json()) as {
      sandbox: { control: { mode: string } };
    };
    expect(sandbox.control.mode).toBe("ai");
    expect(await call(await token({ sub: "ada" }), arrived)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("while a completed handoff's answer is waited for reads no answer", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }), "box");
    await agent.done("result", {
      type: "handoff.request",
      sandboxId: "box",
      ...ASK,
      resumePrompt: "go on",
    });
    const bearer = await token({ sub: "ada", jti: "ada-1" });
    await post(gateway, "/v1/sandboxes/box/handoff/accept", bearer, { controller: "ada" });
    const body = { controller: "ada", runResumePrompt: true, resumeWaitMs: 60_000 };
    const waiting = post(gateway, "/v1/sandboxes/box/handoff/complete", bearer, body);
    await agent.next("event", ({ event }) => event.type === "handoff.completed");
    await gateway.revoke("ada-1");
    const { status, problem } = await waiting;
    expect([status, problem.details]).toMatchObject([401, { reason: "revoked" }]);
  });

  it("lends nothing to the one that takes its place: a join behind the refresh is asked anew", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box", "other");
    const client = await greeted(gateway, await token({ sub: "ada", sandboxes: ["box", "other"] }), "box");
    const narrow = await token({ sub: "ada", sandboxes: ["box"], expiresIn: 3_600 });
    client.send({ type: "auth.refresh", id: "r", token: narrow });
    client.send({ type: "sandbox.join", id: "j", sandboxId: "other" });
    expect((await client.answer("r")).type).toBe("auth.updated");
    expect(await client.answer("j")).toMatchObject({ type: "error", code: "forbidden" });
    await gateway.admin("/v1/sandboxes/other", { method: "DELETE" });
    await client.ping();
    expect(client.received.filter(({ type }) => type === "sandbox.left")).toEqual([]);
  });

  it("is not taken for revoked when the end that an admin names is over: seconds are no milliseconds", async () => {
    const gateway = await startTokenGateway();
    const stolen = await token({ jti: "stolen" });
    const { exp } = JSON.parse(Buffer.from(stolen.split(".")[1] ?? "", "base64url").toString()) as {
      exp: number;
    };
    const root = await token({ sub: "root", role: "admin" });
    const { status, problem } = await post(gateway, "/v1/tokens/revoke", root, {
      tokenId: "stolen",
      expiresAt: exp,
    });
    expect([status, problem.code]).toEqual([400, "invalid_message"]);
    expect((await gateway.http("/v1/sandboxes", { token: stolen })).status).toBe(200);
  });

  it("stays revoked to its very end, also where the store's clock is ahead", async () => {
    let aheadMs = 0;
    const store = new MemoryStore({ now: () => Date.now() + aheadMs });
    const gateway = await startTokenGateway({ store });
    const stolen = await token({ jti: "stolen", expiresIn: 600 });
    const root = await token({ sub: "root", role: "admin" });
    const expiresAt = Date.now() + 600_000;
    expect((await post(gateway, "/v1/tokens/revoke", root, { tokenId: "stolen", expiresAt })).status).toBe(
      200,
    );
    aheadMs = 605_000;
    const late = await startTokenGateway({ store });
    expect((await late.http("/v1/sandboxes", { token: stolen })).status).toBe(401);
  });
});

describe("somebody else's", () => {
  it("idempotency key is not theirs to use up, nor to be answered by", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const { token: bearer, subject } = await openLink(gateway, "box", { access: "drive" });
    const guest = await greeted(gateway, bearer, "box");
    const idempotencyKey = "handoff-1";
    await guest.done("result", {
      type: "control.take",
      sandboxId: "box",
      controller: subject,
      idempotencyKey,
    });
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }), "box");
    const ask = { type: "handoff.request", sandboxId: "box", ...ASK, idempotencyKey };
    const { result } = await agent.done("result", ask);
    expect(result.handoff?.controller).toBe(subject);
    // Their own repetition is the same call still.
    const again = await agent.done("result", ask);
    expect(again.result.handoff?.requestId).toBe(result.handoff?.requestId);
    const second = await greeted(gateway, await token({ sub: "bot-2", role: "agent" }), "box");
    await second.refused(ask, "handoff_in_progress");
  });

  it("origin is not theirs to name: an agent does not ask as a person would", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }), "box");
    const ask = { type: "handoff.request", sandboxId: "box", ...ASK };
    await agent.refused({ ...ask, requestedBy: "dashboard" }, "forbidden");
    await agent.done("result", { ...ask, requestedBy: "agent" });
    await agent.done("result", { type: "handoff.cancel", sandboxId: "box" });
    const backend = await greeted(gateway, await token({ sub: "api", role: "sdk", act_for: true }), "box");
    await backend.done("result", { ...ask, requestedBy: "dashboard" });
  });

  it("hold on the browser gives a watcher of the same name no more time", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const watch = await openLink(gateway, "box", { access: "watch", subject: "carol" });
    const watcher = await greeted(gateway, watch.token, "box");
    const driver = await greeted(gateway, await token({ sub: "carol" }), "box");
    await driver.done("result", { type: "handoff.request", sandboxId: "box", ...ASK });
    await driver.done("result", { type: "handoff.accept", sandboxId: "box", controller: "carol" });
    await watcher.next("event", ({ event }) => event.type === "handoff.accepted");
    await watcher.refused({ type: "auth.renew" }, "forbidden");
  });
});
