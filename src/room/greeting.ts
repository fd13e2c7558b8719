/** A socket's first message: who the other end is, and what it is told. */
import { nanoid } from "nanoid";
import { MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError, type CloseReason } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_FLOOR, PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Auth, Session as LinkSession } from "../auth/auth.ts";
import { oneTokenOf } from "../auth/bearer.ts";
import type { Door } from "../auth/door.ts";
import type { Identity } from "../auth/identity.ts";
import type { Handshake } from "../transport/transport.ts";

export type Hello = Extract<UpMessage, { type: "hello" }>;
type Welcome = Extract<DownMessage, { type: "welcome" }>;

/** Who the other end is. */
export interface Self {
  readonly name: string;
  readonly role: Role;
  readonly clientId: string;
  /** Absent where no tokens are asked for. */
  readonly identity?: Identity;
}

/** Every version this gateway speaks. */
const SPOKEN: readonly number[] = Array.from(
  { length: PROTOCOL_VERSION - PROTOCOL_FLOOR + 1 },
  (_, index) => PROTOCOL_FLOOR + index,
);

export function isSpoken(version: number): boolean {
  return SPOKEN.includes(version);
}

export function notSpoken(version: number): BatonError {
  return new BatonError(
    "unsupported_version",
    `Version ${version} is not spoken here. Update the client or the gateway.`,
    { supported: SPOKEN },
  );
}

/** The version that a `hello` names, when that much of it can be read. */
export function versionOf(text: string): number | undefined {
  try {
    const value = JSON.parse(text) as { type?: unknown; version?: unknown } | null;
    return value?.type === "hello" && Number.isInteger(value.version) ? (value.version as number) : undefined;
  } catch {
    return undefined;
  }
}

/** Where no tokens are asked for, it is who it says. @throws BatonError `invalid_message` */
export function selfNamed({ name, role, clientId = nanoid() }: Hello): Self {
  if (name !== undefined && role !== undefined) return { name, role, clientId };
  throw new BatonError(
    "invalid_message",
    "hello: this gateway runs without BATON_SECRET and reads no tokens. Send `role` and `name`.",
    { issues: [{ path: name === undefined ? "name" : "role", message: "is missing" }] },
  );
}

/** Who its token says it is. @throws BatonError `unauthorized`, `forbidden`, `rate_limited`, `unavailable` */
export async function identified(
  door: Door,
  auth: Auth,
  { clientId = nanoid(), token, name, role }: Hello,
  { handshake, address }: { readonly handshake: Handshake; readonly address: string },
): Promise<{
  readonly self: Self & { readonly identity: Identity };
  readonly session: LinkSession | undefined;
}> {
  const { identity, session } = await door.greet(
    auth,
    {
      token: () => oneTokenOf(token, handshake),
      clientId,
      ...(name !== undefined && { name }),
      ...(role !== undefined && { role }),
    },
    address,
  );
  return { self: { name: identity.subject, role: identity.role, clientId, identity }, session };
}

export function welcomeTo(
  { name, role, clientId, identity }: Self,
  session: LinkSession | undefined,
  { connectionId, heartbeatMs }: Pick<Welcome, "connectionId" | "heartbeatMs">,
): Welcome {
  return {
    type: "welcome",
    version: PROTOCOL_VERSION,
    connectionId,
    clientId,
    name,
    role,
    ...(identity && { grant: grantOf(identity) }),
    ...(session && { session }),
    serverTime: Date.now(),
    heartbeatMs,
    maxMessageBytes: MAX_MESSAGE_BYTES,
  };
}

/** How a socket is closed whose `hello` was refused. */
export function closeReasonOf({ code, retryable }: BatonError): CloseReason {
  if (code === "rate_limited" || code === "too_many") return "rate_limited";
  return retryable ? "internal" : "unauthorized";
}

function grantOf({ grant, expiresAt }: Identity): NonNullable<Welcome["grant"]> {
  const { sandboxes, link, actFor } = grant;
  return { sandboxes: [...sandboxes], ...(link !== undefined && { link }), actFor, expiresAt };
}
