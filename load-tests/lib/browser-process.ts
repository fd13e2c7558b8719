/** A real Chromium on a page that never stands still, and the site that serves it. */
import { startDemoSite } from "../../examples/login-handoff/site/site.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { findChromium } from "../../src/browser/find-chromium.ts";
import { serve } from "./processes.ts";

const START_MS = 20_000;

serve(async () => {
  const asked = process.env["BATON_CHROMIUM"];
  const executablePath = await findChromium({
    ...(asked !== undefined && { executablePath: asked }),
    searchPath: process.env["PATH"] ?? "",
  });
  const site = await startDemoSite();
  try {
    const browser = await chromiumProvider({ executablePath }).launch({ url: `${site.url}/animate` });
    const cdpUrl = await browser.endpoint(AbortSignal.timeout(START_MS));
    return {
      info: { cdpUrl },
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
