/** What somebody tries with a link that is used up, revoked, or for something else. */
import { describe, expect, it } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { RawClient } from "../support/raw-client.ts";
import { greeted, makeLink, refusedHello, TEXT } from "../support/token-clients.ts";
import { linkTokenOf, openLink, startTokenGateway, twoTokenNodes } from "../support/token-gateway.ts";
import { token } from "../support/tokens.ts";

describe("a link", () => {
  it("for one use opens once: whoever replays it is told that it was used", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const link = await makeLink(gateway, { access: "drive", singleUse: true });
    const first = await RawClient.open(gateway.url);
    first.hello({ token: link, clientId: "first-page" });
    const { session } = await first.next("welcome");
    expect(await refusedHello(gateway, link)).toBe("used");
    // The one who opened it reconnects with what the welcome brought, also when the welcome itself was lost.
    await greeted(gateway, session?.token ?? "", "box");
    const again = await RawClient.open(gateway.url);
    again.hello({ token: link, clientId: "first-page" });
    await again.next("welcome");
  });

  it("for one use opens once also when two come at the same moment, at two nodes", async () => {
    const { one, two } = await twoTokenNodes();
    await one.make("box");
    const link = await makeLink(one, { access: "watch", singleUse: true });
    const clients = await Promise.all([one, two, one, two].map((gateway) => RawClient.open(gateway.url)));
    for (const client of clients) client.hello({ token: link });
    const answers = await Promise.all(
      clients.map((client) => Promise.race([client.next("welcome"), client.next("error")])),
    );
    expect(answers.map(({ type }) => type).sort()).toEqual(["error", "error", "error", "welcome"]);
  });

  it("is for opening only: over HTTP and CDP its token is nobody's", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const link = await makeLink(gateway, { access: "drive" });
    const response = await gateway.http("/v1/sandboxes/box", { token: link });
    expect([response.status, ((await response.json()) as Problem).details]).toEqual([
      401,
      { reason: "link" },
    ]);
  });

  it("to watch drives nothing; one to drive reaches its own sandbox only", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box", "other");
    const watch = await openLink(gateway, "box", { access: "watch", subject: "eve" });
    const watcher = await greeted(gateway, watch.token, "box");
    await watcher.refused({ type: "handoff.accept", sandboxId: "box", controller: "eve" }, "forbidden");
    await watcher.refused({ type: "control.take", sandboxId: "box", controller: "eve" }, "forbidden");
    await watcher.refused({ type: "input", sandboxId: "box", events: TEXT }, "forbidden");
    const drive = await openLink(gateway, "box", { access: "drive", subject: "carol" });
    const driver = await greeted(gateway, drive.token, "box");
    await driver.refused({ type: "sandbox.join", sandboxId: "other" }, "forbidden");
    await driver.refused({ type: "lobby.join" }, "forbidden");
    await driver.done("result", { type: "control.take", sandboxId: "box", controller: "carol" });
    await driver.refused(
      { type: "control.take", sandboxId: "box", controller: "carol", force: true },
      "forbidden",
    );
    const more = await gateway.http("/v1/sandboxes/box/links", {
      method: "POST",
      token: drive.token,
      body: '{"access":"drive"}',
      headers: { "content-type": "application/json" },
    });
    expect(more.status, "a link makes no links").toBe(403);
  });

  it("makes nobody of the people who have tokens of their own, nor of another guest, unless who mints it may act for them", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const opened = async (actFor: boolean): Promise<string[]> => {
      const response = await gateway.http("/v1/sandboxes/box/links", {
        method: "POST",
        token: await token({ sub: "bob", act_for: actFor }),
        body: '{"access":"drive","subject":"ada"}',
        headers: { "content-type": "application/json" },
      });
      const link = linkTokenOf(((await response.json()) as { url: string }).url);
      const names: string[] = [];
      for (const _opener of ["one", "another"]) {
        const client = await RawClient.open(gateway.url);
        client.hello({ token: link });
        names.push((await client.next("welcome")).name);
      }
      return names;
    };
    const [one = "", another = ""] = await opened(false);
    expect([one, another]).toEqual([
      expect.stringMatching(/^guest-ada-[a-z2-9]{6}$/),
      expect.stringMatching(/^guest-ada-[a-z2-9]{6}$/),
    ]);
    expect(one).not.toBe(another);
    expect(await opened(true)).toEqual(["ada", "ada"]);
  });

  it("that is revoked ends the stay of everybody who came by it, on every node, and is not ended by guessing", async () => {
    const { one, two } = await twoTokenNodes();
    await one.make("box", "other");
    const { token: bearer, linkId } = await openLink(one, "box", { access: "drive" });
    const guest = await greeted(two, bearer, "box");
    const other = await token({ role: "operator", sandboxes: ["other"] });
    for (const path of [`/v1/sandboxes/other/links/${linkId}`, `/v1/sandboxes/box/links/${linkId}`]) {
      const refused = await one.http(path, { method: "DELETE", token: other });
      expect([403, 404], path).toContain(refused.status);
    }
    await guest.ping();
    expect((await one.admin(`/v1/sandboxes/box/links/${linkId}`, { method: "DELETE" })).status).toBe(200);
    expect((await guest.closing()).code).toBe(CLOSE.token_revoked.code);
    expect(await refusedHello(two, bearer)).toBe("revoked");
  });

  it("ends with the token that made it: what a thief minted is not left behind", async () => {
    const store = new MemoryStore();
    const gateway = await startTokenGateway({ store });
    await gateway.make("box");
    const minted = await gateway.http("/v1/sandboxes/box/links", {
      method: "POST",
      token: await token({ sub: "thief", role: "worker", jti: "stolen" }),
      body: '{"access":"drive"}',
      headers: { "content-type": "application/json" },
    });
    const link = linkTokenOf(((await minted.json()) as { url: string }).url);
    const client = await RawClient.open(gateway.url);
    client.hello({ token: link });
    const { session } = await client.next("welcome");
    // Although the token itself will have ended long before the link.
    const body = { tokenId: "stolen", expiresAt: Date.now() + 500 };
    expect((await gateway.admin("/v1/tokens/revoke", { method: "POST", body })).status).toBe(200);
    expect((await client.closing()).code).toBe(CLOSE.token_revoked.code);
    expect(await refusedHello(gateway, link)).toBe("revoked");
    expect(await refusedHello(gateway, session?.token ?? "")).toBe("revoked");
    const { marks } = await store.marksSince(0);
    expect(marks.find(({ id }) => id === "revoked:stolen")?.until).toBeGreaterThan(
      Date.now() + 24 * 3_600_000,
    );
  });

  it("is not used up by who claims to be somebody else", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const link = await makeLink(gateway, { access: "watch", singleUse: true });
    const liar = await RawClient.open(gateway.url);
    liar.hello({ token: link, name: "root" });
    expect((await liar.next("error")).code).toBe("forbidden");
    const guest = await RawClient.open(gateway.url);
    guest.hello({ token: link });
    await guest.next("welcome");
  });

  it("gives more time in the middle of a handoff, and only then", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    const { token: bearer, subject } = await openLink(gateway, "box", {
      access: "drive",
      subject: "carol",
      expiresInMs: 60_000,
    });
    const guest = await greeted(gateway, bearer, "box");
    await guest.refused({ type: "auth.renew" }, "forbidden");
    await guest.done("result", { type: "control.take", sandboxId: "box", controller: subject });
    await guest.refused({ type: "auth.renew" }, "forbidden");
    await guest.done("result", { type: "control.release", sandboxId: "box", controller: subject });
    await guest.done("sandbox.joined", { type: "sandbox.join", sandboxId: "box" });
    const request = { reason: "mfa", message: "m" };
    await gateway.admin("/v1/sandboxes/box/handoff", { method: "POST", body: request });
    await guest.done("result", { type: "handoff.accept", sandboxId: "box", controller: subject });
    const { session } = await guest.done("auth.updated", { type: "auth.renew" });
    const again = await greeted(gateway, session?.token ?? "", "box");
    expect(again.received[0]).toMatchObject({
      type: "welcome",
      name: "carol",
      grant: { link: "drive", sandboxes: ["box"] },
    });
    const ordinary = await greeted(gateway, await token({ sub: "carol" }), "box");
    await ordinary.refused({ type: "auth.renew" }, "forbidden");
  });

  it("is in no answer to an agent and in no event: what a model reads opens nothing", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("box");
    await openLink(gateway, "box", { access: "drive" });
    const agent = await greeted(gateway, await token({ sub: "bot", role: "agent" }), "box");
    const { result } = await agent.done("result", {
      type: "handoff.request",
      sandboxId: "box",
      reason: "mfa",
      message: "m",
    });
    expect(result.pairedBrowser?.previewUrl).toBe(`${gateway.url}/s/box`);
    const events = await (await gateway.admin("/v1/sandboxes/box/events?since=0-0")).text();
    const everything = JSON.stringify(agent.received) + events;
    expect(everything).not.toMatch(/eyJ|#token|baton\.token/);
    const made = await (await gateway.admin("/v1/sandboxes/box")).text();
    expect(made).not.toMatch(/eyJ|#token/);
  });
});
