/** Exports of the record, what of refusals is on it, and a store that is away. */
import { describe, expect, it } from "vitest";
import { type Problem } from "../../protocol/errors.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { NO_LIMITS } from "../../src/limits/settings.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { CutOffStore } from "../support/cut-off-store.ts";
import { stillClock } from "../support/still-clock.ts";
import { startTokenGateway, type TokenGateway } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";
import {
  linesIn,
  written,
  exportOf,
  verdictOf,
  linesOf,
  seqsOf,
  greeted,
  type Line,
} from "../support/audit-lines.ts";

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
