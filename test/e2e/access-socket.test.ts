/** Every bearer × every message × own, other, missing sandbox × every kind of token, against `ACCESS`; and the frames. */
import { beforeAll, describe, expect, it } from "vitest";
import { CLOSE, type ErrorCode, type Problem } from "../../protocol/errors.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { UP_TYPES, type UpType } from "../../protocol/up.ts";
import { ACCESS, allowed, type Operation } from "../../src/core/access.ts";
import { RawClient } from "../support/raw-client.ts";
import { refusedHandshake } from "../support/token-clients.ts";
import {
  BEARERS,
  FLAWS,
  PLACES,
  REASONS,
  scopesOf,
  standingOf,
  startTokenGateway,
  tokenOf,
  type Bearer,
  type Place,
  type TokenGateway,
} from "../support/token-gateway.ts";

type Asked = Exclude<UpType, "hello" | "ping">;

interface Message {
  readonly type: Asked;
  readonly fields?: object;
  /** What a sandbox that is not there is answered with; undefined: the message names none, or needs none. */
  readonly missing?: ErrorCode;
  readonly general?: true;
  /** Refused for a reason of its own, although the table lets it in. */
  readonly unless?: ErrorCode;
}

/** In an order in which each has something to do: joined first, left last. */
const MESSAGES: readonly Message[] = [
  { type: "sandbox.join", missing: "sandbox_not_found" },
  { type: "lobby.join", general: true },
  { type: "lobby.leave", general: true },
  // Nobody here came by a link and holds the browser.
  { type: "auth.renew", general: true, unless: "forbidden" },
  { type: "auth.refresh", fields: { token: "a.b.c" }, general: true, unless: "unauthorized" },
  { type: "handoff.get", missing: "sandbox_not_found" },
  { type: "preview.start", missing: "not_joined" },
  { type: "preview.stop", missing: "not_joined" },
  { type: "input", fields: { events: [{ kind: "text", text: "x" }] }, missing: "not_joined" },
  { type: "handoff.request", fields: { reason: "mfa", message: "m" }, missing: "sandbox_not_found" },
  { type: "handoff.accept", fields: { controller: "me" }, missing: "sandbox_not_found" },
  { type: "control.privacy", fields: { controller: "me", privacy: "open" }, missing: "sandbox_not_found" },
  { type: "handoff.complete", fields: { controller: "me" }, missing: "sandbox_not_found" },
  { type: "handoff.cancel", missing: "sandbox_not_found" },
  { type: "control.take", fields: { controller: "me" }, missing: "sandbox_not_found" },
  { type: "control.pass", fields: { controller: "me", to: "ai" }, missing: "sandbox_not_found" },
  { type: "control.release", fields: { controller: "me" }, missing: "sandbox_not_found" },
  { type: "resume.claim", fields: { requestId: "r1" }, missing: "not_joined" },
  { type: "resume.answer", fields: { requestId: "r1", ok: true }, missing: "not_joined" },
  { type: "sandbox.leave" },
];
/** Has no answer of its own; see the frames. */
const UNANSWERED: readonly Asked[] = ["preview.ack"];

function expected(bearer: Bearer, message: Message, place: Place): string {
  if (!allowed(standingOf(bearer, ["own", "gone"]), message.type)) return "forbidden";
  if (message.general) return message.unless ?? "let in";
  if (place === "other") return "forbidden";
  return place === "gone" ? (message.missing ?? "let in") : "let in";
}

const REFUSALS: readonly string[] = ["unauthorized", "forbidden", "sandbox_not_found", "not_joined"];

async function ask(
  client: RawClient,
  { type, fields, general }: Message,
  place: Place,
  me: string,
): Promise<string> {
  const body = JSON.parse(JSON.stringify(fields ?? {}).replace('"me"', JSON.stringify(me))) as object;
  const answer = await client.call({ type, ...(!general && { sandboxId: place }), ...body });
  return answer.type === "error" && REFUSALS.includes(answer.code) ? answer.code : "let in";
}

describe("every message", () => {
  let gateway: TokenGateway;
  beforeAll(() => {
    const asked = [...UP_TYPES].filter((type) => type !== "hello" && type !== "ping");
    expect([...MESSAGES.map(({ type }) => type), ...UNANSWERED].sort()).toEqual(asked.sort());
  });

  it.each(BEARERS)(
    "of the bearer %s is answered as the table says, for its own sandbox only",
    async (bearer) => {
      gateway = await startTokenGateway();
      await gateway.make("own", "other");
      let cells = 0;
      for (const place of PLACES) {
        const client = await RawClient.open(gateway.url);
        client.hello({ token: await tokenOf(gateway, bearer, scopesOf(bearer, place)) });
        const { name, role } = await client.next("welcome");
        expect([name.startsWith(bearer.replace(" ", "-")), role]).toEqual([
          true,
          standingOf(bearer, ["own"]).role,
        ]);
        for (const message of MESSAGES) {
          const seen = await ask(client, message, place, name);
          expect(seen, `${bearer}: ${message.type} of ${place}`).toBe(expected(bearer, message, place));
          cells += 1;
        }
        await client.close();
      }
      expect(cells).toBe(MESSAGES.length * PLACES.length);
    },
  );

  it.each(BEARERS)(
    "of the bearer %s comes to nothing with any kind of token that is not valid",
    async (bearer) => {
      gateway = await startTokenGateway();
      await gateway.make("own", "other");
      for (const flaw of FLAWS) {
        const token = await tokenOf(gateway, bearer, ["own", "gone"], flaw);
        await Promise.all(
          PLACES.map(async (place) => {
            const client = await RawClient.open(gateway.url);
            client.hello({ token });
            // Sent at once, behind a greeting that will be refused.
            for (const { type, fields, general } of MESSAGES)
              client.send({ type, id: type, ...(!general && { sandboxId: place }), ...fields });
            const cell = `${bearer}, ${flaw}, ${place}`;
            expect((await client.closing()).code, cell).toBe(CLOSE.unauthorized.code);
            const [refusal, ...more] = client.received;
            expect(refusal, cell).toMatchObject({
              type: "error",
              code: "unauthorized",
              details: { reason: REASONS[flaw] },
            });
            expect(more, cell).toEqual([]);
          }),
        );
      }
      const { seq } = (await (await gateway.admin("/v1/sandboxes/own")).json()).sandbox as { seq: number };
      expect(seq, "nothing changed").toBe(1);
    },
  );

  it("without a token comes to nothing", async () => {
    gateway = await startTokenGateway();
    const client = await RawClient.open(gateway.url);
    client.hello({ role: "admin", name: "root" });
    expect((await client.closing()).code).toBe(CLOSE.unauthorized.code);
    expect(client.received).toMatchObject([{ code: "unauthorized", details: { reason: "missing" } }]);
  });

  it("that names another controller is refused, unless the token acts for others", async () => {
    gateway = await startTokenGateway();
    await gateway.make("own");
    const client = await RawClient.open(gateway.url);
    client.hello({ token: await tokenOf(gateway, "operator", ["own"]) });
    await client.next("welcome");
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "own" });
    const naming = MESSAGES.filter(({ fields }) => fields && "controller" in fields);
    for (const { type, fields } of [...naming, { type: "handoff.cancel", fields: { by: "x" } }] as const)
      await client.refused(
        { type, sandboxId: "own", ...fields, ...(type !== "handoff.cancel" && { controller: "x" }) },
        "forbidden",
      );
    await client.refused(
      { type: "input", sandboxId: "own", controller: "x", events: [{ kind: "text", text: "x" }] },
      "forbidden",
    );
  });
});

describe("frames", () => {
  it.each(BEARERS)("reach the bearer %s from its own sandbox only", async (bearer) => {
    const gateway = await startTokenGateway();
    await gateway.make("own", "other");
    const client = await RawClient.open(gateway.url);
    client.hello({ token: await tokenOf(gateway, bearer, ["own"]) });
    await client.next("welcome");
    await client.refused({ type: "sandbox.join", sandboxId: "other" }, "forbidden");
    await client.refused({ type: "preview.start", sandboxId: "other" }, "forbidden");
    client.send({ type: "preview.ack", sandboxId: "other", seq: 1 });
    expect((await client.next("error", ({ id }) => id === undefined)).code).toBe("forbidden");
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "own" });
    const { stream } = await client.done("preview.started", { type: "preview.start", sandboxId: "own" });
    expect(decodeFrame(await client.frame())?.header.stream).toBe(stream);
    await client.close();
  });
});

describe("the agent's CDP gate", () => {
  const connect = (gateway: TokenGateway, place: Place, headers: Record<string, string>): Promise<Problem> =>
    refusedHandshake(`${gateway.url}/v1/sandboxes/${place}/cdp`, { headers });
  /** The fake browser is no CDP endpoint: who gets as far as to it was let in. */
  const LET_IN = "browser_unavailable";
  const operation: Operation = "cdp.connect";

  it.each(BEARERS)("opens for the bearer %s as the table says, for its own sandbox only", async (bearer) => {
    const gateway = await startTokenGateway();
    await gateway.make("own", "other");
    for (const place of PLACES) {
      const token = await tokenOf(gateway, bearer, scopesOf(bearer, place));
      const may = allowed(standingOf(bearer, ["own", "gone"]), operation) && place !== "other";
      const there = place === "gone" ? "sandbox_not_found" : LET_IN;
      const { code } = await connect(gateway, place, { authorization: `Bearer ${token}` });
      expect(code, `${bearer}: ${place}`).toBe(may ? there : "forbidden");
      for (const path of ["json/version", "json/list", "json"]) {
        const response = await gateway.http(`/v1/sandboxes/${place}/cdp/${path}`, { token });
        const seen = response.ok ? "let in" : ((await response.json()) as Problem).code;
        const expectation = may ? (place === "gone" ? "sandbox_not_found" : "let in") : "forbidden";
        expect(seen, `${bearer}: ${path} of ${place}`).toBe(expectation);
      }
    }
  });

  it.each(BEARERS)(
    "stays shut for the bearer %s with any kind of token that is not valid",
    async (bearer) => {
      const gateway = await startTokenGateway();
      await gateway.make("own", "other");
      for (const flaw of FLAWS) {
        const token = await tokenOf(gateway, bearer, ["own", "gone"], flaw);
        for (const place of PLACES) {
          const problem = await connect(gateway, place, { authorization: `Bearer ${token}` });
          const cell = `${bearer}, ${flaw}, ${place}`;
          expect([problem.status, problem.code, problem.details?.["reason"]], cell).toEqual([
            401,
            "unauthorized",
            REASONS[flaw],
          ]);
          const version = await gateway.http(`/v1/sandboxes/${place}/cdp/json/version`, { token });
          expect(version.status, cell).toBe(401);
          expect((await gateway.http("/json/version", { token })).status, cell).toBe(401);
        }
      }
    },
  );

  it("takes the token as a password, as clients make it of an address, and asks for one", async () => {
    const gateway = await startTokenGateway();
    await gateway.make("own");
    const token = await tokenOf(gateway, "agent", ["own"]);
    const basic = (text: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(text).toString("base64")}`,
    });
    expect((await connect(gateway, "own", basic(`baton:${token}`))).code).toBe(LET_IN);
    expect((await connect(gateway, "own", basic(`${token}:baton`))).code).toBe("unauthorized");
    expect((await connect(gateway, "own", {})).details).toEqual({ reason: "missing" });
  });
});

it("every right of the table is asked for by a message, a call or a connection that is walked through here", () => {
  const byMessage: readonly string[] = MESSAGES.map(({ type }) => type);
  const elsewhere = ["preview.ack", "cdp.connect"];
  const overHttp = [
    "sandbox.create",
    "sandbox.remove",
    "link.create",
    "link.revoke",
    "token.revoke",
    "audit.read",
    "metrics.read",
  ];
  // Beside another right, in one call: `force` of control.take, and completing for somebody else.
  const beside = ["control.force", "handoff.override"];
  expect([...byMessage, ...elsewhere, ...overHttp, ...beside].sort()).toEqual(Object.keys(ACCESS).sort());
});
