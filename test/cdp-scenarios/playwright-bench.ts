/** What a Playwright scenario is given. */
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import type { Scenario } from "./scenario.ts";
import type { Target } from "./targets.ts";

/** Longest that an action may wait for its element; far beyond what it takes on a busy machine. */
const ACTION_MS = 8_000;

export interface PlaywrightBench extends Target {
  readonly browser: Browser;
  /**
   * A new page at `path` of the site, closed after the scenario. With `options`, even empty ones, it has a context of its
   * own; without, it shares one with other scenarios, which must leave that as they found it: a context takes time.
   */
  readonly open: (path: string, options?: BrowserContextOptions) => Promise<Page>;
}

export type PlaywrightScenario = Scenario<PlaywrightBench>;

export async function connectPlaywright(target: Target): Promise<PlaywrightBench> {
  const browser = await chromium.connectOverCDP(target.endpoints.ws);
  const shared = await browser.newContext();
  // Without a page that stays, each scenario would open and close a window of the browser, which takes longer than itself.
  await shared.newPage();
  const open = async (path: string, options?: BrowserContextOptions): Promise<Page> => {
    const context = options ? await browser.newContext(options) : shared;
    context.setDefaultTimeout(ACTION_MS);
    const page = await context.newPage();
    await page.goto(target.site.url + path);
    return page;
  };
  return { ...target, browser, open };
}

/** Closes what a scenario opened. */
export async function tidyPlaywright({ browser }: PlaywrightBench): Promise<void> {
  const [, shared, ...others] = browser.contexts();
  for (const page of shared?.pages().slice(1) ?? []) await page.close();
  for (const context of others) await context.close();
}
