/** The person's own browser in tests: a real Chromium that uses the dashboard by mouse and keyboard. */
import { chromium, type Browser, type Page } from "playwright-core";
import { findChromium } from "../../src/browser/find-chromium.ts";

/** For the browser of the person, and for looking into the sandbox's. */
export const CHROMIUM_ARGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function chromiumPath(): Promise<string> {
  const asked = process.env["BATON_CHROMIUM"];
  return findChromium({
    ...(asked !== undefined && { executablePath: asked }),
    searchPath: process.env["PATH"] ?? "",
  });
}

export async function launchPersonBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await chromiumPath(), args: CHROMIUM_ARGS });
}

/**
 * Looks into the sandbox's browser beside the gateway. Leaves dialogs open: they are the person's to answer, and
 * Playwright closes those that nobody listens to.
 */
export async function observe(cdpEndpoint: string): Promise<Browser> {
  const browser = await chromium.connectOverCDP(cdpEndpoint);
  const leaveDialogs = (page: Page): void => void page.on("dialog", () => {});
  for (const context of browser.contexts()) {
    context.pages().forEach(leaveDialogs);
    context.on("page", leaveDialogs);
  }
  return browser;
}

/** Where the live picture of `width` by `height` CSS pixels lies on the dashboard's page. */
export async function pictureOn(
  page: Page,
  width: number,
  height: number,
): Promise<(x: number, y: number) => { x: number; y: number }> {
  const stage = await page.getByTestId("viewer-canvas").boundingBox();
  if (!stage) throw new Error("the viewer shows no picture");
  const scale = Math.min(stage.width / width, stage.height / height);
  const left = stage.x + (stage.width - width * scale) / 2;
  const top = stage.y + (stage.height - height * scale) / 2;
  return (x, y) => ({ x: left + x * scale, y: top + y * scale });
}
