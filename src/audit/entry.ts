/** What the audit log says, and the bounds of it. Never typed text, a token, or what is in a page. */
import type { ErrorCode } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";

export interface AuditEntry {
  /** Epoch milliseconds; now when absent. */
  readonly at?: number;
  /** What was done or tried, such as `handoff.accept`. */
  readonly action: string;
  readonly outcome: "ok" | "refused";
  /** Who, as their token says. */
  readonly subject?: string;
  readonly role?: Role;
  /** The address that it came from. */
  readonly address?: string;
  readonly sandboxId?: string;
  /** Of the handoff. */
  readonly requestId?: string;
  /** The token's id, never the token. */
  readonly tokenId?: string;
  /** Of control. */
  readonly epoch?: number;
  /** Why it was refused. */
  readonly code?: ErrorCode;
  /** Facts by name. Longer texts are cut to `MAX_TEXT` characters. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
}

/** Characters of a text in a line. */
export const MAX_TEXT = 200;
/** Facts in `detail`; more are left out. */
const MAX_FACTS = 16;
/** Looked at of a text that is cut. */
const MAX_LOOKED_AT = 10_000;

/** The beginning of every JWT: `{"` in base64url, then the rest of it. */
const TOKEN = /eyJ[\w-]{8,}(?:\.[\w-]*){0,4}/g;

const TEXTS = [
  "action",
  "outcome",
  "subject",
  "role",
  "address",
  "sandboxId",
  "requestId",
  "tokenId",
] as const;

/** The fields of a line that come from the entry, in their order. What an entry should not have is left out. */
export function fieldsOf(entry: AuditEntry): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of TEXTS) {
    const text = entry[name];
    if (typeof text === "string") fields[name] = safeText(text);
  }
  if (entry.epoch !== undefined) fields.epoch = entry.epoch;
  if (entry.code !== undefined) fields.code = entry.code;
  if (entry.detail) fields.detail = detailOf(entry.detail);
  return fields;
}

function detailOf(detail: NonNullable<AuditEntry["detail"]>): Record<string, string | number | boolean> {
  const facts = Object.entries(detail)
    .slice(0, MAX_FACTS)
    .map(([name, fact]) => [safeText(name), typeof fact === "string" ? safeText(fact) : fact] as const)
    .filter(([, fact]) => ["string", "number", "boolean"].includes(typeof fact));
  return Object.fromEntries(facts.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Somebody's mistake must not put a token where an auditor reads it. */
function safeText(text: string): string {
  return text.slice(0, MAX_LOOKED_AT).replace(TOKEN, "[token]").slice(0, MAX_TEXT);
}
