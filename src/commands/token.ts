/** `baton token`: makes a token with the gateway's own secret, without asking the gateway. */
import { parseArgs } from "node:util";
import { nanoid } from "nanoid";
import { z } from "zod";
import { MAX_SCOPES, SandboxScope } from "../../protocol/auth.ts";
import { Controller } from "../../protocol/ids.ts";
import { Role } from "../../protocol/sandbox.ts";
import { Keys, type KeyOptions } from "../auth/keys.ts";

export const TOKEN_USAGE = `usage: baton token --subject NAME --role ROLE [--sandboxes LIST] [--expires TIME] [--act-for]
  --subject    who bears it: the name that others see, and the controller that they are
  --role       ${Role.options.join(", ")}
  --sandboxes  ids with commas between them, beginnings such as acme-*, or * (default)
  --expires    how long it is valid: 90s, 15m, 12h, 30d (default 12h)
  --act-for    may name other people as controller: for a backend that people are signed in to

It is signed with the first secret of BATON_SECRET, and printed alone
`;

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_LIFE_MS = 366 * 86_400_000;

/** A mistake in the command line, with what to write. */
export class UsageError extends Error {
  constructor(message: string) {
    super(`${message}\n\n${TOKEN_USAGE}`);
    this.name = "UsageError";
  }
}

const Options = z.object({
  subject: Controller,
  role: Role,
  sandboxes: z.array(SandboxScope).min(1).max(MAX_SCOPES),
});

/**
 * @param args the command line behind `baton token`
 * @param keys undefined: there is no secret
 * @throws UsageError
 */
export async function tokenCommand(args: readonly string[], keys: KeyOptions | undefined): Promise<string> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      subject: { type: "string" },
      role: { type: "string" },
      sandboxes: { type: "string", default: "*" },
      expires: { type: "string", default: "12h" },
      "act-for": { type: "boolean", default: false },
    },
  });
  const parsed = Options.safeParse({
    ...values,
    sandboxes: values.sandboxes.split(",").map((id) => id.trim()),
  });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UsageError(`--${String(issue?.path[0])}: ${issue?.message}`);
  }
  if (!keys) {
    throw new UsageError(
      "There is no secret to sign with. Set BATON_SECRET to the gateway's, for example in the same shell.",
    );
  }
  const { subject, role, sandboxes } = parsed.data;
  return new Keys(keys).sign(
    { sub: subject, role, sandboxes, jti: nanoid(), ...(values["act-for"] && { act_for: true }) },
    Date.now() + lifeOf(values.expires),
  );
}

function lifeOf(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (ms > 0 && ms <= MAX_LIFE_MS) return ms;
  throw new UsageError(`--expires ${text}: write 90s, 15m, 12h or 30d, up to 366d`);
}
