import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConsoleMessage } from "playwright-core";
import type { PlaywrightScenario } from "./playwright-bench.ts";
import { document as describePdf, failure, picture, unzip } from "./scenario.ts";

/**
 * Chromium takes time with the square of a compressed message's size, and Playwright compresses when it may: 64 MB take
 * more than a minute without a gate between them.
 */
const LARGE_ARGUMENT_BYTES = 1024 * 1024;

export const SCRIPTING_SCENARIOS: readonly PlaywrightScenario[] = [
  {
    name: "evaluate: values of every kind, there and back, large ones",
    run: async ({ open }) => {
      const page = await open("/plain");
      const back = await page.evaluate(
        (given) => [
          typeof given.none,
          Object.is(given.zero, -0),
          given.day.toISOString(),
          given.big + 1n,
          given.text,
        ],
        { none: undefined, zero: -0, day: new Date(0), big: 2n ** 70n, text: "\u{1f3bd} \u0000 ü" },
      );
      const special = await page.evaluate(() => [
        Number.NaN,
        Infinity,
        null,
        undefined,
        new URL("http://a.b/c"),
        /x/g,
        new Error("kept"),
      ]);
      const text = "a".repeat(LARGE_ARGUMENT_BYTES - 3) + "end";
      const large = await page.evaluate((text) => [text.length, text.slice(-4)], text);
      const answer = await page.evaluate((bytes) => "b".repeat(bytes), LARGE_ARGUMENT_BYTES);
      return {
        large: [...large, answer === "b".repeat(LARGE_ARGUMENT_BYTES)],
        back: back.map(String),
        special: special.map(String),
        title: await page.evaluate("document.title"),
      };
    },
    proves: {
      large: [LARGE_ARGUMENT_BYTES, "aend", true],
      back: ["undefined", "true", "1970-01-01T00:00:00.000Z", String(2n ** 70n + 1n), "\u{1f3bd} \u0000 ü"],
      special: ["NaN", "Infinity", "null", "undefined", "http://a.b/c", "/x/g", "Error: kept"],
      title: "plain",
    },
  },
  {
    name: "handles: of elements, of objects, their properties, disposed ones",
    run: async ({ open }) => {
      const page = await open("/form");
      const handle = await page.evaluateHandle(() => ({
        a: 1,
        form: document.querySelector("form"),
        list: [1, 2],
      }));
      const properties = await handle.getProperties();
      const form = properties.get("form")?.asElement();
      const inputs = await form?.$$eval("input", (elements) => elements.map((element) => element.id));
      const sum = await page.evaluate(({ list }) => list[0]! + list[1]!, handle);
      const values = [...properties.keys(), await (await handle.getProperty("a")).jsonValue()];
      await handle.dispose();
      const disposed = await failure(handle.evaluate((value) => value));
      await page.reload();
      const stale = await failure(form?.click() ?? Promise.resolve());
      return { inputs, sum, values, disposed, stale };
    },
    proves: { sum: 3, values: ["a", "form", "list", 1] },
  },
  {
    name: "evaluate: errors, a page that leaves meanwhile",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const errors = [
        await failure(page.evaluate(() => Promise.reject(new TypeError("thrown in the page")))),
        await failure(page.evaluate("not javascript")),
        await failure(page.click("#missing", { timeout: 50 })),
        await failure(page.evaluate(() => new Promise(() => location.assign("/second")))),
      ];
      await page.waitForURL("**/second");
      const waiting = failure(page.evaluate(() => fetch("/held?name=closing").then(() => "late")));
      await site.asked("closing");
      await page.close();
      return { errors, closing: await waiting };
    },
    proves: {
      errors: [
        "page.evaluate: TypeError: thrown in the page",
        "page.evaluate: SyntaxError: Unexpected identifier 'javascript'",
        "page.click: Timeout 50ms exceeded.",
        "page.evaluate: Execution context was destroyed, most likely because of a navigation.",
      ],
    },
  },
  {
    name: "exposeFunction, exposeBinding and addInitScript, of context and page, in frames, popups and after a reload",
    run: async ({ open, site }) => {
      const page = await open("/plain", {});
      const sources: string[] = [];
      await page.exposeFunction("double", (value: number) => value * 2);
      await page.context().exposeBinding("where", ({ frame }, extra: string) => {
        sources.push(`${new URL(frame.url()).pathname} ${extra}`);
        return sources.length;
      });
      await page.context().addInitScript("window.marks = ['context']; document.cookie = 'init=1'");
      await page.addInitScript(
        (mark) => void (window as unknown as { marks: string[] }).marks.push(mark),
        "page",
      );
      await page.goto(`${site.url}/frames`);
      const call = 'Promise.all([double(21), where("x"), marks])';
      const first = await page.evaluate(call);
      const inFrame = await page.frame("far")?.evaluate(call);
      await page.reload();
      const again = await page.evaluate(call);
      await page.exposeFunction("refuse", () => {
        throw new Error("no from outside");
      });
      const refused = await failure(page.evaluate("refuse()"));
      const [popup] = await Promise.all([
        page.waitForEvent("popup"),
        page.evaluate("void window.open('/child')"),
      ]);
      await popup.waitForLoadState();
      return { first, inFrame, again, refused, popup: await popup.evaluate("marks"), sources };
    },
    proves: {
      first: [42, 1, ["context", "page"]],
      inFrame: [42, 2, ["context", "page"]],
      again: [42, 3, ["context", "page"]],
      popup: ["context"],
      sources: ["/frames x", "/inner x", "/frames x"],
    },
  },
  {
    name: "console messages, page errors and their arguments",
    run: async ({ open }) => {
      const page = await open("/plain");
      const messages: ConsoleMessage[] = [];
      page.on("console", (message) => messages.push(message));
      const thrown = page.waitForEvent("pageerror");
      const last = page.waitForEvent("console", (message) => message.text() === "last");
      await page.evaluate(() => {
        console.log("plain", 1, { deep: [1, 2] });
        console.warn("careful");
        console.error(new Error("logged").message);
        console.assert(false, "not so");
        queueMicrotask(() => {
          throw new RangeError("nobody catches it");
        });
      });
      await page.evaluate(() => console.debug("last"));
      await last;
      return {
        texts: messages.map((message) => `${message.type()}: ${message.text()}`),
        argument: await messages[0]?.args()[2]?.jsonValue(),
        thrown: `${(await thrown).name}: ${(await thrown).message}`,
      };
    },
    proves: { argument: { deep: [1, 2] }, thrown: "RangeError: nobody catches it" },
  },
  {
    name: "web workers and service workers",
    run: async ({ open }) => {
      const page = await open("/workers");
      const heard = page.waitForEvent("console");
      const [worker, answer] = await Promise.all([page.waitForEvent("worker"), page.evaluate("ask(21)")]);
      const inside = await worker.evaluate(
        () => typeof (globalThis as unknown as { importScripts: unknown }).importScripts,
      );
      const closed = worker.waitForEvent("close");
      await page.evaluate("worker.terminate()");
      await closed;
      const registered = page.context().waitForEvent("serviceworker");
      await page.evaluate(async () => {
        await navigator.serviceWorker.register("/sw.js");
        await navigator.serviceWorker.ready;
        if (!navigator.serviceWorker.controller)
          await new Promise((resolve) => {
            navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
          });
      });
      const service = await registered;
      const text = await page.evaluate(() => fetch("/from-worker").then((response) => response.text()));
      await page.evaluate(async () => (await navigator.serviceWorker.ready).unregister());
      return { heard: (await heard).text(), inside, answer, text, workers: [worker.url(), service.url()] };
    },
    proves: {
      heard: "worker heard 21",
      inside: "function",
      answer: 42,
      text: "answered by the service worker",
    },
  },
  {
    name: "CDP sessions: of a page, of a frame, of the browser",
    run: async ({ open, browser, site }) => {
      const page = await open("/frames");
      const session = await page.context().newCDPSession(page);
      const { result } = await session.send("Runtime.evaluate", { expression: "6 * 7", returnByValue: true });
      await session.send("Network.enable");
      const requested = new Promise<string>((resolve) => {
        session.on("Network.requestWillBeSent", ({ request }) => resolve(request.url));
      });
      await page.evaluate(() => void fetch("/plain"));
      const url = await requested;
      const unknown = await failure(session.send("Nothing.like" as "Page.enable"));
      const wrong = await failure(session.send("Page.navigate", {} as { url: string }));
      const far = page.frame("far");
      if (!far) throw new Error("no frame");
      const inFrame = await page.context().newCDPSession(far);
      const origin = await inFrame.send("Runtime.evaluate", { expression: "location.origin" });
      await inFrame.detach();
      const detached = await failure(inFrame.send("Runtime.enable"));
      const root = await browser.newBrowserCDPSession();
      const { targetInfos } = await root.send("Target.getTargets");
      const version = await root.send("Browser.getVersion");
      await session.detach();
      return {
        value: result.value as unknown,
        url,
        unknown,
        wrong,
        detached,
        origin: origin.result.value as unknown,
        targets: targetInfos.map((info) => `${info.type} ${info.url}`).toSorted(),
        protocol: version.protocolVersion,
        page: site.requests().includes("GET /plain"),
      };
    },
    proves: { value: 42, url: "http://site/plain", origin: "http://other", protocol: "1.3" },
  },
  {
    name: "screenshots: page, full page, element, clip, JPEG, masked",
    run: async ({ open }) => {
      const page = await open("/picture", { viewport: { width: 800, height: 600 } });
      const jpeg = await page.screenshot({ type: "jpeg", quality: 60 });
      return {
        page: picture(await page.screenshot()),
        full: picture(await page.screenshot({ fullPage: true })),
        element: picture(await page.locator("#box").screenshot()),
        clip: picture(await page.screenshot({ clip: { x: 10, y: 20, width: 64, height: 32 } })),
        masked: picture(await page.screenshot({ mask: [page.locator("#box")], scale: "css" })),
        jpeg: [jpeg.subarray(0, 3).toString("hex"), jpeg.length],
      };
    },
    proves: {
      page: { width: 800, height: 600 },
      element: { width: 120, height: 60 },
      clip: { width: 64, height: 32 },
    },
  },
  {
    name: "PDF, the page's HTML and its accessibility tree",
    run: async ({ open, site }) => {
      const page = await open("/picture");
      const pdf = describePdf(await page.pdf({ format: "A6" }));
      await page.goto(`${site.url}/form`);
      const tree = await page.locator("body").ariaSnapshot();
      await page.setContent("<title>set</title><main><h1>made by hand</h1></main>");
      return { pdf, tree, title: await page.title(), html: await page.content() };
    },
    proves: { pdf: { whole: true }, title: "set" },
  },
  {
    name: "tracing: a zip with the actions, pictures and snapshots",
    run: async ({ open, folder }) => {
      const page = await open("/plain");
      const { tracing } = page.context();
      await tracing.start({ screenshots: true, snapshots: true });
      await page.goto(page.url().replace("plain", "form"));
      await page.fill("#name", "traced");
      await page.check("#agree");
      const path = join(folder, "trace.zip");
      await tracing.stop({ path });
      const files = unzip(await readFile(path));
      const events = (files.get("trace.trace")?.toString() ?? "")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { type: string; class?: string; method?: string });
      return {
        names: [...files.keys()].filter((name) => name.startsWith("trace.")).toSorted(),
        resources: [...files.keys()].some((name) => name.startsWith("resources/")),
        actions: events
          .filter(({ type }) => type === "before")
          .map(({ class: on, method }) => `${on}.${method}`),
        kinds: ["context-options", "frame-snapshot", "screencast-frame"].filter((kind) =>
          events.some(({ type }) => type === kind),
        ),
      };
    },
    proves: {
      names: ["trace.network", "trace.stacks", "trace.trace"],
      resources: true,
      actions: ["Frame.goto", "Frame.fill", "Frame.check"],
    },
  },
];
