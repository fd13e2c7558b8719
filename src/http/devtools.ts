/**
 * What DevTools clients read before they connect, under each sandbox's `/cdp`, and at the root for clients that know
 * only a host (Puppeteer's `browserURL`).
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { invalidMessage } from "../../protocol/codec.ts";
import { BatonError } from "../../protocol/errors.ts";
import { SandboxId } from "../../protocol/ids.ts";
import { authorize, reaches, type Grant } from "../core/access.ts";
import { listReachable } from "../room/listing.ts";
import type { Rooms } from "../room/rooms.ts";
import type { Store } from "../store/store.ts";
import type { Env } from "./callers.ts";

type Context = HonoContext<Env>;

export interface DevtoolsContext {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly publicUrl: () => string;
}

/** Enough to tell one sandbox from several. */
const LOOK = 50;

export function devtools(app: OpenAPIHono<Env>, { store, rooms, publicUrl }: DevtoolsContext): void {
  const version = async (c: Context, sandboxId: string): Promise<Response> => {
    authorize(c.get("caller"), "cdp.connect", sandboxId);
    const { room, release } = await rooms.acquire(sandboxId);
    try {
      const { link } = await room.attachment.entrance();
      const about = await link.version();
      return c.json({
        Browser: about.product,
        "Protocol-Version": about.protocolVersion,
        "User-Agent": about.userAgent,
        "V8-Version": about.jsVersion,
        "WebKit-Version": /AppleWebKit\/([\d.]+)/.exec(about.userAgent)?.[1] ?? "",
        webSocketDebuggerUrl: socketUrl(c, publicUrl(), sandboxId),
      });
    } finally {
      release();
    }
  };
  const list = async (c: Context, sandboxId: string): Promise<Response> => {
    authorize(c.get("caller"), "cdp.connect", sandboxId);
    const { room, release } = await rooms.acquire(sandboxId);
    try {
      await room.attachment.entrance();
      // Titles and addresses are the page's (G3).
      const { privacy, phase } = room.sandbox.control;
      const tabs = privacy === "private" || phase === "draining" ? [] : room.attachment.tabs;
      return c.json(
        tabs.map(({ tabId, title, url }) => ({
          id: tabId,
          type: "page",
          title,
          url,
          webSocketDebuggerUrl: socketUrl(c, publicUrl(), sandboxId, `/devtools/page/${tabId}`),
        })),
      );
    } finally {
      release();
    }
  };
  const here = (c: Context): string => {
    const id = SandboxId.safeParse(c.req.param("id"));
    if (!id.success) throw invalidMessage(id.error, "The sandbox's id");
    return id.data;
  };
  const there = (c: Context): Promise<string> => {
    authorize(c.get("caller"), "cdp.connect");
    return sandboxOf(c, store, c.get("caller").grant);
  };
  for (const slash of ["", "/"]) {
    app.get(`/v1/sandboxes/:id/cdp/json/version${slash}`, (c) => version(c, here(c)));
    app.get(`/v1/sandboxes/:id/cdp/json/list${slash}`, (c) => list(c, here(c)));
    app.get(`/v1/sandboxes/:id/cdp/json${slash}`, (c) => list(c, here(c)));
    app.get(`/json/version${slash}`, async (c) => version(c, await there(c)));
    app.get(`/json/list${slash}`, async (c) => list(c, await there(c)));
    app.get(`/json${slash}`, async (c) => list(c, await there(c)));
  }
}

/** The sandbox that the host's first label names (`demo.baton.example`), or the only one of the caller's that has a browser. */
async function sandboxOf(c: Context, store: Store, grant: Grant): Promise<string> {
  const label = (c.req.header("host") ?? "").split(".")[0] ?? "";
  const named = SandboxId.safeParse(label);
  if (named.success && reaches(grant, named.data) && (await store.load(named.data))) return named.data;
  const { sandboxes, cursor } = await listReachable(store, grant, { limit: LOOK });
  const [only, ...others] = sandboxes.filter(({ browser }) => browser !== null);
  if (only && others.length === 0 && cursor === undefined) return only.sandboxId;
  throw new BatonError(
    "not_found",
    only
      ? "Several sandboxes have a browser. Connect to ws://…/v1/sandboxes/SANDBOX/cdp (Puppeteer: browserWSEndpoint), or name one as the host's first label."
      : "No sandbox has a browser. Create one with POST /v1/sandboxes.",
  );
}

/** Under the name that the client reached the gateway by; the query goes along, it chooses the policy. */
function socketUrl(c: Context, publicUrl: string, sandboxId: string, path = ""): string {
  const known = new URL(publicUrl);
  const host = c.req.header("host") ?? known.host;
  const secure = host === known.host ? known.protocol === "https:" : c.req.url.startsWith("https:");
  return `${secure ? "wss" : "ws"}://${host}/v1/sandboxes/${sandboxId}/cdp${path}${new URL(c.req.url).search}`;
}
