/** A gateway that asks for tokens, two tenants' sandboxes, and a bearer of every kind. */
import { Role } from "../../protocol/sandbox.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import type { Caller, Grant } from "../../src/core/access.ts";
import type { GatewayOptions } from "../../src/gateway.ts";
import { NO_LIMITS } from "../../src/limits/settings.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { CutOffStore } from "./cut-off-store.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { RawClient } from "./raw-client.ts";
import { token, TOKENS, unsigned, type TokenClaims } from "./tokens.ts";

/** Whose token it is: a role, or a link that was opened. */
export const BEARERS = [...Role.options, "drive link", "watch link"] as const;
export type Bearer = (typeof BEARERS)[number];

export const FLAWS = ["expired", "wrong key", "alg none", "revoked", "not yet valid"] as const;
export type Flaw = (typeof FLAWS)[number];
/** `details.reason` of each. */
export const REASONS: Readonly<Record<Flaw, string>> = {
  expired: "expired",
  "wrong key": "signature",
  "alg none": "algorithm",
  revoked: "revoked",
  "not yet valid": "not_yet_valid",
};

export interface TokenGateway extends TestGateway {
  /** An HTTP call with a token. */
  readonly http: (path: string, init?: RequestInit & { token?: string }) => Promise<Response>;
  /** The same with a body, by an admin of everything. */
  readonly admin: (path: string, init?: { method?: string; body?: unknown }) => Promise<Response>;
  /** Makes sandboxes with the fake browser. */
  readonly make: (...ids: string[]) => Promise<void>;
  readonly revoke: (tokenId: string) => Promise<void>;
}

export async function startTokenGateway(options: Partial<GatewayOptions> = {}): Promise<TokenGateway> {
  const started = await startGateway({ ...TOKENS, limits: NO_LIMITS, ...options });
  const http: TokenGateway["http"] = (path, { token, ...init } = {}) => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    return fetch(`${started.url}${path}`, { ...init, headers });
  };
  const root = await token({ sub: "root", role: "admin", act_for: true });
  const admin: TokenGateway["admin"] = async (path, { method = "GET", body } = {}) =>
    http(path, {
      method,
      token: root,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
  const must = async (answer: Promise<Response>): Promise<void> => {
    const response = await answer;
    const text = await response.text();
    if (!response.ok) throw new Error(text);
  };
  return {
    ...started,
    http,
    admin,
    make: async (...ids) => {
      for (const sandboxId of ids)
        await must(
          admin("/v1/sandboxes", {
            method: "POST",
            body: { sandboxId, browser: { cdpUrl: "ws://127.0.0.1:1/fake" } },
          }),
        );
    },
    revoke: (tokenId) => must(admin("/v1/tokens/revoke", { method: "POST", body: { tokenId } })),
  };
}

/** Two of them on one store, before one browser. */
export async function twoTokenNodes(): Promise<{ one: TokenGateway; two: TokenGateway }> {
  const store = new MemoryStore();
  const browsers = new FakeBrowserProvider();
  const node = (): Promise<TokenGateway> => startTokenGateway({ store: new CutOffStore(store), browsers });
  return { one: await node(), two: await node() };
}

/** Opens a link to the sandbox and resolves to the token of who has opened it. */
export async function openLink(
  gateway: TokenGateway,
  sandboxId: string,
  body: { access: "watch" | "drive"; subject?: string; expiresInMs?: number; singleUse?: boolean },
): Promise<{ token: string; linkId: string; subject: string; linkToken: string }> {
  const response = await gateway.admin(`/v1/sandboxes/${sandboxId}/links`, { method: "POST", body });
  const { link, url } = (await response.json()) as { link: { linkId: string }; url: string };
  const linkToken = linkTokenOf(url);
  const client = await RawClient.open(gateway.url);
  client.hello({ token: linkToken });
  const { session, name } = await client.next("welcome");
  await client.close();
  if (!session) throw new Error("a link's welcome must bring a session");
  return { token: session.token, linkId: link.linkId, subject: name, linkToken };
}

export function linkTokenOf(url: string): string {
  return new URLSearchParams(new URL(url).hash.slice(1)).get("token") ?? "";
}

/** Sandboxes as a bearer's token sees them. `gone` is one that it reaches and that is not there. */
export const PLACES = ["own", "other", "gone"] as const;
export type Place = (typeof PLACES)[number];

/** What the gateway should take a bearer for whose token reaches these sandboxes. */
export function standingOf(bearer: Bearer, sandboxes: readonly string[]): Pick<Caller, "role" | "grant"> {
  const grant: Grant = { sandboxes, actFor: false };
  if (bearer === "drive link") return { role: "operator", grant: { ...grant, link: "drive" } };
  if (bearer === "watch link") return { role: "viewer", grant: { ...grant, link: "watch" } };
  return { role: bearer, grant };
}

/** What its token must name, to stand so before this sandbox: a link's reaches one. */
export function scopesOf(bearer: Bearer, place: Place): [string, ...string[]] {
  if (!bearer.endsWith("link")) return ["own", "gone"];
  return [place === "gone" ? "gone" : "own"];
}

let serial = 0;

/** A bearer's token that reaches these sandboxes, whole or with a flaw. */
export async function tokenOf(
  gateway: TokenGateway,
  bearer: Bearer,
  sandboxes: readonly [string, ...string[]],
  flaw?: Flaw,
): Promise<string> {
  serial += 1;
  const link = bearer === "drive link" ? "drive" : bearer === "watch link" ? "watch" : undefined;
  const claims: TokenClaims & Record<string, unknown> = {
    sub: `${bearer.replace(" ", "-")}-${serial}`,
    role: link === "drive" ? "operator" : link === "watch" ? "viewer" : (bearer as Role),
    sandboxes,
    jti: `t${serial}`,
    ...(link && { use: "session", access: link, link: `${sandboxes[0]}.l${serial}`, life: 600_000 }),
  };
  switch (flaw) {
    case undefined:
      return token(claims);
    case "expired":
      return token({ ...claims, expiresIn: -1 });
    case "not yet valid":
      return token({ ...claims, notBefore: 120 });
    case "wrong key":
      return token(claims, "another secret that is as long as it must be");
    case "alg none":
      return unsigned(claims);
    case "revoked":
      await gateway.revoke(`t${serial}`);
      return token(claims);
  }
}
