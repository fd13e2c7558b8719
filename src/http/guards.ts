/** What is asked of every request before it is anybody's: where it comes from, where it goes, how large it is. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { BatonError } from "../../protocol/errors.ts";
import type { Env } from "./callers.ts";
import type { Origins } from "./origins.ts";

export interface GuardOptions {
  readonly origins: Origins;
  readonly publicUrl: () => string;
  /** Pages that may embed the viewer, as sources of CSP's `frame-ancestors`. */
  readonly frameAncestors: readonly string[];
  /** False while shutting down. */
  readonly accepting: () => boolean;
}

/** Paths that answer callers; the others are pages, and what operations look at. */
const API = ["/v1/*", "/json/*", "/json", "/metrics"];
/** How long a browser remembers that an origin may call. */
const PREFLIGHT_S = 600;

export function guards(app: OpenAPIHono<Env>, options: GuardOptions): void {
  const { origins, publicUrl } = options;
  app.use(
    secureHeaders({
      // `frame-ancestors` says it, and says it of more than one page.
      xFrameOptions: false,
      crossOriginResourcePolicy: "same-origin",
      crossOriginOpenerPolicy: "same-origin",
      // Only where the page was reached by it: a lone developer's localhost must not be bound to https.
      strictTransportSecurity: false,
      referrerPolicy: "no-referrer",
      permissionsPolicy: { camera: false, microphone: false, geolocation: false, usb: false, payment: false },
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", "blob:", "data:"],
        fontSrc: ["'self'"],
        connectSrc: ["'self'", () => socketOrigin(publicUrl())],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: [...options.frameAncestors],
      },
    }),
  );
  app.use(async (c, next) => {
    await next();
    if (publicUrl().startsWith("https:")) c.header("strict-transport-security", "max-age=31536000");
  });
  const guard = originGuard(options);
  for (const path of API) {
    app.use(path, guard);
    const answerPreflight = cors({
      origin: (origin, c) => (origins.originAllowed(origin, c.req.header("host")) ? origin : null),
      allowMethods: ["GET", "POST", "DELETE"],
      allowHeaders: ["authorization", "content-type", "last-event-id", "x-baton-name", "x-baton-role"],
      exposeHeaders: ["retry-after"],
      maxAge: PREFLIGHT_S,
    });
    // It takes every OPTIONS for a preflight; other ones are calls with a method that is not there.
    app.use(path, (c, next) =>
      c.req.method === "OPTIONS" && c.req.header("access-control-request-method") === undefined
        ? next()
        : answerPreflight(c, next),
    );
  }
}

function originGuard({ origins, accepting }: GuardOptions): MiddlewareHandler<Env> {
  return async (c, next) => {
    const host = c.req.header("host");
    if (!origins.hostAllowed(host)) {
      throw new BatonError(
        "forbidden",
        `This gateway does not answer as ${host}. Use its own address, or set BATON_PUBLIC_URL to this one.`,
        { host },
      );
    }
    const origin = c.req.header("origin");
    if (origin !== undefined && !origins.originAllowed(origin, host)) {
      throw new BatonError(
        "forbidden",
        `Pages of ${origin} may not call this gateway. Open the dashboard from the gateway's own address, or add the origin to BATON_ALLOWED_ORIGINS.`,
        { origin },
      );
    }
    if (!accepting())
      throw new BatonError("unavailable", "The gateway is shutting down. Try again in a moment.");
    await next();
  };
}

/** Older browsers don't take `'self'` for the page's own WebSockets. */
function socketOrigin(publicUrl: string): string {
  return new URL(publicUrl).origin.replace(/^http/, "ws");
}
