/**
 * A real Chromium and the site that it is on: the example site's page that never stands still, or, with an argument,
 * that page of the benchmark's own, which does.
 */
import { startDemoSite } from "../../examples/login-handoff/site/site.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { findChromium } from "../../src/browser/find-chromium.ts";
import { startBenchSite } from "./bench-site.ts";
import { serve } from "./processes.ts";

const START_MS = 20_000;

serve(async ([page]) => {
  const asked = process.env["BATON_CHROMIUM"];
  const executablePath = await findChromium({
    ...(asked !== undefined && { executablePath: asked }),
    searchPath: process.env["PATH"] ?? "",
  });
  const site = page === undefined ? await startDemoSite() : await startBenchSite();
  const url = `${site.url}${page ?? "/animate"}`;
  try {
    const browser = await chromiumProvider({ executablePath }).launch({ url });
    const cdpUrl = await browser.endpoint(AbortSignal.timeout(START_MS));
    return {
      info: { cdpUrl, pageUrl: url },
      close: async () => {
        await browser.close();
        await site.close();
      },
    };
  } catch (error) {
    await site.close();
    throw error;
  }
});
