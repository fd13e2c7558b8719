/** What a Puppeteer scenario is given. */
import { connect, type Browser, type BrowserContext, type Page } from "puppeteer-core";
import type { Scenario } from "./scenario.ts";
import type { Target } from "./targets.ts";

/** Longest that an action may wait for what it needs; far beyond what it takes on a busy machine. */
const ACTION_MS = 8_000;

export interface PuppeteerBench extends Target {
  readonly browser: Browser;
  /**
   * A new page at `path` of the site, closed after the scenario; `alone` in a context of its own. Otherwise it shares one
   * with other scenarios, which must leave that as they found it: a context takes time.
   */
  readonly open: (path: string, alone?: "alone") => Promise<Page>;
  readonly shared: BrowserContext;
  /** A page of it that stays. */
  readonly kept: Page;
}

export type PuppeteerScenario = Scenario<PuppeteerBench>;

export async function connectPuppeteer(target: Target): Promise<PuppeteerBench> {
  const browser = await connect({ browserWSEndpoint: target.endpoints.ws });
  const shared = await browser.createBrowserContext();
  // Without a page that stays, each scenario would open and close a window of the browser, which takes longer than itself.
  const kept = await shared.newPage();
  const open = async (path: string, alone?: "alone"): Promise<Page> => {
    const context = alone ? await browser.createBrowserContext() : shared;
    const page = await context.newPage();
    page.setDefaultTimeout(ACTION_MS);
    await page.goto(target.site.url + path);
    return page;
  };
  return { ...target, browser, open, shared, kept };
}

/** Closes what a scenario opened. */
export async function tidyPuppeteer({ browser, shared, kept }: PuppeteerBench): Promise<void> {
  for (const page of await shared.pages()) if (page !== kept) await page.close();
  const stay = [browser.defaultBrowserContext(), shared];
  for (const context of browser.browserContexts()) if (!stay.includes(context)) await context.close();
}
