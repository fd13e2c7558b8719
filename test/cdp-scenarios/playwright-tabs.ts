import type { Dialog, Frame, Page } from "playwright-core";
import type { PlaywrightScenario } from "./playwright-bench.ts";
import { failure } from "./scenario.ts";

export const TAB_SCENARIOS: readonly PlaywrightScenario[] = [
  {
    name: "new tabs are opened, brought to front and closed",
    run: async ({ open, site }) => {
      const first = await open("/buttons");
      const context = first.context();
      const announced: string[] = [];
      context.on("page", () => announced.push("page"));
      const second = await context.newPage();
      await second.goto(`${site.url}/form`);
      await second.fill("#name", "second");
      await first.bringToFront();
      await first.click("#plain");
      second.on("close", () => announced.push("close"));
      const before = context.pages().length;
      await second.close();
      const late = await failure(second.click("#name"));
      return { announced, before, after: context.pages().length, late, record: site.lines("click", "input") };
    },
    proves: {
      announced: ["page", "close"],
      before: 3,
      after: 2,
      record: ["input name second", "click plain"],
    },
  },
  {
    name: "window.open: the popup, its opener, messages, closing from either side",
    run: async ({ open, site }) => {
      const page = await open("/links");
      const popup = async (trigger: string): Promise<Page> => {
        const [child] = await Promise.all([page.waitForEvent("popup"), page.click(trigger)]);
        await child.waitForLoadState();
        return child;
      };
      const first = await popup("#open");
      const opener = (await first.opener()) === page;
      const from = await first.textContent("#from");
      await first.click("#tell");
      await page.waitForFunction(() => document.querySelector("#heard")!.textContent !== "");
      await Promise.all([first.waitForEvent("close"), first.click("#leave").catch(() => {})]);
      const second = await popup("#open");
      await Promise.all([second.waitForEvent("close"), page.click("#close")]);
      const heard = await page.textContent("#heard");
      return { opener, from, heard, pages: page.context().pages().length, record: site.lines("click") };
    },
    proves: { opener: true, from: "has an opener", heard: "hello from ?open ", pages: 2 },
  },
  {
    name: "popups of another origin, and one that its opener writes",
    run: async ({ open }) => {
      const page = await open("/links");
      const [far] = await Promise.all([page.waitForEvent("popup"), page.click("#far")]);
      await far.waitForLoadState();
      await far.click("#tell");
      await page.waitForFunction(() => document.querySelector("#heard")!.textContent !== "");
      const [empty] = await Promise.all([page.waitForEvent("popup"), page.click("#empty")]);
      await empty.waitForFunction(() => document.body.textContent !== "");
      return {
        far: far.url(),
        heard: await page.textContent("#heard"),
        empty: [empty.url(), await empty.title(), await empty.textContent("body")],
      };
    },
    proves: { far: "http://other/child?far", empty: ["about:blank", "written", "by its opener"] },
  },
  {
    name: "target=_blank, with and without an opener",
    run: async ({ open }) => {
      const page = await open("/links");
      const seen = [];
      for (const link of ["#blank", "#opener"]) {
        const [child] = await Promise.all([page.context().waitForEvent("page"), page.click(link)]);
        await child.waitForLoadState();
        seen.push({
          url: child.url(),
          from: await child.textContent("#from"),
          opener: (await child.opener()) === page,
        });
        await child.close();
      }
      return { seen };
    },
    proves: {
      seen: [
        { url: "http://site/child?blank", from: "has no opener" },
        { url: "http://site/child?opener", from: "has an opener", opener: true },
      ],
    },
  },
  {
    name: "frames of the same and of another origin",
    run: async ({ open, site }) => {
      const page = await open("/frames");
      for (const name of ["near", "far"]) {
        const frame = page.frameLocator(`#${name}`);
        await frame.locator("#press").click();
        await frame.locator("#field").fill(`in ${name}`);
      }
      const far = page.frame("far");
      await page.frameLocator("#far").locator("#deeper").click();
      await far?.waitForURL("**/inner?deeper");
      return {
        origins: await Promise.all(page.frames().map((frame) => frame.evaluate(() => location.origin))),
        urls: page.frames().map((frame) => frame.url()),
        said: await page.frameLocator("#near").locator("#said").textContent(),
        parent: await (await far?.frameElement())?.getAttribute("id"),
        record: site.lines("click", "input"),
      };
    },
    proves: {
      origins: ["http://site", "http://site", "http://other"],
      said: "pressed ",
      record: ["click press", "input field in near", "click press", "input field in far", "click deeper"],
    },
  },
  {
    name: "frames come, move and go",
    run: async ({ open, site }) => {
      const page = await open("/frames");
      const events: string[] = [];
      const note = (name: string) => (frame: Frame) =>
        void events.push(`${name} ${frame.name()} ${frame.url()}`);
      page.on("frameattached", note("attached"));
      page.on("framedetached", note("detached"));
      await page.evaluate(
        async ([near, far]) => {
          for (const [name, src] of [
            ["one", near],
            ["two", far],
          ]) {
            const frame = document.createElement("iframe");
            frame.name = name!;
            frame.src = src!;
            const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
            document.querySelector("#slot")!.append(frame);
            await loaded;
          }
        },
        [`${site.url}/inner?one`, `${site.otherUrl}/inner?two`],
      );
      await page.frameLocator("[name=two]").locator("#press").click();
      const [one, two] = [page.frame("one"), page.frame("two")];
      // To the other origin and back: the frame changes its process twice.
      await one?.goto(`${site.otherUrl}/inner?moved`);
      await one?.click("#press");
      await page.evaluate((back) => {
        document.querySelector<HTMLIFrameElement>("[name=one]")!.src = back;
      }, `${site.url}/inner?back`);
      await one?.waitForURL("**/inner?back");
      const leaves = [one, two].map((frame) => page.waitForEvent("framedetached", (each) => each === frame));
      await page.evaluate(() => document.querySelector("#slot")!.replaceChildren());
      await Promise.all(leaves);
      const gone = [one?.isDetached(), two?.isDetached()];
      return { events: events.toSorted(), gone, frames: page.frames().length, record: site.lines("click") };
    },
    proves: { gone: [true, true], frames: 3, record: ["click press", "click press"] },
  },
  {
    name: "dialogs: without a listener, accepted, dismissed, answered",
    run: async ({ open, site }) => {
      const page = await open("/dialogs");
      const alone = [];
      for (const trigger of ["#alert", "#confirm", "#prompt"]) {
        await page.click(trigger);
        alone.push(await page.textContent("#said"));
      }
      const said: string[] = [];
      const answer = async (trigger: string, reply: (dialog: Dialog) => Promise<void>): Promise<void> => {
        page.once("dialog", (dialog) => {
          said.push(`${dialog.type()}: ${dialog.message()} [${dialog.defaultValue()}]`);
          void reply(dialog);
        });
        await page.click(trigger);
        said.push((await page.textContent("#said")) ?? "");
      };
      await answer("#alert", (dialog) => dialog.accept());
      await answer("#confirm", (dialog) => dialog.accept());
      await answer("#confirm", (dialog) => dialog.dismiss());
      await answer("#prompt", (dialog) => dialog.accept("Ada"));
      await answer("#prompt", (dialog) => dialog.dismiss());
      return { alone, said, record: site.lines("click") };
    },
    proves: {
      alone: ["undefined", "false", "null"],
      said: [
        "alert: watch out []",
        "undefined",
        "confirm: really? []",
        "true",
        "confirm: really? []",
        "false",
        "prompt: your name? [nobody]",
        "Ada",
        "prompt: your name? [nobody]",
        "null",
      ],
    },
  },
  {
    name: "beforeunload: the script keeps the page, then lets it go",
    run: async ({ open }) => {
      const page = await open("/dialogs");
      await page.click("#guard");
      const types: string[] = [];
      const asked = async (reply: (dialog: Dialog) => Promise<void>): Promise<void> => {
        const [dialog] = await Promise.all([
          page.waitForEvent("dialog"),
          page.close({ runBeforeUnload: true }),
        ]);
        types.push(dialog.type());
        await reply(dialog);
      };
      await asked((dialog) => dialog.dismiss());
      const kept = await page.title();
      const closed = page.waitForEvent("close");
      await asked((dialog) => dialog.accept());
      await closed;
      return { types, kept, pages: page.isClosed() };
    },
    proves: { types: ["beforeunload", "beforeunload"], kept: "dialogs", pages: true },
  },
];
