import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Dialog, ElementHandle, Page } from "puppeteer-core";
import type { PuppeteerScenario } from "./puppeteer-bench.ts";
import { failure } from "./scenario.ts";

const LARGE_FILE_BYTES = 64 * 1024 * 1024;

async function popup(page: Page, trigger: string): Promise<Page> {
  const opened = new Promise<Page | null>((resolve) => page.once("popup", resolve));
  await page.click(trigger);
  const child = await opened;
  if (!child) throw new Error("no popup");
  await child.waitForFunction(() => document.readyState === "complete" && location.href !== "about:blank");
  return child;
}

export const INPUT_SCENARIOS: readonly PuppeteerScenario[] = [
  {
    name: "clicks: left, right, double; hover; a locator that waits",
    run: async ({ open, site }) => {
      const page = await open("/buttons");
      await page.click("#plain");
      await page.click("#plain", { button: "right" });
      await page.click("#plain", { count: 2 });
      await page.hover("#hover");
      const clicked = page.locator("#late").click();
      await page.evaluate("wake()");
      await clicked;
      await page.locator("#below").click();
      return {
        entered: await page.$eval("#entered", (element) => element.textContent),
        record: site.lines(),
      };
    },
    proves: { entered: "in out " },
  },
  {
    name: "type, press, shortcuts, fill, select, checkbox, a form that is sent",
    run: async ({ open, site }) => {
      const page = await open("/form");
      await page.type("#name", "Ada ü 語!");
      await page.focus("#secret");
      await page.keyboard.type("abc");
      await page.keyboard.down("Shift");
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.up("Shift");
      await page.keyboard.press("Backspace");
      await page.keyboard.sendCharacter("漢");
      await page.locator("#notes").fill("filled in");
      await page.keyboard.press("Tab");
      const values = await page.$$eval("#name, #secret, #notes", (elements) =>
        elements.map((element) => (element as HTMLInputElement).value),
      );
      const chosen = [await page.select("#colour", "g"), await page.select("#sizes", "S", "L")];
      await page.click("#agree");
      await Promise.all([page.waitForNavigation(), page.click("#send")]);
      const fields = await page.$eval("#fields", (element) => element.textContent);
      return { values, chosen, fields, record: site.lines() };
    },
    proves: { values: ["Ada ü 語!", "a漢", "filled in"], chosen: [["g"], ["S", "L"]] },
  },
  {
    name: "drag and drop, a slider, the wheel",
    run: async ({ open, site }) => {
      const page = await open("/drag");
      const [card, zone, knob] = [await page.$("#card"), await page.$("#zone"), await page.$("#knob")];
      if (!card || !zone || !knob) throw new Error("an element is missing");
      await card.drag(zone);
      await zone.drop(card);
      await page.waitForFunction(() => document.querySelector("#zone")!.textContent === "the card");
      const { x, y } = await knob.clickablePoint();
      await page.mouse.move(x, y);
      await page.mouse.down();
      await page.mouse.move(x + 150, y, { steps: 3 });
      await page.mouse.up();
      const left = await knob.evaluate((element) => (element as HTMLElement).style.left);
      const record = site.lines();
      await page.goto(`${site.url}/buttons`);
      await page.hover("#pane");
      await page.mouse.wheel({ deltaY: 120 });
      await page.waitForFunction(() => document.querySelector("#pane")!.scrollTop === 120);
      return { left, record };
    },
    proves: { left: "150px" },
  },
  {
    name: "new tabs, popups, their openers, closing",
    run: async ({ open, site }) => {
      const page = await open("/links");
      const context = page.browserContext();
      const child = await popup(page, "#open");
      const opener = (await child.target().opener()?.page()) === page;
      await child.click("#tell");
      await page.waitForFunction(() => document.querySelector("#heard")!.textContent !== "");
      const closed = new Promise((resolve) => child.once("close", resolve));
      await page.click("#close");
      await closed;
      const far = await popup(page, "#far");
      const blank = await context.waitForTarget((target) => target.url().endsWith("/child?far"));
      const second = await context.newPage();
      await second.goto(`${site.url}/second`);
      await page.bringToFront();
      const pages = (await context.pages())
        .map((each) => each.url())
        .slice(1)
        .toSorted();
      await second.close();
      return {
        opener,
        pages,
        far: far.url(),
        type: blank.type(),
        left: (await context.pages()).length,
        record: site.lines("click"),
      };
    },
    proves: {
      opener: true,
      pages: ["http://site/links", "http://site/second", "http://other/child?far"],
      left: 3,
    },
  },
  {
    name: "frames of the same and of another origin",
    run: async ({ open, site }) => {
      const page = await open("/frames");
      const said: unknown[] = [];
      for (const name of ["near", "far"]) {
        const frame = await page.waitForFrame((each) => each.url().endsWith(`/inner?${name}`));
        await (await frame.waitForSelector("#press"))?.click();
        await frame.type("#field", `in ${name}`);
        said.push(
          await frame.evaluate(() => [location.origin, document.querySelector("#said")!.textContent]),
        );
        await Promise.all([frame.waitForNavigation(), frame.click("#deeper")]);
      }
      return { said, urls: page.frames().map((frame) => frame.url()), record: site.lines("click", "input") };
    },
    proves: {
      said: [
        ["http://site", "pressed "],
        ["http://other", "pressed "],
      ],
      urls: ["http://site/frames", "http://site/inner?deeper", "http://other/inner?deeper"],
    },
  },
  {
    name: "dialogs: alert, confirm, prompt and beforeunload",
    run: async ({ open }) => {
      const page = await open("/dialogs");
      const said: unknown[] = [];
      const answer = async (trigger: string, reply: (dialog: Dialog) => Promise<void>): Promise<void> => {
        page.once("dialog", (dialog) => {
          said.push(`${dialog.type()}: ${dialog.message()} [${dialog.defaultValue()}]`);
          void reply(dialog);
        });
        await page.click(trigger);
        said.push(await page.$eval("#said", (element) => element.textContent));
      };
      await answer("#alert", (dialog) => dialog.accept());
      await answer("#confirm", (dialog) => dialog.accept());
      await answer("#confirm", (dialog) => dialog.dismiss());
      await answer("#prompt", (dialog) => dialog.accept("Ada"));
      await page.click("#guard");
      const asked = new Promise<Dialog>((resolve) => page.once("dialog", resolve));
      const closed = new Promise((resolve) => page.once("close", resolve));
      await page.close({ runBeforeUnload: true });
      const dialog = await asked;
      await dialog.accept();
      await closed;
      return { said, last: dialog.type(), closed: page.isClosed() };
    },
    proves: { last: "beforeunload", closed: true },
  },
  {
    name: "uploads: a small file, a file chooser, one of 64 MB",
    run: async ({ open, folder }) => {
      const page = await open("/files");
      const [small, large] = [join(folder, "small.txt"), join(folder, "large.bin")];
      await writeFile(small, "from a path");
      await writeFile(large, Buffer.alloc(LARGE_FILE_BYTES, "baton"));
      const answer = async (): Promise<unknown> => {
        await page.waitForFunction(() => document.querySelector("#answer")!.textContent !== "");
        const text = await page.$eval("#answer", (element) => {
          const { textContent } = element;
          element.textContent = "";
          return textContent;
        });
        return JSON.parse(text ?? "");
      };
      const one = (await page.$("#one")) as ElementHandle<HTMLInputElement>;
      await one.uploadFile(small);
      const first = await answer();
      const [chooser] = await Promise.all([page.waitForFileChooser(), page.click("#choose")]);
      await chooser.accept([large]);
      return { first, second: await answer() };
    },
    proves: {
      first: [{ name: "small.txt", size: 11 }],
      second: [{ name: "large.bin", size: LARGE_FILE_BYTES }],
    },
  },
  {
    name: "waiting: for selectors, functions, navigations, responses, in vain",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const answered = page.waitForResponse((response) => response.url().endsWith("/held?name=wait"));
      const shown = page.waitForSelector("#shown");
      const gone = page.waitForSelector("#text", { hidden: true });
      const counted = page.waitForFunction((least) => document.querySelectorAll("p").length >= least, {}, 2);
      await page.evaluate(() => {
        void fetch("/held?name=wait").then(() => {
          document.body.insertAdjacentHTML("beforeend", "<p>a</p><p id=shown>b</p>");
          document.querySelector("#text")!.remove();
        });
      });
      await site.release("wait");
      const status = (await answered).status();
      const text = await (await shown)?.evaluate((element) => element.textContent);
      await Promise.all([gone, counted]);
      const inVain = await failure(page.waitForSelector("#never", { timeout: 50 }));
      return { status, text, inVain };
    },
    proves: { status: 200, text: "b" },
  },
];
