/**
 * The whole story with a real Chromium on both ends: an agent drives one through the gateway, a person uses the
 * dashboard in another by mouse and keyboard, and the site's own record of DOM events says what reached the page.
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAgent } from "../../examples/login-handoff/agent.ts";
import { startDemoSite, type DemoSite } from "../../examples/login-handoff/site/site.ts";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import type { BatonClient } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { chromiumPath, launchPersonBrowser, observe, pictureOn } from "../support/browser.ts";
import { until } from "../support/gateway.ts";

const STORY_MS = 60_000;
const VIEWPORT = { width: 1280, height: 800 };

let site: DemoSite;
let gateway: Gateway;
let sandboxBrowser: LaunchedBrowser;
let insight: Browser;
let personBrowser: Browser;
let page: Page;
let agent: BatonClient;
let url: string;
const signal = AbortSignal.timeout(STORY_MS);

beforeAll(async () => {
  site = await startDemoSite();
  const provider = chromiumProvider({ executablePath: await chromiumPath() });
  sandboxBrowser = await provider.launch({ url: site.url });
  const endpoint = await sandboxBrowser.endpoint(signal);
  gateway = createGateway({ port: 0, browsers: provider });
  url = await gateway.listen();
  agent = connect({ url, role: "agent", name: "bot" });
  const worker = connect({ url, role: "worker", name: "backend" });
  await worker.createSandbox({ sandboxId: "bank", browser: { cdpUrl: endpoint } });
  worker.close();
  insight = await observe(endpoint);
  personBrowser = await launchPersonBrowser();
  page = await personBrowser.newPage({ viewport: { width: 1280, height: 900 } });
});

afterAll(async () => {
  agent?.close();
  await personBrowser?.close();
  await insight?.close();
  await gateway?.close();
  await sandboxBrowser?.close();
  await site?.close();
});

describe("an agent is stuck at a login, a person takes over and hands back", () => {
  it(
    "C1, C4, R1: the person's hand alone reaches the page, and the agent goes on from where the person left",
    { timeout: STORY_MS },
    async () => {
      const sandbox = agent.sandbox("bank");
      const said: string[] = [];
      const story = runAgent(sandbox, { siteUrl: site.url, signal, say: (line) => said.push(line) });
      story.catch(() => {}); // Awaited at the end; a failure before that is the one to report.
      await until(sandbox, (update) => update.sandbox.handoff?.status === "pending", signal);
      expect((await sandbox.getHandoff()).preview).toMatchObject({ status: "live", controlMode: "shared" });
      const waited = sandbox.waitForHandoff({ signal });
      waited.catch(() => {});

      // The queue shows it; the person claims it there and lands in the viewer.
      await page.goto(url);
      await page.getByTestId("name-input").first().waitFor();
      await page.getByTestId("queue-item").getByTestId("claim").click();
      await page.waitForURL(`${url}/s/bank`);
      await page
        .getByTestId("control-banner")
        .getByText(/you are driving/i)
        .waitFor();
      const controller = sandbox.current?.sandbox.control.controller;
      expect(controller).toBeTruthy();

      site.clearEvents();
      // All the while the agent tries to go on. Every attempt is refused.
      const refused: unknown[] = [];
      const person = new AbortController();
      const stubborn = (async () => {
        while (!person.signal.aborted) {
          await sandbox.input.type("Q").catch((error: unknown) => refused.push(error));
          await sandbox.input.click(640, 400).catch((error: unknown) => refused.push(error));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();

      // A popup is followed, and closing it goes back.
      const mfa = await sitePage("/mfa");
      await clickOn(mfa, "#open-help");
      const help = await sitePage("/help");
      await page.locator('.tab-select[aria-current="page"]', { hasText: /help/i }).waitFor();
      await clickOn(help, "#question");
      await page.keyboard.type("where is my phone");
      await expectValue(help, "#question", "where is my phone");
      const closed = help.waitForEvent("close");
      await clickOn(help, "#close-help");
      await closed;
      await until(sandbox, ({ tabs }) => tabs.length === 1 && tabs[0]?.url === `${site.url}/mfa`, signal);

      // The code, by keyboard.
      await clickOn(mfa, "#code");
      await page.keyboard.type(site.mfaCode);
      await page.keyboard.press("Enter");

      // The slider wants a true drag.
      await mfa.waitForURL(`${site.url}/robot-check`);
      const handle = await centre(mfa, "#slider-handle");
      const track = await mfa.locator("#slider-track").boundingBox();
      if (!track) throw new Error("no slider");
      const at = await pictureOn(page, VIEWPORT.width, VIEWPORT.height);
      const from = at(handle.x, handle.y);
      const to = at(track.x + track.width - 2, handle.y);
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      // As a person drags: on when the handle has followed.
      for (const share of [0.25, 0.5, 0.75, 1]) {
        const before = (await centre(mfa, "#slider-handle")).x;
        await page.mouse.move(from.x + (to.x - from.x) * share, from.y, { steps: 4 });
        await mfa.waitForFunction(
          ([selector, x]) => {
            const box = document.querySelector(selector)?.getBoundingClientRect();
            return box !== undefined && box.x + box.width / 2 > x + 1;
          },
          ["#slider-handle", before] as const,
        );
      }
      await page.mouse.up();
      await mfa.waitForURL(`${site.url}/account`);

      // Text, another tab, and a dialog that only the person may answer.
      await clickOn(mfa, "#transfer-note");
      await page.keyboard.type("Rent for May");
      await expectValue(mfa, "#transfer-note", "Rent for May");
      await clickOn(mfa, "#approve-transfer");
      await page.getByTestId("dialog-accept").click();
      await site.waitForEvent(({ type, target }) => type === "click" && target === "approve-transfer", {
        signal,
      });
      await clickOn(mfa, "#open-statement");
      const statement = await sitePage("/statement");

      person.abort();
      await stubborn;
      await statement.evaluate(() =>
        (window as unknown as { __flushed?: () => Promise<void> }).__flushed?.(),
      );
      const during = site.events();

      // Done, with a note.
      await page.getByTestId("done").click();
      await page
        .getByTestId("done-note")
        .fill("Signed in and approved. The statement is open in the second tab.");
      await page.getByTestId("done-submit").click();
      expect(await story).toBe("completed");
      expect(await waited).toMatchObject({
        status: "completed",
        controller,
        note: expect.stringContaining("statement is open") as string,
      });

      // The agent's handler got prompt and note; its answer is what the person's call resolved to.
      const answered = await until(sandbox, (update) => update.sandbox.resume?.status === "answered", signal);
      expect(answered.sandbox.resume?.response).toBe("I am on /statement and go on from there.");
      await page.getByTestId("outcome").getByText("I am on /statement and go on from there.").waitFor();
      expect(said).toContain(
        "resumed with: You are signed in. Read the account page and prepare the transfer.",
      );
      expect(said).toContain(
        "the person wrote: Signed in and approved. The statement is open in the second tab.",
      );

      // Nothing of the agent's reached any page while the person drove.
      expect(refused.length).toBeGreaterThan(0);
      for (const error of refused)
        expect(error).toMatchObject({ code: "not_controller", details: { controller } });
      expect(during.filter(({ key, value }) => key === "Q" || value?.includes("Q"))).toEqual([]);
      const clicks = during.filter(({ type }) => type === "click").map(({ target }) => target);
      expect(clicks).toEqual([
        "open-help",
        "question",
        "close-help",
        "code",
        // Chromium's own: Enter presses the form's button, and a drag ends with a click.
        "verify",
        "slider-handle",
        "transfer-note",
        "approve-transfer",
        "open-statement",
      ]);
      const typed = during.filter(({ type }) => type === "keydown").map(({ key }) => key);
      expect(typed.join("")).toBe(`where is my phone${site.mfaCode}EnterRent for May`);

      // Tabs, cookies and text are as the person left them, and it is the agent's turn again.
      const after = sandbox.current?.tabs.map(({ url: address, active }) => [
        new URL(address).pathname,
        active,
      ]);
      expect(after).toEqual([
        ["/account", false],
        ["/statement", true],
      ]);
      await expectValue(mfa, "#transfer-note", "Rent for May");
      const cookies = await insight.contexts()[0]?.cookies(site.url);
      expect(cookies?.length).toBeGreaterThan(0);
      const whoami = await statement.evaluate(
        async () => (await fetch("/whoami")).json() as Promise<unknown>,
      );
      expect(whoami).toMatchObject({ username: "ada", mfa: true, robotCheck: true });
      await sandbox.input.type("Q");
      await site.waitForEvent(({ key, page: path }) => key === "Q" && path === "/statement", { signal });
    },
  );
});

/** The sandbox's page at a path, once it is there and drawn. */
async function sitePage(path: string): Promise<Page> {
  const context = insight.contexts()[0];
  if (!context) throw new Error("the sandbox's browser has no context");
  const there = (candidate: Page): boolean => candidate.url() === `${site.url}${path}`;
  const found = context.pages().find(there) ?? (await context.waitForEvent("page"));
  await found.waitForURL(`${site.url}${path}`);
  await found.waitForLoadState("load");
  return found;
}

async function centre(target: Page, selector: string): Promise<{ x: number; y: number }> {
  const box = await target.locator(selector).boundingBox();
  if (!box) throw new Error(`${selector} is not on ${target.url()}`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Clicks where the person sees an element of the sandbox's page. */
async function clickOn(target: Page, selector: string): Promise<void> {
  const viewport = await target.evaluate(() => ({ width: window.innerWidth, height: window.innerHeight }));
  const { x, y } = await centre(target, selector);
  // The person sees the tab before they click on it: the picture on the stage is of this viewport.
  await page.getByText(`${viewport.width} × ${viewport.height}`).waitFor();
  const spot = (await pictureOn(page, viewport.width, viewport.height))(x, y);
  await page.mouse.click(spot.x, spot.y);
}

async function expectValue(target: Page, selector: string, value: string): Promise<void> {
  await target.waitForFunction(
    ([where, wanted]) => document.querySelector<HTMLInputElement>(where ?? "")?.value === wanted,
    [selector, value] as const,
  );
}
