/** Every bearer × every HTTP call × own, other, missing sandbox × every kind of token, against `ACCESS`. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Problem } from "../../protocol/errors.ts";
import { ACCESS, allowed, type Operation } from "../../src/core/access.ts";
import { routes } from "../../src/http/routes.ts";
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

interface Call {
  readonly route: keyof typeof routes;
  readonly operation: Operation;
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: (sandboxId: string) => string;
  readonly body?: (sandboxId: string, subject: string) => object;
  /** Does not name a sandbox. */
  readonly general?: true;
  /** What a sandbox that is not there is answered with. Default `sandbox_not_found`. */
  readonly missing?: "ok";
}

const at = (rest: string) => (id: string) => `/v1/sandboxes/${id}${rest}`;
const named = (_id: string, controller: string) => ({ controller });
const CALLS: readonly Call[] = [
  { route: "getSandbox", operation: "sandbox.join", method: "GET", path: at("") },
  { route: "getHandoff", operation: "handoff.get", method: "GET", path: at("/handoff") },
  { route: "events", operation: "sandbox.join", method: "GET", path: at("/events") },
  {
    route: "listSandboxes",
    operation: "lobby.join",
    method: "GET",
    path: () => "/v1/sandboxes",
    general: true,
  },
  { route: "metrics", operation: "metrics.read", method: "GET", path: () => "/metrics", general: true },
  { route: "audit", operation: "audit.read", method: "GET", path: () => "/v1/audit", general: true },
  {
    route: "requestHandoff",
    operation: "handoff.request",
    method: "POST",
    path: at("/handoff"),
    body: () => ({ reason: "mfa", message: "m" }),
  },
  {
    route: "acceptHandoff",
    operation: "handoff.accept",
    method: "POST",
    path: at("/handoff/accept"),
    body: named,
  },
  {
    route: "completeHandoff",
    operation: "handoff.complete",
    method: "POST",
    path: at("/handoff/complete"),
    body: named,
  },
  {
    route: "cancelHandoff",
    operation: "handoff.cancel",
    method: "POST",
    path: at("/handoff/cancel"),
    body: () => ({}),
  },
  { route: "takeControl", operation: "control.take", method: "POST", path: at("/control/take"), body: named },
  {
    route: "setPrivacy",
    operation: "control.privacy",
    method: "POST",
    path: at("/control/privacy"),
    body: (_id, controller) => ({ controller, privacy: "open" }),
  },
  {
    route: "passControl",
    operation: "control.pass",
    method: "POST",
    path: at("/control/pass"),
    body: (_id, controller) => ({ controller, to: "ai" }),
  },
  {
    route: "releaseControl",
    operation: "control.release",
    method: "POST",
    path: at("/control/release"),
    body: named,
  },
  {
    route: "createLink",
    operation: "link.create",
    method: "POST",
    path: at("/links"),
    body: () => ({ access: "watch" }),
  },
  {
    route: "revokeLink",
    operation: "link.revoke",
    method: "DELETE",
    path: (id) => `/v1/sandboxes/${id}/links/${id}.x`,
    missing: "ok",
  },
  {
    route: "revokeToken",
    operation: "token.revoke",
    method: "POST",
    path: () => "/v1/tokens/revoke",
    body: () => ({ tokenId: "nobody" }),
    general: true,
  },
  // At the end: `gone` is made by it, and removed again by the one after.
  {
    route: "createSandbox",
    operation: "sandbox.create",
    method: "POST",
    path: () => "/v1/sandboxes",
    body: (sandboxId) => ({ sandboxId }),
    missing: "ok",
  },
  { route: "removeSandbox", operation: "sandbox.remove", method: "DELETE", path: at("") },
];
/** Answer anybody, and say nothing of anybody. */
const PUBLIC = ["health", "ready"];

function expected(bearer: Bearer, call: Call, place: Place, everywhere: boolean): string {
  if (!allowed(standingOf(bearer, everywhere ? ["*"] : ["own"]), call.operation)) return "forbidden";
  if (call.general) return "let in";
  if (place === "other" && !everywhere) return "forbidden";
  return place === "gone" && call.missing === undefined ? "sandbox_not_found" : "let in";
}

async function outcome(response: Response): Promise<{ seen: string; problem?: Problem }> {
  if (response.ok) {
    await response.arrayBuffer();
    return { seen: "let in" };
  }
  const problem = (await response.json()) as Problem;
  const refusal = ["unauthorized", "forbidden", "sandbox_not_found"].includes(problem.code);
  return { seen: refusal ? problem.code : "let in", problem };
}

describe("every HTTP call", () => {
  let gateway: TokenGateway;
  const ask = (call: Call, id: string, bearer: string | undefined, subject: string): Promise<Response> =>
    gateway.http(call.path(id), {
      method: call.method,
      ...(bearer !== undefined && { token: bearer }),
      ...(call.body && {
        body: JSON.stringify(call.body(id, subject)),
        headers: { "content-type": "application/json" },
      }),
    });
  beforeAll(() => {
    expect([...CALLS.map(({ route }) => route), ...PUBLIC].sort()).toEqual(Object.keys(routes).sort());
  });

  it.each(BEARERS)(
    "of the bearer %s is answered as the table says, for its own sandbox only",
    async (bearer) => {
      gateway = await startTokenGateway();
      await gateway.make("own", "other");
      let cells = 0;
      for (const call of CALLS) {
        for (const place of PLACES) {
          const token = await tokenOf(gateway, bearer, scopesOf(bearer, place));
          const { sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
            sub: string;
          };
          const { seen, problem } = await outcome(await ask(call, place, token, sub));
          expect(seen, `${bearer}: ${call.route} of ${place}: ${problem?.detail}`).toBe(
            expected(bearer, call, place, false),
          );
          cells += 1;
          // What one call removed the next must find.
          if (call.route === "removeSandbox" && seen === "let in" && place !== "gone")
            await gateway.make(place);
          if (call.route === "createSandbox" && seen === "let in" && place === "gone")
            await gateway.admin("/v1/sandboxes/gone", { method: "DELETE" });
        }
      }
      expect(cells).toBe(CALLS.length * PLACES.length);
    },
  );

  it.each(BEARERS)(
    "of the bearer %s is refused with every kind of token that is not valid",
    async (bearer) => {
      gateway = await startTokenGateway();
      await gateway.make("own", "other");
      for (const flaw of FLAWS) {
        const token = await tokenOf(gateway, bearer, ["own", "gone"], flaw);
        for (const call of CALLS) {
          for (const place of PLACES) {
            const response = await ask(call, place, token, "x");
            const { seen, problem } = await outcome(response);
            const cell = `${bearer}, ${flaw}: ${call.route} of ${place}`;
            expect([seen, response.status, problem?.details?.["reason"]], cell).toEqual([
              "unauthorized",
              401,
              REASONS[flaw],
            ]);
            expect(response.headers.get("www-authenticate"), cell).toMatch(/^Bearer/);
          }
        }
      }
    },
  );

  it("without a token is refused, but for those that say whether the gateway runs", async () => {
    gateway = await startTokenGateway();
    await gateway.make("own");
    for (const call of CALLS) {
      const { seen, problem } = await outcome(await ask(call, "own", undefined, "x"));
      expect([seen, problem?.details?.["reason"]], call.route).toEqual(["unauthorized", "missing"]);
    }
    for (const path of ["/healthz", "/readyz", "/openapi.json", "/"])
      expect((await gateway.http(path)).status, path).toBe(200);
  });

  it("that concerns the whole gateway asks for a token of the whole gateway", async () => {
    gateway = await startTokenGateway();
    await gateway.make("own", "other");
    for (const bearer of BEARERS.filter((bearer) => !bearer.endsWith("link"))) {
      const token = await tokenOf(gateway, bearer, ["*"]);
      for (const call of CALLS.filter(({ operation }) => ACCESS[operation].everywhere)) {
        const { seen } = await outcome(await ask(call, "own", token, "x"));
        expect(seen, `${bearer}: ${call.route}`).toBe(expected(bearer, call, "own", true));
      }
    }
  });

  it("that names another controller is refused, unless the token acts for others", async () => {
    gateway = await startTokenGateway();
    await gateway.make("own");
    const token = await tokenOf(gateway, "operator", ["own"]);
    for (const call of CALLS.filter(({ body }) => body && "controller" in body("own", "x"))) {
      const { seen, problem } = await outcome(await ask(call, "own", token, "somebody else"));
      expect([seen, problem?.detail], call.route).toEqual([
        "forbidden",
        expect.stringContaining("acts for operator-"),
      ]);
    }
  });
});
