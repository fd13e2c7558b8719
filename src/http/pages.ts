/** The dashboard and the embeddable viewer: static files of one small app, which reads the path by itself. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Env } from "./callers.ts";

export function pages(app: OpenAPIHono<Env>, dashboardDir: string): void {
  // Built files carry a hash of their content in their names.
  app.use(
    "/assets/*",
    serveStatic({
      root: dashboardDir,
      onFound: (_path, c) => c.header("cache-control", "public, max-age=31536000, immutable"),
    }),
  );
  app.get("/favicon.svg", serveStatic({ root: dashboardDir }));
  for (const path of ["/", "/s/:sandboxId{[A-Za-z0-9_-]{1,64}}"]) {
    app.get(path, async (c) => {
      try {
        return c.html(await readFile(join(dashboardDir, "index.html"), "utf8"), 200, {
          "cache-control": "no-cache",
        });
      } catch {
        return c.text("The dashboard is not built. Run `npm run build` and reload this page.\n", 503);
      }
    });
  }
}
