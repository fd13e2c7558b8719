/**
 * G3 as people see it: one drives in private in the dashboard, another has the same page open, and an agent waits at the
 * CDP gate.
 */
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import { connect } from "../../src/sdk/node.ts";
import { chromiumPath, launchPersonBrowser } from "../support/browser.ts";

const SECRET_TITLE = "Account 4711";

let sandboxBrowser: LaunchedBrowser;
let gateway: Gateway;
let people: Browser;
let agent: Browser;
let url: string;

beforeAll(async () => {
  const provider = chromiumProvider({ executablePath: await chromiumPath() });
  sandboxBrowser = await provider.launch({
    url: `data:text/html,<title>${SECRET_TITLE}</title><body style="background:%23c00"><h1>1234</h1>`,
  });
  gateway = createGateway({ port: 0, browsers: provider });
  url = await gateway.listen();
  const worker = connect({ url, role: "worker", name: "backend" });
  await worker.createSandbox({
    sandboxId: "bank",
    browser: { cdpUrl: await sandboxBrowser.endpoint(AbortSignal.timeout(20_000)) },
  });
  worker.close();
  agent = await chromium.connectOverCDP(`${url}/v1/sandboxes/bank/cdp?name=checkout-bot`);
  people = await launchPersonBrowser();
});

afterAll(async () => {
  await agent?.close();
  await people?.close();
  await gateway?.close();
  await sandboxBrowser?.close();
});

async function openAs(name: string): Promise<Page> {
  const context = await people.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByTestId("name-input").first().fill(name);
  await page.getByTestId("name-input").first().press("Enter");
  await page.goto(`${url}/s/bank`);
  await shows(page);
  return page;
}

/** Waits until the page's red is in the picture, and its title in the tab strip. */
async function shows(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="viewer-canvas"]');
    const pixel = canvas?.getContext("2d")?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return pixel !== undefined && pixel[0] !== undefined && pixel[0] > 150 && pixel[3] === 255;
  });
  await page.locator(".tab-select", { hasText: SECRET_TITLE }).waitFor();
}

/** Everything of the sandbox's page that another page shows: opaque pixels, and its title anywhere. */
function remains(page: Page): Promise<{ pixels: number; title: boolean }> {
  return page.evaluate((title) => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="viewer-canvas"]');
    const data =
      canvas && canvas.width > 0 && canvas.height > 0
        ? (canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [])
        : [];
    return {
      pixels: [...data].filter((_, index) => index % 4 === 3 && data[index] !== 0).length,
      title: document.documentElement.outerHTML.includes(title),
    };
  }, SECRET_TITLE);
}

describe("a private takeover in the dashboard", () => {
  it("G3: hides the page from the other viewer, says so to both, counts what waits, and shows it again", async () => {
    const [ana, ben] = await Promise.all([openAs("ana"), openAs("ben")]);
    await ana.getByRole("button", { name: /take control privately/i }).click();
    await ana
      .getByTestId("control-banner")
      .getByText(/you are driving in private/i)
      .waitFor();
    await ben.getByTestId("curtain").getByText("ana drives in private").waitFor();
    expect(await remains(ben)).toEqual({ pixels: 0, title: false });
    await shows(ana);

    const held = agent.contexts()[0]?.pages()[0]?.title();
    await ana.getByTestId("held").getByText("1 command waits for you").waitFor();
    await ben.getByTestId("held").getByText("1 command waits for ana").waitFor();

    await ana.getByRole("button", { name: /give back|release/i }).click();
    expect(await held).toBe(SECRET_TITLE);
    await shows(ben);
    expect(await ben.getByTestId("curtain").count()).toBe(0);
    await ana.getByTestId("held").waitFor({ state: "detached" });
  });
});
