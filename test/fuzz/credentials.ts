/** How clients say who they are: by name, or with a token, as the gateway is set up. */
import { createHmac } from "node:crypto";
import type { Role } from "../../protocol/sandbox.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { payloadOf, SECRET } from "../support/tokens.ts";
import type { Identity } from "./up-messages.ts";

export interface Credentials {
  readonly hello: (who: Identity) => object;
  /** For HTTP, and for an agent's handshake. */
  readonly headers: (who: Identity) => Record<string, string>;
  /** In a message's place for a token. */
  readonly token: (who: Identity) => string;
}

export const byName: Credentials = {
  hello: ({ role, name, clientId }) => ({ ...helloBase(clientId), role, name }),
  headers: ({ role, name }) => ({ "x-baton-name": name, "x-baton-role": role }),
  token: () => "no.token.here",
};

export const byToken: Credentials = {
  hello: (who) => ({ ...helloBase(who.clientId), token: tokenFor(who.name, who.role) }),
  headers: (who) => ({ authorization: `Bearer ${tokenFor(who.name, who.role)}` }),
  token: (who) => tokenFor(who.name, who.role),
};

function helloBase(clientId: string | undefined): object {
  return { type: "hello", version: PROTOCOL_VERSION, ...(clientId !== undefined && { clientId }) };
}

/** Seconds that a token is good for, and milliseconds for which one is used. */
const LIFE_S = 3_600;
const USE_MS = 20 * 60_000;
const made = new Map<string, { readonly token: string; readonly at: number }>();

function tokenFor(name: string, role: Role): string {
  const key = `${role} ${name}`;
  const before = made.get(key);
  if (before && performance.now() - before.at < USE_MS) return before.token;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  // Programs may act for a person; people are themselves.
  const claims = payloadOf({ sub: name, role, expiresIn: LIFE_S, act_for: role !== "operator" });
  const body = `${part({ alg: "HS256" })}.${part(claims)}`;
  const token = `${body}.${createHmac("sha256", SECRET).update(body).digest("base64url")}`;
  made.set(key, { token, at: performance.now() });
  return token;
}
