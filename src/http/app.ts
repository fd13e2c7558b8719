/** The HTTP API, the pages, and what operations look at. Built on the web's Request and Response: any transport serves it. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { nanoid } from "nanoid";
import { invalidMessage, MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import { BatonError } from "../../protocol/errors.ts";
import { PositionText } from "../../protocol/http.ts";
import { SandboxId } from "../../protocol/ids.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { HandoffResult } from "../../protocol/sandbox.ts";
import { ACCESS, authorize, type Grant, type Operation } from "../core/access.ts";
import type { Logger } from "../ops/log.ts";
import type { Metrics } from "../ops/metrics.ts";
import { sandboxNotFound } from "../room/dispatch.ts";
import { listReachable } from "../room/listing.ts";
import type { Committed, Operations } from "../room/operations.ts";
import type { Rooms } from "../room/rooms.ts";
import { toBatonError } from "../room/session.ts";
import type { Store } from "../store/store.ts";
import { bodyLimit } from "./body-limit.ts";
import { addressOfRequest, callers, departure, lifeOf, type CallersOptions, type Env } from "./callers.ts";
import { devtools } from "./devtools.ts";
import { eventStream, STREAM_HEADERS } from "./event-stream.ts";
import { guards, type GuardOptions } from "./guards.ts";
import { pages } from "./pages.ts";
import { problemResponse } from "./problem.ts";
import { routes } from "./routes.ts";
import { tokenRoutes } from "./token-routes.ts";

export interface AppContext extends CallersOptions, GuardOptions {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly operations: Operations;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Folder of the built dashboard. */
  readonly dashboardDir: string;
  readonly version: string;
}

/** Without a limit. */
const PROBES: ReadonlySet<string> = new Set([routes.health.path, routes.ready.path]);

export function createApp(context: AppContext): OpenAPIHono<Env> {
  const { store, rooms, operations, door } = context;
  const app = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) throw invalidMessage(result.error, `The ${result.target}`);
    },
  });

  app.onError((error, c) => {
    // A client that has left reads no answer, and its leaving is nobody's failure.
    if (!(error instanceof BatonError) && c.req.raw.signal.aborted)
      return new Response(null, { status: 499 });
    const known = httpError(error);
    if (known.code === "internal") context.log.error({ err: error }, "a request failed");
    context.metrics.refusals.inc({ code: known.code });
    // Those without a valid token are on record already, and so are refused changes.
    if (known.code === "forbidden" && c.get("caller"))
      door.refused(c.get("caller"), operationOf(known) ?? "request", known, sandboxIn(c.req.path));
    return problemResponse(known);
  });
  app.notFound((c) =>
    problemResponse(
      new BatonError("not_found", `There is nothing at ${c.req.path}. /openapi.json lists the calls.`),
    ),
  );

  guards(app, context);
  app.use(async (c, next) => {
    const address = addressOfRequest(c, door);
    c.set("address", address);
    // Whoever watches over the gateway must not take it for dead because others ask for too much.
    if (!PROBES.has(c.req.path)) door.limits.request(address);
    await next();
  });
  for (const path of ["/v1/*", "/json/*", "/json", "/metrics"]) app.use(path, callers(context));
  app.use("/v1/*", bodyLimit(MAX_MESSAGE_BYTES));

  // The validator takes a body of another type for none, and a call whose fields are all optional would go through.
  app.use("/v1/*", async (c, next) => {
    const { headers } = c.req.raw;
    const sent = headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;
    if (sent && !/^application\/json *(;|$)/i.test(headers.get("content-type") ?? "")) throw notJson();
    const identity = c.get("identity");
    if (sent && door.auth && identity) {
      // A body may take its time, and its token end meanwhile.
      await c.req.text();
      door.auth.checkStill(identity);
    }
    await next();
  });

  app.openapi(routes.createSandbox, async (c) => {
    const caller = c.get("caller");
    authorize(caller, "sandbox.create");
    const { sandboxId = newId(caller.grant), browser = null, agentPolicy } = c.req.valid("json");
    authorize(caller, "sandbox.create", sandboxId);
    door.limits.kind(caller.name, "sandbox.create");
    const sandbox = await rooms.create(sandboxId, browser, caller, departure(c), agentPolicy);
    await door.did(caller, { action: "sandbox.create", sandboxId, epoch: sandbox.epoch });
    return c.json({ ok: true as const, sandbox, previewUrl: `${context.publicUrl()}/s/${sandboxId}` }, 200);
  });
  app.openapi(routes.listSandboxes, async (c) => {
    const caller = c.get("caller");
    authorize(caller, "lobby.join");
    const { cursor, limit } = c.req.valid("query");
    const page = await listReachable(store, caller.grant, { limit, ...(cursor !== undefined && { cursor }) });
    return c.json(
      { sandboxes: [...page.sandboxes], ...(page.cursor !== undefined && { cursor: page.cursor }) },
      200,
    );
  });
  app.openapi(routes.getSandbox, async (c) => {
    const { id } = c.req.valid("param");
    authorize(c.get("caller"), "sandbox.join", id);
    const read = await store.read(id, null);
    if (read?.kind !== "snapshot") throw sandboxNotFound(id);
    return c.json(
      { ok: true as const, sandbox: read.snapshot, previewUrl: `${context.publicUrl()}/s/${id}` },
      200,
    );
  });
  app.openapi(routes.removeSandbox, async (c) => {
    const { id } = c.req.valid("param");
    authorize(c.get("caller"), "sandbox.remove", id);
    await rooms.remove(id);
    await door.did(c.get("caller"), { action: "sandbox.remove", sandboxId: id });
    return c.json({ ok: true as const }, 200);
  });
  app.openapi(routes.getHandoff, async (c) => {
    const { id } = c.req.valid("param");
    const { wait } = c.req.valid("query");
    const caller = c.get("caller");
    if (wait === 0) return c.json(await operations.get(id, caller), 200);
    const { signal, done } = lifeOf(c, door);
    try {
      return c.json(await operations.waitForEnd(id, caller, wait * 1_000, signal), 200);
    } finally {
      done();
    }
  });
  app.openapi(routes.events, async (c) => {
    const caller = c.get("caller");
    const { id } = c.req.valid("param");
    authorize(caller, "sandbox.join", id);
    const since =
      c.req.valid("query").since ??
      PositionText.optional().catch(undefined).parse(c.req.header("last-event-id"));
    // A stream is not JSON: the typed answer is only the other branch's.
    if (c.req.header("accept")?.includes("text/event-stream")) {
      // Nobody would read the stream, and nobody would end it.
      if (c.req.method === "HEAD") {
        if (!(await store.load(id))) throw sandboxNotFound(id);
        return new Response(null, { headers: STREAM_HEADERS }) as never;
      }
      return (await eventStream(rooms, id, caller, since, lifeOf(c, door))) as never;
    }
    const read = await store.read(id, since ?? null);
    if (!read) throw sandboxNotFound(id);
    return c.json(
      read.kind === "events" ? { events: [...read.events] } : { events: [], snapshot: read.snapshot },
      200,
    );
  });

  const answer = async (committed: Promise<Committed>): Promise<HandoffResult> => (await committed).settled;
  app.openapi(routes.requestHandoff, async (c) =>
    c.json(
      await answer(operations.request(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))),
      200,
    ),
  );
  app.openapi(routes.acceptHandoff, async (c) =>
    c.json(
      await answer(operations.accept(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))),
      200,
    ),
  );
  app.openapi(routes.completeHandoff, async (c) => {
    // It may wait for the agent's answer to the resume prompt: whose token ends meanwhile does not read that.
    const { signal, done } = lifeOf(c, door);
    try {
      const { id } = c.req.valid("param");
      const result = answer(operations.complete(id, c.get("caller"), c.req.valid("json")));
      return c.json(await unlessAborted(result, signal), 200);
    } finally {
      done();
    }
  });
  app.openapi(routes.cancelHandoff, async (c) =>
    c.json(
      await answer(operations.cancel(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))),
      200,
    ),
  );
  app.openapi(routes.takeControl, async (c) =>
    c.json(await answer(operations.take(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))), 200),
  );
  app.openapi(routes.releaseControl, async (c) =>
    c.json(
      await answer(operations.release(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))),
      200,
    ),
  );
  app.openapi(routes.passControl, async (c) =>
    c.json(await answer(operations.pass(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))), 200),
  );
  app.openapi(routes.setPrivacy, async (c) =>
    c.json(
      await answer(operations.setPrivacy(c.req.valid("param").id, c.get("caller"), c.req.valid("json"))),
      200,
    ),
  );
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Baton",
      version: context.version,
      description: `Realtime calls: WebSocket /v1/connect, subprotocol baton.v${PROTOCOL_VERSION}.`,
    },
  });
  app.openapi(routes.health, (c) => c.json({ ok: true }, 200));
  app.openapi(routes.ready, async (c) => {
    const ready = context.accepting() && (await store.healthy().catch(() => false));
    return c.json({ ok: ready }, ready ? 200 : 503);
  });
  app.openapi(routes.metrics, async (c) => {
    authorize(c.get("caller"), "metrics.read");
    return c.text(await context.metrics.text(), 200, {
      "content-type": context.metrics.registry.contentType,
    });
  });
  tokenRoutes(app, context);

  devtools(app, context);
  refuseOtherMethods(app);
  pages(app, context.dashboardDir);
  return app;
}

function refuseOtherMethods(app: OpenAPIHono<Env>): void {
  const methods = new Map([["/openapi.json", new Set(["GET", "HEAD"])]]);
  for (const route of Object.values(routes)) {
    const path = route.getRoutingPath();
    const known = methods.get(path) ?? new Set();
    methods.set(path, known.add(route.method.toUpperCase()));
    if (route.method === "get") known.add("HEAD");
  }
  for (const [path, known] of methods) {
    const allow = [...known].sort().join(", ");
    app.all(path, (c) => {
      throw new BatonError(
        "method_not_allowed",
        `${c.req.path} does not answer ${c.req.method}. Use ${allow}; /openapi.json lists the calls.`,
        { allow },
      );
    });
  }
}

/** What a refused caller may not use. */
function operationOf({ details }: BatonError): Operation | undefined {
  const operation = details?.["operation"];
  return typeof operation === "string" && operation in ACCESS ? (operation as Operation) : undefined;
}

function sandboxIn(path: string): { sandboxId?: string } {
  const { data } = SandboxId.safeParse(/^\/v1\/sandboxes\/([^/]+)/.exec(path)?.[1]);
  return data === undefined ? {} : { sandboxId: data };
}

/** @throws the signal's reason when it aborts first */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let aborted = (): void => {};
  const abortion = new Promise<never>((_, reject) => {
    aborted = () => reject(signal.reason as Error);
    signal.addEventListener("abort", aborted, { once: true });
  });
  try {
    return await Promise.race([promise, abortion]);
  } finally {
    signal.removeEventListener("abort", aborted);
  }
}

/** An id that the caller's own token reaches. @throws BatonError `forbidden` */
function newId({ sandboxes }: Grant): string {
  const beginning = sandboxes.find((scope) => scope.endsWith("*"))?.slice(0, -1);
  if (beginning !== undefined) return `${beginning}${nanoid(12)}`.slice(0, 64);
  throw new BatonError(
    "forbidden",
    "This token reaches certain sandboxes only, none of a new name. Send the `sandboxId` of one of them.",
    { operation: "sandbox.create" },
  );
}

/** Errors of the HTTP library in our words. */
function httpError(error: Error): BatonError {
  // 415: a body that says it is something else, and is empty.
  if (error instanceof HTTPException && (error.status === 400 || error.status === 415)) {
    return notJson(error);
  }
  return toBatonError(error);
}

function notJson(cause?: Error): BatonError {
  return new BatonError(
    "invalid_json",
    "The body is not JSON. Send one JSON object with content-type application/json.",
    undefined,
    { cause },
  );
}
