import type { z } from "zod";
import { BatonError } from "./errors.ts";
import { DownMessage } from "./down.ts";
import { UP_TYPES, UpMessage } from "./up.ts";

/** Largest text message a client may send, bytes. The socket is closed with 1009 beyond it. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** Most problems named in one error; a message with more is wrong as a whole. */
const MAX_ISSUES = 8;
/** An issue may quote what was sent: no more of it than helps. */
const MAX_ISSUE_LENGTH = 200;

/** Turns zod's issues into the `details` and sentence of an `invalid_message` error. */
export function invalidMessage(error: z.ZodError, what: string): BatonError {
  const issues = error.issues.slice(0, MAX_ISSUES).map((issue) => ({
    path: issue.path.map(String).join("."),
    message: issue.message.slice(0, MAX_ISSUE_LENGTH),
  }));
  const first = issues[0];
  const where = first?.path ? `\`${first.path}\`` : "the message";
  return new BatonError(
    "invalid_message",
    `${what}: ${where}: ${first?.message ?? "invalid"}. Correct it and send it again.`,
    { issues },
  );
}

/**
 * Reads one message of a client.
 * @throws BatonError `invalid_json`, `unknown_type` or `invalid_message`; `idOf` tells which request failed
 */
export function decodeUp(text: string): UpMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BatonError(
      "invalid_json",
      "The message is not JSON. Send one JSON object per WebSocket message.",
    );
  }
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (typeof type !== "string" || !UP_TYPES.has(type)) {
    const shown = typeof type === "string" ? `"${type.slice(0, 64)}"` : "missing";
    throw new BatonError("unknown_type", `The message type is ${shown}. PROTOCOL.md lists the types.`);
  }
  const parsed = UpMessage.safeParse(value);
  if (!parsed.success) throw invalidMessage(parsed.error, type);
  return parsed.data;
}

/** The `id` of a message that could not be read as a whole, when it has one. */
export function idOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("id" in value)) return undefined;
    return typeof value.id === "string" && value.id.length > 0 && value.id.length <= 64
      ? value.id
      : undefined;
  } catch {
    return undefined;
  }
}

export function encodeDown(message: DownMessage): string {
  return JSON.stringify(message);
}

/** Reads one message of the gateway. Returns `null` for types of a later version, which a client ignores. */
export function decodeDown(text: string): DownMessage | null {
  const parsed = DownMessage.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}
