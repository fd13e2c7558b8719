import { connect, type ConsoleMessage } from "puppeteer-core";
import type { PuppeteerScenario } from "./puppeteer-bench.ts";
import { document as describePdf, failure, picture } from "./scenario.ts";

/** In base64 more than 60 MB. */
const LARGE_BODY_BYTES = 46 * 1024 * 1024;

export const SCRIPTING_SCENARIOS: readonly PuppeteerScenario[] = [
  {
    name: "evaluate, handles, errors",
    run: async ({ open }) => {
      const page = await open("/form");
      const values = await page.evaluate((given) => [given.text, typeof given.none, given.list.length], {
        text: "ü 漢 \u{1f3bd}",
        none: undefined,
        list: [1, 2],
      });
      const handle = await page.evaluateHandle(() => ({ form: document.querySelector("form"), n: 7 }));
      const properties = await handle.getProperties();
      const form = properties.get("form")?.asElement();
      const inputs = await form?.$$eval("input", (elements) => elements.map((element) => element.id));
      const n = await page.evaluate((object) => object.n, handle);
      await handle.dispose();
      const errors = [
        await failure(handle.evaluate((object) => object.n)),
        await failure(page.evaluate(() => Promise.reject(new TypeError("thrown in the page")))),
        await failure(page.click("#missing")),
      ];
      return { values, inputs, n, errors };
    },
    proves: { values: ["ü 漢 \u{1f3bd}", "undefined", 2], n: 7 },
  },
  {
    name: "a made-up response: a CDP message of over 60 MB",
    run: async ({ open }) => {
      const page = await open("/plain");
      const body = Buffer.alloc(LARGE_BODY_BYTES, "baton");
      await page.setRequestInterception(true);
      page.on(
        "request",
        (request) => void request.respond({ contentType: "application/octet-stream", body }),
      );
      const there = await page.evaluate(async () => {
        const bytes = new Uint8Array(await (await fetch("/huge")).arrayBuffer());
        return [bytes.length, String.fromCharCode(...bytes.slice(-6))];
      });
      return { there };
    },
    proves: { there: [LARGE_BODY_BYTES, "batonb"] },
  },
  {
    name: "exposeFunction and evaluateOnNewDocument",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      await page.exposeFunction("double", (value: number) => value * 2);
      const { identifier } = await page.evaluateOnNewDocument("window.mark = 'before the page'");
      await page.goto(`${site.url}/frames`);
      const marked = await page.evaluate("Promise.all([double(21), mark])");
      await page.removeScriptToEvaluateOnNewDocument(identifier);
      await page.reload();
      return { marked, after: await page.evaluate("Promise.all([double(4), typeof mark])") };
    },
    proves: { marked: [42, "before the page"], after: [8, "undefined"] },
  },
  {
    name: "console messages and page errors",
    run: async ({ open }) => {
      const page = await open("/plain");
      const messages: ConsoleMessage[] = [];
      const last = new Promise<void>((resolve) => {
        page.on("console", (message) => {
          messages.push(message);
          if (message.text() === "last") resolve();
        });
      });
      const thrown = new Promise<string>((resolve) =>
        page.on("pageerror", (error) => resolve(String(error))),
      );
      await page.evaluate(() => {
        console.log("plain", { deep: [1] });
        console.warn("careful");
        queueMicrotask(() => {
          throw new RangeError("nobody catches it");
        });
      });
      await page.evaluate(() => console.debug("last"));
      await last;
      return {
        texts: messages.map((message) => `${message.type()}: ${message.text()}`),
        argument: await messages[0]?.args()[1]?.jsonValue(),
        thrown: await thrown,
      };
    },
    proves: { argument: { deep: [1] }, thrown: "Error: Uncaught RangeError: nobody catches it" },
  },
  {
    name: "workers and their targets",
    run: async ({ open }) => {
      const page = await open("/workers");
      const created = new Promise<string>((resolve) =>
        page.once("workercreated", (worker) => resolve(worker.url())),
      );
      const destroyed = new Promise<string>((resolve) =>
        page.once("workerdestroyed", (worker) => resolve(worker.url())),
      );
      const answer = await page.evaluate("ask(21)");
      const inside = await page.workers()[0]?.evaluate(() => self.constructor.name);
      await page.evaluate("worker.terminate()");
      return { answer, inside, urls: [await created, await destroyed] };
    },
    proves: { answer: 42, inside: "DedicatedWorkerGlobalScope" },
  },
  {
    name: "screenshots: page, full page, element, clip",
    run: async ({ open }) => {
      const page = await open("/picture");
      await page.setViewport({ width: 800, height: 600 });
      const box = await page.$("#box");
      if (!box) throw new Error("no box");
      return {
        page: picture(await page.screenshot()),
        full: picture(await page.screenshot({ fullPage: true })),
        element: picture(await box.screenshot()),
        clip: picture(await page.screenshot({ clip: { x: 10, y: 20, width: 64, height: 32 } })),
      };
    },
    proves: {
      page: { width: 800, height: 600 },
      element: { width: 120, height: 60 },
      clip: { width: 64, height: 32 },
    },
  },
  {
    name: "PDF, content, accessibility tree, metrics, coverage",
    run: async ({ open, site }) => {
      const page = await open("/picture");
      const pdf = describePdf(await page.pdf({ format: "A6" }));
      await page.coverage.startJSCoverage();
      await page.goto(`${site.url}/buttons`);
      const covered = (await page.coverage.stopJSCoverage()).map(({ url, ranges }) => [
        url,
        ranges.length > 0,
      ]);
      const root = await page.accessibility.snapshot();
      const tree = [root, ...(root?.children ?? [])].map((node) => [node?.role, node?.name]);
      const metrics = Object.keys(await page.metrics()).toSorted();
      await page.setContent("<title>set</title><h1>made by hand</h1>");
      return { pdf, covered, tree, metrics, title: await page.title(), html: await page.content() };
    },
    proves: { pdf: { whole: true }, title: "set" },
  },
  {
    name: "tracing",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      await page.tracing.start({ screenshots: true });
      await page.goto(`${site.url}/form`);
      const trace = await page.tracing.stop();
      const { traceEvents } = JSON.parse(Buffer.from(trace ?? []).toString()) as {
        traceEvents: { name: string }[];
      };
      const wanted = ["TracingStartedInBrowser", "Screenshot", "navigationStart", "ResourceSendRequest"];
      return { names: wanted.filter((name) => traceEvents.some((event) => event.name === name)) };
    },
    proves: { names: ["TracingStartedInBrowser", "Screenshot", "navigationStart", "ResourceSendRequest"] },
  },
  {
    name: "CDP sessions of a page and of the browser",
    run: async ({ open, browser }) => {
      const page = await open("/plain");
      const session = await page.createCDPSession();
      const { result } = await session.send("Runtime.evaluate", { expression: "6 * 7", returnByValue: true });
      const changed = new Promise<string>((resolve) => {
        session.on("DOM.attributeModified", ({ name, value }) => resolve(`${name}=${value}`));
      });
      await session.send("DOM.enable");
      await session.send("DOM.getDocument", { depth: -1 });
      await page.evaluate(() => document.querySelector("#text")!.setAttribute("data-seen", "yes"));
      const attribute = await changed;
      const unknown = await failure(session.send("Nothing.like" as "Page.enable"));
      await session.detach();
      const detached = await failure(session.send("Runtime.enable"));
      const root = await browser.target().createCDPSession();
      const { product } = await root.send("Browser.getVersion");
      return {
        value: result.value as unknown,
        attribute,
        unknown,
        detached,
        same: (await browser.version()) === product,
      };
    },
    proves: { value: 42, attribute: "data-seen=yes", same: true },
  },
  {
    name: "two clients at once, found by the browser's URL",
    run: async ({ browser, endpoints, site }) => {
      const other = await connect({ browserURL: endpoints.root });
      const noticed = new Promise<string>((resolve) => {
        other.on("targetchanged", (target) => {
          if (target.url().endsWith("/form")) resolve(target.type());
        });
      });
      const page = await browser.newPage();
      await page.goto(`${site.url}/form`);
      const type = await noticed;
      const seen = (await other.pages()).find((each) => each.url().endsWith("/form"));
      await seen?.type("#name", "by the second");
      const read = await page.$eval("#name", (element) => (element as HTMLInputElement).value);
      await other.disconnect();
      const connected = [browser.connected, other.connected];
      await page.close();
      return { type, read, connected, pages: (await browser.pages()).length, record: site.lines("input") };
    },
    proves: { type: "page", read: "by the second", connected: [true, false], pages: 2 },
  },
];
