/** What is on record after people, agents and strangers were there: all of it, in order, and nothing of what was said. */
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { chromiumPath } from "../support/browser.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { RawClient } from "../support/raw-client.ts";
import { linkTokenOf, startTokenGateway } from "../support/token-gateway.ts";
import { token, type TokenClaims } from "../support/tokens.ts";
import { linesIn, written, exportOf, verdictOf, linesOf, greeted, json } from "../support/audit-lines.ts";

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
