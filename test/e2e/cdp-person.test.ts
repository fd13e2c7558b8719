/**
 * A person's time in a browser that an agent is connected to: tabs, requests, dialogs and files of theirs are theirs, the
 * agent's client ends nothing under them, and it knows the browser again when it drives again.
 */
import type { Page as PuppeteerPage } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { act, ACTED, drivesAgain } from "../support/cdp-acts.ts";
import { at, movedAndClicked } from "../support/cdp-site-pages.ts";
import { expectQuiet, startCdpStage, type CdpStage } from "../support/cdp-stage.ts";
import { until } from "../support/gateway.ts";
import { Inbox } from "../support/inbox.ts";
import { RawCdp } from "../support/raw-cdp.ts";

let stage: CdpStage;

beforeAll(async () => {
  stage = await startCdpStage();
});

afterAll(async () => {
  await stage?.close();
  expectQuiet(stage.log);
});

describe("while a person holds the browser", () => {
  it("G1: under observe an agent looks, and changes nothing", async () => {
    const scene = await stage.scene();
    const { page } = await scene.playwrightPage("?policy=observe");
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Baton.enable" as never);
    const evaluate = (expression: string) =>
      cdp.send("Runtime.evaluate", { expression, returnByValue: true });
    await scene.take();
    await act(scene);
    expect((await evaluate("document.title + ' ' + other.value")).result.value).toBe("desk hi");
    expect((await cdp.send("Page.captureScreenshot")).data).toMatch(/^iVBOR/);
    const refusal = await evaluate("other.value = 'no'").catch((error: Error) => error.message);
    expect(refusal).toContain("anna drives this browser now. Runtime.evaluate was not carried out.");
    // Its own mistakes stay its own.
    expect((await evaluate("nothing.at.all")).exceptionDetails?.exception?.className).toBe("ReferenceError");
    await expect(page.evaluate("one.click()")).rejects.toThrow();
    expect((await evaluate("other.value")).result.value).toBe("hi");
    const told = drivesAgain(cdp);
    await scene.giveBack();
    await told;
    // The client had taken its own tools in the page for broken.
    expect(await page.evaluate("other.value = 'yes'")).toBe("yes");
    expect(scene.held).toEqual(ACTED);
  });

  it.each([
    { policy: "hold", options: undefined },
    { policy: "hold", options: { viewport: { width: 700, height: 500 }, userAgent: "Agent/1.0" } },
    { policy: "reject", options: { viewport: { width: 700, height: 500 }, userAgent: "Agent/1.0" } },
  ])(
    "G1: a popup of theirs loads, and is the Playwright agent's to use afterwards ($policy)",
    async ({ policy, options }) => {
      const scene = await stage.scene();
      const { page } = await scene.playwrightPage(`?policy=${policy}`, "/desk", options);
      const opened = page.waitForEvent("popup");
      await scene.take();
      await scene.click("open");
      await scene.site.has("/popup runs");
      await scene.shows("/popup");
      await scene.click("two");
      await scene.giveBack();
      // Which comes first is the browser's own choice.
      expect(scene.held.filter((line) => line !== "GET /popup")).toEqual([
        ...movedAndClicked("/desk", "open"),
        "/popup runs",
        ...movedAndClicked("/popup", "two"),
      ]);
      const popup = await opened;
      await popup.waitForLoadState();
      expect(await popup.title()).toBe("popup");
      expect(await popup.locator("#text").textContent()).toBe("popped");
      await popup.click("#two");
      expect(scene.site.between("given back")).toEqual(movedAndClicked("/popup", "two"));
      if (options) {
        expect(await popup.evaluate(() => navigator.userAgent)).toBe("Agent/1.0");
        expect(popup.viewportSize()).toEqual(options.viewport);
        expect(await popup.evaluate(() => window.innerWidth)).toBe(700);
      }
      await popup.close();
      expect(page.context().pages()).toEqual([page]);
    },
  );

  it("G1: a popup of theirs loads, and is the Puppeteer agent's to use afterwards", async () => {
    const scene = await stage.scene();
    const { browser } = await scene.puppeteer();
    const [page = await browser.newPage()] = await browser.pages();
    await page.goto(`${scene.site.url}/desk`);
    await scene.shows("/desk");
    const opened = new Promise<PuppeteerPage | null>((resolve) => page.once("popup", resolve));
    await scene.take();
    await scene.click("open");
    await scene.site.has("/popup runs");
    await scene.shows("/popup");
    await scene.click("two");
    await scene.giveBack();
    const popup = await opened;
    if (!popup) throw new Error("no popup");
    expect(await popup.title()).toBe("popup");
    await popup.click("#two");
    expect(scene.site.between("given back")).toEqual(movedAndClicked("/popup", "two"));
    expect((await browser.pages()).map((each) => new URL(each.url()).pathname)).toEqual(["/desk", "/popup"]);
  });

  it("G1: requests that the agent intercepts go on, also when its handler waits for control itself", async () => {
    const scene = await stage.scene();
    const { tap, page } = await scene.playwrightPage();
    const handled = new Inbox<string>();
    let waits = false;
    await page.route("**/data", async (route) => {
      const title = waits ? await page.title() : "at once";
      await route.continue();
      handled.put(title);
    });
    await scene.take();
    await scene.click("fetch");
    await scene.site.has("/desk got data");
    expect(handled.all).toEqual(["at once"]);
    scene.site.clear();
    scene.site.mark("taken");
    waits = true;
    await scene.click("fetch");
    await scene.site.has("/desk got data");
    await tap.sync();
    expect(handled.all).toEqual(["at once"]);
    await scene.giveBack();
    // The handler goes on, and what it says about the request is not an error.
    await handled.take("the end of the second handler", (title) => title === "desk");
    expect(scene.held).toEqual([...movedAndClicked("/desk", "fetch"), "GET /data", "/desk got data"]);
  });

  it("G1: their dialog is theirs, although the agent's client answers those that nobody listens to; one that is open at the return is the agent's", async () => {
    const scene = await stage.scene();
    const { tap, page } = await scene.playwrightPage();
    await scene.take();
    await scene.click("ask");
    await until(scene.anna, ({ dialog }) => dialog?.message === "really?");
    await tap.sync();
    await scene.anna.input.answerDialog(true);
    await until(scene.anna, ({ dialog }) => dialog === null);
    await scene.click("ask");
    await until(scene.anna, ({ dialog }) => dialog !== null);
    expect(tap.messages.filter(({ method }) => method?.startsWith("Page.javascriptDialog"))).toEqual([]);
    await scene.giveBack();
    await tap.event("Page.javascriptDialogClosed");
    expect(await page.textContent("#said")).toBe("false");
    // Also one that it listens to.
    await scene.take();
    await scene.click("ask");
    await until(scene.anna, ({ dialog }) => dialog !== null);
    const asked = page.waitForEvent("dialog");
    await scene.giveBack();
    await (await asked).accept();
    expect(await page.textContent("#said")).toBe("true");
  });

  it("G1: their file chooser is not the agent's to answer; the next one of its own is", async () => {
    const scene = await stage.scene();
    const { tap, page } = await scene.playwrightPage();
    page.on("filechooser", () => {});
    const chooser = page.waitForEvent("filechooser");
    await page.click("#choose");
    await chooser;
    const told = () => tap.messages.filter(({ method }) => method === "Page.fileChooserOpened").length;
    expect(told()).toBe(1);
    await scene.take();
    await scene.click("choose");
    // The browser's own chooser opened: without a screen it is closed at once.
    await scene.site.has("/desk cancel file");
    await tap.sync();
    await scene.giveBack();
    expect(told()).toBe(1);
    const next = page.waitForEvent("filechooser");
    await page.click("#choose");
    await (await next).setFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
    expect(await page.evaluate("file.files[0].name")).toBe("a.txt");
  });

  it.each(["hold", "reject"])(
    "G1: the agent closes neither the browser nor their tab (%s)",
    async (policy) => {
      const scene = await stage.scene();
      const { tap, browser, page } = await scene.playwrightPage(`?policy=${policy}`);
      const raw = await scene.tap(`?policy=${policy}`);
      const agent = await RawCdp.open(raw.url);
      const { targetInfos } = await agent.done("Target.getTargets");
      const { targetId } = (targetInfos as { targetId: string; type: string }[]).find(
        ({ type }) => type === "page",
      ) ?? { targetId: "" };
      const session = await agent.attach(targetId);
      await scene.take();
      const closing = page.close().catch(() => {});
      const posted = [
        agent.post("Target.closeTarget", { targetId }),
        agent.post("Page.close", {}, session),
        agent.post("Target.disposeBrowserContext", { browserContextId: "x" }),
        agent.post("Page.crash", {}, session),
        agent.post("Browser.crash"),
      ];
      await tap.sync();
      await raw.sync();
      await act(scene);
      expect(
        agent.received.flatMap(({ id, result }) =>
          id !== undefined && posted.includes(id) && result ? id : [],
        ),
      ).toEqual([]);
      // This one is answered: it ends the agent's connection.
      expect(await agent.done("Browser.close")).toEqual({});
      await agent.closing();
      await act(scene);
      tap.cut();
      await closing;
      await scene.click("two");
      await scene.giveBack();
      expect(browser.isConnected()).toBe(false);
    },
  );

  it.each(["cut off", "closed"])(
    "G1: an agent that is %s leaves them their tab, and its size, until it is its turn again",
    async (how) => {
      const scene = await stage.scene();
      const { tap, browser } = await scene.playwrightPage("", "/desk", {
        viewport: { width: 700, height: 500 },
      });
      await scene.take();
      if (how === "closed") await browser.close();
      else tap.cut();
      await act(scene);
      await scene.click("two");
      await scene.giveBack();
      expect(scene.held).toEqual([...ACTED, ...movedAndClicked("/desk", "two")]);
      // Then its context goes, as it does when a client of Chromium's leaves.
      await until(scene.anna, ({ tabs }) => tabs.every(({ url }) => !url.endsWith("/desk")));
    },
  );
});

describe("when the browser is the agent's again", () => {
  it("G1, G2: its client knows where the person went, which tabs and frames there are, and that its own tab is closed", async () => {
    const scene = await stage.scene();
    const { browser, page } = await scene.playwrightPage();
    const context = page.context();
    const events: string[] = [];
    page.on("framedetached", (frame) => events.push(`detached ${frame.name()}`));
    page.on(
      "framenavigated",
      (frame) => frame === page.mainFrame() && events.push(`at ${new URL(frame.url()).pathname}`),
    );
    context.on("page", (opened) => {
      events.push("opened");
      opened.on("close", () => events.push("closed"));
    });
    await scene.take();
    await scene.click("drop");
    await scene.click("leave");
    await scene.shows("/after");
    await scene.click("one");
    await scene.anna.input.openTab();
    await scene.anna.input.navigate(`${scene.site.url}/popup`);
    await scene.shows("/popup");
    await scene.click("two");
    const opened = scene.anna.current?.tabs.find(({ active }) => active)?.tabId ?? "";
    await scene.anna.input.closeTab(opened);
    await scene.shows("/after");
    await scene.giveBack();
    expect(page.url()).toBe(`${scene.site.url}/after`);
    expect(page.frames().map((frame) => frame.name())).toEqual([""]);
    expect(await page.textContent("#text")).toBe("after");
    await page.fill("#name", "Ada");
    expect(events).toEqual(["detached frame", "at /after", "opened", "closed"]);
    // And the very tab that it works in.
    const waiting = page.waitForEvent("close");
    await scene.take();
    const [tab] = scene.anna.current?.tabs ?? [];
    const pending = page.click("#one").catch((error: Error) => error.message);
    await scene.anna.input.closeTab(tab?.tabId ?? "");
    await scene.giveBack();
    await waiting;
    expect(page.isClosed()).toBe(true);
    expect(await pending).toContain("closed");
    expect(context.pages()).toEqual([]);
    const next = await context.newPage();
    await next.goto(`${scene.site.url}/desk`);
    await next.click("#one");
    expect(browser.isConnected()).toBe(true);
  });

  it("G2: input for a document that is gone fails, and reaches no page", async () => {
    const scene = await stage.scene();
    const { tap, page } = await scene.playwrightPage();
    const cdp = await page.context().newCDPSession(page);
    const mouse = (type: "mousePressed" | "mouseReleased") =>
      cdp.send("Input.dispatchMouseEvent", { type, ...at("one"), button: "left", clickCount: 1 }).then(
        () => "done",
        (error: Error) => error.message,
      );
    await page.focus("#name");
    await scene.take();
    const held = [
      mouse("mousePressed"),
      mouse("mouseReleased"),
      cdp.send("Input.insertText", { text: "Ada" }).catch((error: Error) => error.message),
    ];
    await tap.sync();
    await scene.click("leave");
    await scene.shows("/after");
    await scene.giveBack();
    for (const message of await Promise.all(held))
      expect(message).toContain("The page that this input was meant for is gone");
    const answers = tap.messages.flatMap(({ error }) =>
      error?.data === undefined ? [] : JSON.parse(error.data),
    );
    expect(answers).toEqual([{ code: "stale" }, { code: "stale" }, { code: "stale" }]);
    await page.click("#one");
    expect(scene.site.between("given back")).toEqual(movedAndClicked("/after", "one"));
  });
});
