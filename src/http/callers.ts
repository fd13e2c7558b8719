/** Who calls over HTTP, and for how long. */
import type { Context, MiddlewareHandler } from "hono";
import { invalidMessage } from "../../protocol/codec.ts";
import { CallerHeaders } from "../../protocol/http.ts";
import { callerOf } from "../auth/auth.ts";
import { refuseTokenInAddress, tokenOf } from "../auth/bearer.ts";
import type { Door } from "../auth/door.ts";
import { unauthorized, type Identity } from "../auth/identity.ts";
import { countedAs, OPEN_GRANT, type Caller } from "../core/access.ts";
import type { RequestInfo } from "../transport/transport.ts";

/** What the app knows of a request. */
export interface Env {
  Bindings: RequestInfo;
  Variables: { address: string; caller: Caller; identity: Identity | undefined };
}

export interface CallersOptions {
  readonly door: Door;
}

/** Where a request really comes from, as far as trusted proxies say. */
export function addressOfRequest(c: Context<Env>, door: Door): string {
  const headers = forwardedOf(c);
  // Requests that tests hand to the app directly came over no connection.
  return door.addressOf({
    remoteAddress: (c.env as Partial<RequestInfo>).remoteAddress ?? "unknown",
    headers,
  });
}

/** Names the caller, for the handlers behind it. @throws BatonError `unauthorized`, `unavailable`, `invalid_message` */
export function callers({ door }: CallersOptions): MiddlewareHandler<Env> {
  const { auth, limits } = door;
  return async (c, next) => {
    door.refuseForwarded({ headers: forwardedOf(c) });
    const address = c.get("address");
    refuseTokenInAddress(new URL(c.req.url).searchParams);
    if (auth) {
      const token = tokenOf({ headers: { authorization: c.req.header("authorization") } });
      const identity = await door.identify(auth, token, address);
      c.set("identity", identity);
      c.set("caller", callerOf(identity, address));
    } else {
      c.set("identity", undefined);
      c.set("caller", { ...selfNamed(c), grant: OPEN_GRANT, address });
    }
    limits.call(countedAs(c.get("caller")));
    await next();
  };
}

/**
 * A signal that aborts with the request, or when its token expires or is revoked: nothing that is answered slowly
 * outlives the right to it. `done` lets go of it.
 * @throws BatonError `too_many`
 */
export function lifeOf(c: Context<Env>, { auth, limits }: Door): { signal: AbortSignal; done: () => void } {
  const leave = limits.wait(countedAs(c.get("caller")));
  const ending = new AbortController();
  const departed = departure(c);
  const left = (): void => ending.abort(departed.reason);
  departed.addEventListener("abort", left, { once: true });
  const identity = c.get("identity");
  const watch =
    identity &&
    auth?.watch(identity, (how) =>
      ending.abort(unauthorized(how === "token_expired" ? "expired" : "revoked")),
    );
  const done = (): void => {
    departed.removeEventListener("abort", left);
    watch?.stop();
    leave();
  };
  if (departed.aborted) left();
  return { signal: ending.signal, done };
}

/** Aborts when nobody waits for the answer, with an `Error`: the server's own reason is none, and gets past `onError`. */
export function departure(c: Context<Env>): AbortSignal {
  const { signal } = c.req.raw;
  const leaving = new AbortController();
  const leave = (): void => leaving.abort(new Error("the client has left"));
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return leaving.signal;
}

function forwardedOf(c: Context<Env>): Readonly<Record<string, string | undefined>> {
  return { "x-forwarded-for": c.req.header("x-forwarded-for"), forwarded: c.req.header("forwarded") };
}

function selfNamed(c: Context<Env>): Pick<Caller, "name" | "role"> {
  const given = ["x-baton-name", "x-baton-role"].flatMap((name) => {
    const value = c.req.header(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const headers = CallerHeaders.safeParse(Object.fromEntries(given));
  if (!headers.success) throw invalidMessage(headers.error, "The headers");
  return { name: headers.data["x-baton-name"] ?? "http", role: headers.data["x-baton-role"] ?? "sdk" };
}
