/** Links, the end of tokens, and the record of what was done with them. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { BatonError } from "../../protocol/errors.ts";
import type { Auth } from "../auth/auth.ts";
import type { Door } from "../auth/door.ts";
import { noTokens } from "../auth/identity.ts";
import { authorize } from "../core/access.ts";
import { sandboxNotFound } from "../room/dispatch.ts";
import type { Store } from "../store/store.ts";
import { exportLines } from "../audit/chain.ts";
import { lifeOf, type Env } from "./callers.ts";
import { routes } from "./routes.ts";

export interface TokenRoutesContext {
  readonly store: Store;
  readonly door: Door;
  readonly publicUrl: () => string;
}

/** How long a token's end is remembered whose own end nobody said. */
const YEAR_MS = 365 * 24 * 60 * 60_000;

export function tokenRoutes(app: OpenAPIHono<Env>, { store, door, publicUrl }: TokenRoutesContext): void {
  app.openapi(routes.createLink, async (c) => {
    const { id } = c.req.valid("param");
    const caller = c.get("caller");
    authorize(caller, "link.create", id);
    const keeper = needed(door.auth);
    door.limits.kind(caller.name, "link.create");
    if (!(await store.load(id))) throw sandboxNotFound(id);
    const { link, token } = await keeper.createLink(id, c.req.valid("json"), caller);
    const { linkId, access, subject, singleUse } = link;
    const detail = { linkId, access, subject, singleUse };
    await door.did(caller, { action: "link.create", sandboxId: id, detail });
    // Nobody's cache keeps what is as good as a password.
    c.header("cache-control", "no-store");
    return c.json({ ok: true as const, link, url: `${publicUrl()}/s/${id}#token=${token}` }, 200);
  });

  app.openapi(routes.revokeLink, async (c) => {
    const { id, linkId } = c.req.valid("param");
    authorize(c.get("caller"), "link.revoke", id);
    door.limits.kind(c.get("caller").name, "link.revoke");
    // The id says whose it is: a token's id, or another sandbox's link, is not this caller's to end.
    if (!linkId.startsWith(`${id}.`)) {
      throw new BatonError(
        "not_found",
        `Sandbox ${id} has no link of this id. Use the \`linkId\` it was made with.`,
      );
    }
    await needed(door.auth).revokeLink(linkId);
    await door.did(c.get("caller"), { action: "link.revoke", sandboxId: id, detail: { linkId } });
    return c.json({ ok: true as const }, 200);
  });

  app.openapi(routes.revokeToken, async (c) => {
    authorize(c.get("caller"), "token.revoke");
    const { tokenId, expiresAt = Date.now() + YEAR_MS } = c.req.valid("json");
    // Remembered until then it would be forgotten at once, and answered as if it were revoked.
    if (expiresAt <= Date.now()) {
      throw new BatonError(
        "invalid_message",
        "expiresAt is over. Send milliseconds, a JWT's `exp` times 1000, or leave it out.",
        { issues: [{ path: "expiresAt", message: "must be in the future" }] },
      );
    }
    await needed(door.auth).revoke(tokenId, expiresAt);
    await door.did(c.get("caller"), { action: "token.revoke", detail: { tokenId } });
    return c.json({ ok: true as const }, 200);
  });

  app.openapi(routes.audit, async (c) => {
    const caller = c.get("caller");
    authorize(caller, "audit.read");
    const headers = { "content-type": "application/x-ndjson", "cache-control": "no-store" };
    // Nobody would read the lines, and nobody would end them.
    if (c.req.method === "HEAD") return new Response(null, { headers }) as never;
    const { since, limit } = c.req.valid("query");
    // Before it is read: the export shows itself, and an unreachable store is an error and not half a file.
    await door.did(caller, { action: "audit.read", detail: { since } });
    const { seq } = await store.auditHead();
    const lines = exportLines(store, since, Math.min(limit, Math.max(0, seq - since)));
    return new Response(
      textStream(lines, lifeOf(c, door), () => c.req.raw.signal.aborted),
      { headers },
    ) as never;
  });
}

/** Reads on only while somebody takes what was read: an export is as long as the log. */
function textStream(
  lines: AsyncGenerator<string, void, undefined>,
  { signal, done }: ReturnType<typeof lifeOf>,
  gone: () => boolean,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        signal.throwIfAborted();
        const { value, done: isOver } = await lines.next();
        if (value !== undefined) return controller.enqueue(encoder.encode(value));
        if (isOver) controller.close();
        done();
      } catch (error) {
        done();
        if (gone()) return controller.close();
        // Cut in the middle: the reader sees an export that did not end, and not one that is short.
        controller.error(error);
      }
    },
    cancel: async () => {
      done();
      await lines.return();
    },
  });
}

function needed(auth: Auth | undefined): Auth {
  if (auth) return auth;
  throw noTokens();
}
